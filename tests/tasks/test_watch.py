"""Which models a wrong file is about: those whose champion's specification can still be read."""

from __future__ import annotations

from pathlib import Path

from tasks.watch import _refused
from tests.alerts.build import a_spec
from tests.store.build import NOW, a_version
from vigil.project import Project
from vigil.store.records import PromotionKind


def test_what_an_earlier_release_took_keeps_the_others_from_nothing(tmp_path: Path) -> None:
    """Of three wrong files one model never was registered, and what is on record of another is refused today as its file is."""
    (tmp_path / "models").mkdir()
    (tmp_path / "vigil.yaml").write_text("project: shop\n")
    for name in ("known", "never", "older"):
        (tmp_path / "models" / f"{name}.yaml").write_text("model: [\n")
    project = Project.open(tmp_path)
    spec = a_spec("known")
    with project.store() as store:
        for name, body in (("known", spec.canonical_json()), ("older", '{"model":"older"}')):
            store.save_spec(name, f"spec-{name}", body)
            store.save_version(a_version(model=name, spec_hash=f"spec-{name}"))
            store.move_champion(name, "1", expected_token=0, kind=PromotionKind.ADOPTED, by="ada", reason="", at=NOW)
        assert [(found, Path(error.file).name) for found, error in _refused(project, store)] == [(spec, "known.yaml")]
