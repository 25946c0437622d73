"""What is wrong with the world: each fault ends in one typed error or one verdict, and nothing is half-written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.loop.small_project import MODEL, RETRAINED, as_of, copy_of, look_at, make_project, play, week_start
from vigil.alerts.alerting import incidents_of
from vigil.errors import RegistryError, SourceError, VigilError
from vigil.measurement import WHOLE, Layer, Verdict
from vigil.project import Project
from vigil.store.records import RetrainingState


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Path:
    """The project with its first version and one sound week that nobody has looked at."""
    from flows.adopt import adopt

    folder = make_project(tmp_path_factory.mktemp("bad") / "project")
    adopt(str(folder), MODEL, as_of=week_start(0).isoformat())
    play(folder, 0)
    return folder


@pytest.fixture
def folder(adopted: Path, tmp_path: Path) -> Path:
    return shutil.copytree(adopted, tmp_path / "project")


def rewrite(folder: Path, kind: str, **columns: Any) -> None:
    """Change columns of the first week's predictions or labels; None drops one."""
    path = folder / "data" / kind / "00.parquet"
    rows = pd.read_parquet(path)
    rows = rows.drop(columns=[name for name, value in columns.items() if value is None])
    rows.assign(**{name: value for name, value in columns.items() if value is not None}).to_parquet(path)


def failed(folder: Path, evaluation_id: str) -> set[tuple[str, str]]:
    measured = Project.open(folder).store().measurements([evaluation_id])[evaluation_id]
    return {(m.metric, m.subject) for m in measured if m.layer is Layer.DATA_QUALITY and m.verdict is Verdict.BREACH}


def test_a_missing_feature_is_a_data_fault(folder: Path) -> None:
    """The column is nowhere in the log; the schema's expectation says so, and nothing else is measured."""
    rewrite(folder, "predictions", age=None)
    found = look_at(folder)
    assert found["action"] == "FIX_DATA"
    assert failed(folder, found["evaluation_id"]) == {("expect_column_to_exist", "age")}


def test_text_in_a_numeric_feature_is_a_data_fault(folder: Path) -> None:
    """Income arrives as words."""
    rewrite(folder, "predictions", income="much")
    found = look_at(folder)
    assert found["action"] == "FIX_DATA"
    assert {subject for _, subject in failed(folder, found["evaluation_id"])} == {"income"}


def test_an_empty_window_is_a_data_fault(folder: Path) -> None:
    """No row arrived in the second week."""
    found = look_at(folder, week=1)
    assert found["action"] == "FIX_DATA"
    assert ("expect_table_row_count_to_be_between", WHOLE) in failed(folder, found["evaluation_id"])


def test_labels_of_one_class_are_not_enough_data(folder: Path) -> None:
    """No AUC can be had of them; drift is measured all the same, and nothing is done."""
    rewrite(folder, "labels", label=1)
    found = look_at(folder)
    assert found["action"] == "HOLD"
    measured = Project.open(folder).store().measurements([found["evaluation_id"]])[found["evaluation_id"]]
    (performance,) = [m for m in measured if m.metric == "roc_auc" and m.subject == WHOLE]
    assert (performance.verdict, performance.value) == (Verdict.NOT_ENOUGH_DATA, None)


@pytest.mark.parametrize("column", ["prediction_id", "event_time", "score"])
def test_a_missing_log_column_is_an_error_that_names_it(folder: Path, column: str) -> None:
    """Without it the rows cannot be told apart, placed or judged; nothing is written."""
    rewrite(folder, "predictions", **{column: None})
    with pytest.raises(SourceError, match=f"column `{column}`"):
        look_at(folder)
    store = Project.open(folder).store()
    assert (store.evaluations(MODEL), store.decisions(MODEL)) == ((), ())


def test_a_file_that_is_cut_off_is_an_error_that_names_it(folder: Path) -> None:
    """Half a Parquet file has no footer."""
    path = folder / "data" / "predictions" / "00.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"00\.parquet"):
        look_at(folder)


