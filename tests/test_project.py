"""A project: where it is found, what it opens, how its paths resolve."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigil.errors import ModelNotFound, ProjectNotFound, SpecError, StoreError
from vigil.project import Project, find_project


def project_in(folder: Path, text: str = "project: shop\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vigil.yaml").write_text(text)
    return folder


def test_a_flag_comes_before_the_environment_and_the_environment_before_the_folder(tmp_path: Path) -> None:
    flag, variable, here = (project_in(tmp_path / name) for name in ("flag", "variable", "here"))
    environ = {"VIGIL_PROJECT": str(variable)}
    assert find_project(str(flag), environ, here) == flag
    assert find_project(None, environ, here) == variable
    assert find_project(None, {}, here) == here


def test_the_nearest_parent_with_a_project_is_taken(tmp_path: Path) -> None:
    outer = project_in(tmp_path / "outer")
    inner = project_in(outer / "inner")
    (inner / "models" / "deep").mkdir(parents=True)
    assert find_project(None, {}, inner / "models" / "deep") == inner
    assert find_project(None, {}, outer) == outer


def test_a_flag_is_relative_to_the_current_folder_and_may_name_the_file(tmp_path: Path) -> None:
    folder = project_in(tmp_path / "shop")
    assert find_project("shop", {}, tmp_path) == folder
    assert find_project("shop/vigil.yaml", {}, tmp_path) == folder


@pytest.mark.parametrize(("flag", "environ"), [("gone", {}), (None, {"VIGIL_PROJECT": "gone"})])
def test_a_named_folder_without_a_project_is_an_error_even_where_a_parent_has_one(
    tmp_path: Path, flag: str | None, environ: dict[str, str]
) -> None:
    project_in(tmp_path)
    with pytest.raises(ProjectNotFound, match=r"gone, where there is no vigil\.yaml; `vigil init gone` writes one"):
        find_project(flag, environ, tmp_path)


def test_no_project_anywhere_says_how_to_name_or_write_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound, match=r"give --project DIR or \$VIGIL_PROJECT, or write one with `vigil init`"):
        find_project(None, {}, tmp_path)


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_project_without_model_files_opens_with_no_models(tmp_path: Path, *, with_folder: bool) -> None:
    project_in(tmp_path)
    if with_folder:
        (tmp_path / "models").mkdir()
    project = Project.open(tmp_path)
    assert dict(project.models) == {}
    with pytest.raises(ModelNotFound, match=r"no model 'churn' in this project; the models are: none yet: add models/NAME\.yaml"):
        project.model("churn")


def test_a_wrong_file_is_told_where_all_are_wanted_or_the_model_is_its_own(tmp_path: Path) -> None:
    """The first file by name; or that of the model's name, or else any: the model may be in it."""
    (project_in(tmp_path) / "models").mkdir()
    assert Project.open(tmp_path).require_all().models == {}
    for name in ("a", "churn"):
        (tmp_path / "models" / f"{name}.yaml").write_text("model: [\n")
    project = Project.open(tmp_path)
    for told, ask in (
        ("a.yaml", project.require_all),
        ("churn.yaml", lambda: project.model("churn")),
        ("a.yaml", lambda: project.model("b")),
    ):
        with pytest.raises(SpecError) as caught:
            ask()
        assert Path(caught.value.file).name == told


def test_opening_writes_nothing(tmp_path: Path) -> None:
    project_in(tmp_path)
    Project.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vigil.yaml"]


def test_paths_lie_in_the_folder_unless_absolute(tmp_path: Path) -> None:
    project = Project.open(project_in(tmp_path))
    assert project.path("state/reports") == tmp_path / "state/reports"
    assert project.path("/elsewhere/file") == Path("/elsewhere/file")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///state/vigil.db", "sqlite:///{folder}/state/vigil.db"),
        ("sqlite:////var/vigil.db", "sqlite:////var/vigil.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://vigil@db/vigil", "postgresql+psycopg://vigil@db/vigil"),
        ("http://mlflow:5000", "http://mlflow:5000"),
    ],
)
def test_only_a_relative_sqlite_file_is_moved_into_the_folder(tmp_path: Path, url: str, expected: str) -> None:
    assert Project.open(project_in(tmp_path)).database_url(url) == expected.format(folder=tmp_path)


def test_a_folder_whose_path_would_be_cut_off_in_a_url_is_refused(tmp_path: Path) -> None:
    """The databases would all be one file beside the folder."""
    folder = tmp_path / "what?"
    folder.mkdir()
    with pytest.raises(StoreError, match="a question mark ends the path in a database URL; rename the project's folder"):
        Project.open(project_in(folder)).store()
    assert [each.name for each in tmp_path.iterdir()] == ["what?"]


def test_the_store_is_made_where_the_project_says(tmp_path: Path) -> None:
    project = Project.open(project_in(tmp_path, "store: {url: 'sqlite:///deep/down/vigil.db'}\n"))
    assert project.store().evaluations("churn") == ()
    assert (tmp_path / "deep/down/vigil.db").is_file()
