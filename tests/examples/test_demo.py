"""The demo's project: made once, never over something else."""

from pathlib import Path

import pytest

from examples.flights.demo import MODEL, TEMPLATE, make_project
from vigil.errors import VigilError
from vigil.project import Project


def test_the_template_is_a_project_that_vigil_opens(tmp_path: Path) -> None:
    assert make_project(tmp_path / "demo")
    (spec,) = Project.open(tmp_path / "demo").models.values()
    assert spec.model == MODEL
    assert spec.labels.review_rows is not None  # else the planned review at its end would list nothing


def test_a_project_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    make_project(tmp_path)
    spec = tmp_path / "models" / f"{MODEL}.yaml"
    spec.write_text(spec.read_text().replace("share: 0.05", "share: 0.5"))
    assert not make_project(tmp_path)
    assert "share: 0.5 " in spec.read_text()


def test_a_copy_that_was_killed_is_made_again(tmp_path: Path) -> None:
    """vigil.yaml comes last: without it the copy is not complete."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{MODEL}.yaml").write_text("model: half a fi")
    assert make_project(tmp_path)
    assert (tmp_path / "models" / f"{MODEL}.yaml").read_bytes() == (TEMPLATE / "models" / f"{MODEL}.yaml").read_bytes()


@pytest.mark.parametrize("already", ["notes.txt", "vigil.yaml"])
def test_a_folder_with_something_else_is_not_touched(tmp_path: Path, already: str) -> None:
    (tmp_path / already).write_text("project: other\n")
    with pytest.raises(VigilError, match="--project FOLDER demo"):
        make_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [already]