def test_looks_that_fail_are_an_incident_though_no_look_came_to_an_end(folder: Path) -> None:
    """The log is cut off: a look by itself fails, then the model's turn in the fleet's run. Both are kept with why, and told."""
    from flows.fleet import monitor_fleet

    path = folder / "data" / "predictions" / "00.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError):
        look_at(folder)
    with pytest.raises(VigilError):
        monitor_fleet(str(folder), as_of(0))
    store = Project.open(folder).store()
    by_itself, turn = store.flow_runs(MODEL, latest=5)
    assert by_itself.ended_at is not None
    assert turn.ended_at is not None
    assert "00.parquet" in by_itself.failure
    assert turn.failure.startswith("SourceError: ")
    (incident,) = incidents_of(store, MODEL).values()
    assert (incident.about_runs, store.evaluations(MODEL)) == (True, ())
    assert "00.parquet" in incident.causes[0]["why"]


def test_a_wrong_specification_leaves_the_other_models_to_be_looked_at(folder: Path) -> None:
    """By the fleet's run and by the one that asks people; both fail at their end and name the file."""
    from flows.fleet import monitor_fleet
    from flows.review import review

    (folder / "models" / "a.yaml").write_text("model: a\n")
    with pytest.raises(VigilError, match=r"1 of the models could not be looked at; .*models/a\.yaml:1: `owner`: this key is missing"):
        monitor_fleet(str(folder), as_of(0))
    assert len(Project.open(folder).store().decisions(MODEL)) == 1
    with pytest.raises(VigilError, match=r"1 of the models have no review session; .*models/a\.yaml:1: "):
        review(str(folder), as_of(0))


def test_a_model_whose_specification_went_wrong_is_told_to_people(folder: Path) -> None:
    """Nobody looks at it any more. Its turns fail, and from the second on that is an incident, by the champion's specification."""
    from flows.fleet import monitor_fleet

    spec = folder / "models" / f"{MODEL}.yaml"
    spec.write_text(spec.read_text() + "windws: {days: 7}\n")
    for _ in range(2):
        with pytest.raises(VigilError, match="1 of the models could not be looked at"):
            monitor_fleet(str(folder), as_of(0))
    (incident,) = incidents_of(Project.open(folder).store(), MODEL).values()
    assert incident.about_runs
    assert "`windws`: " in incident.causes[0]["why"]


def test_what_nobody_foresaw_about_one_model_leaves_the_others_to_be_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two models ends in an error that is none of vigil's: the second is decided about, the run fails and names the first."""
    import flows.fleet

    follow = flows.fleet.follow_registry

    def failing(project: str, model: str, as_of: str | None) -> None:
        if model == "a":
            raise RuntimeError("boom")
        follow(project, model, as_of)

    monkeypatch.setattr(flows.fleet, "follow_registry", failing)
    spec = folder / "models" / f"{MODEL}.yaml"
    (folder / "models" / "a.yaml").write_text(spec.read_text().replace(f"model: {MODEL}", "model: a"))
    with pytest.raises(VigilError, match="1 of the models could not be looked at; a: unexpected RuntimeError: boom"):
        flows.fleet.monitor_fleet(str(folder), as_of(0))
    store = Project.open(folder).store()
    assert len(store.decisions(MODEL)) == 1
    assert [run.failure for run in store.flow_runs("a", latest=5)] == ["RuntimeError: boom"]


def test_an_unreachable_registry_leaves_the_retraining_to_the_next_run(
    before_retraining: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision stands, the retraining is requested and no more; when MLflow is back the next run finishes it."""
    from tasks.retraining import train_challenger

    monkeypatch.setattr(train_challenger, "retry_delay_seconds", [0, 0])
    folder = copy_of(before_retraining, tmp_path / "project")
    project_file = folder / "vigil.yaml"
    working = project_file.read_text()
    project_file.write_text(
        working + "mlflow: {tracking_uri: 'http://127.0.0.1:9', timeout_seconds: 1}\n"
    )  # the discard port: nobody listens
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9"):
        look_at(folder, RETRAINED)
    store = Project.open(folder).store()
    (retraining,) = store.retrainings(MODEL)
    assert (retraining.state, len(store.versions(MODEL))) == (RetrainingState.REQUESTED, 1)
    project_file.write_text(working)
    look_at(folder, RETRAINED)
    (retraining,) = store.retrainings(MODEL)
    assert retraining.state is RetrainingState.PROMOTED
