"""The whole loop on a small project: real Prefect, Great Expectations, MLflow, DuckDB and SQLite, in one process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.loop.small_project import CHANGED_FROM, FAULTY_WEEK, MODEL, RETRAINED, as_of, copy_of, look_at, play, week_start
from vigil.alerts.alerting import incidents_of
from vigil.decision.evidence import gather_again
from vigil.decision.ladder import decide
from vigil.decision.types import Action
from vigil.project import Project
from vigil.spec.model import ModelSpec
from vigil.store.records import PromotionKind, RetrainingState

WEEKS = 8


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, before_retraining: Path) -> tuple[Path, list[dict[str, Any]]]:
    """The project after eight weeks, and what each run of the flow returned."""
    folder = copy_of(before_retraining, tmp_path_factory.mktemp("small") / "project")
    summaries = json.loads((folder / "summaries.json").read_text())
    for week in range(RETRAINED, WEEKS):
        if week > RETRAINED:
            play(folder, week)
        summaries.append(look_at(folder, week))
    return folder, summaries


def test_each_week_gets_the_foretold_action(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The planted fault is a data fault, the planted change retrains once, all else holds."""
    foretold = ["HOLD"] * WEEKS
    foretold[FAULTY_WEEK] = "FIX_DATA"
    foretold[RETRAINED] = "RETRAIN"
    assert [summary["action"] for summary in played[1]] == foretold


def test_the_challenger_is_promoted_and_scores_the_weeks_after(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """Version 2 learned the new relation from the changed week and serves from the next week on."""
    assert [summary["version"] for summary in played[1]] == ["1"] * (RETRAINED + 1) + ["2"] * (WEEKS - RETRAINED - 1)
    store = Project.open(played[0]).store()
    assert [promotion.kind for promotion in store.promotions(MODEL)] == [PromotionKind.ADOPTED, PromotionKind.PROMOTED]
    (retraining,) = store.retrainings(MODEL)
    assert (retraining.state, retraining.champion, retraining.challenger) == (RetrainingState.PROMOTED, "1", "2")
    assert retraining.comparison["low"] > 0


def test_the_promoted_version_is_held_to_its_promise_in_its_first_week(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """Version 1, which it replaced, scores the same rows and is worse; the second week is looked at as any other."""
    store = Project.open(played[0]).store()
    found = [
        [m for m in store.measurements([summary["evaluation_id"]])[summary["evaluation_id"]] if m.metric == "probation"]
        for summary in played[1]
    ]
    assert [len(each) for each in found] == [0] * (RETRAINED + 1) + [1] + [0] * (WEEKS - RETRAINED - 2)
    (promise,) = found[RETRAINED + 1]
    assert (promise.version, promise.verdict, promise.detail["replaced"]) == ("2", "ok", "1")
    assert promise.low is not None
    assert promise.low > 0  # ROC AUC of version 2 less that of version 1


def test_the_registry_shows_the_champion_and_the_lineage(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """MLflow's alias follows the store, and the version names the decision that caused it."""
    from tasks.registry import Registry

    registry = Registry(Project.open(played[0]))
    assert registry.alias_version(MODEL, "champion") == "2"
    assert registry.tags(MODEL, "2")["vigil.decision_id"] == played[1][RETRAINED]["decision_id"]


def test_the_faulty_week_is_in_no_training_set(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """Lineage names what was trained on and what was left out."""
    version = Project.open(played[0]).store().version(MODEL, "2")
    assert version is not None
    faulty = week_start(FAULTY_WEEK).date().isoformat()
    assert version.training["trained_on"] == ["2024-01-29/2024-02-05"]
    assert not any(key.startswith(faulty) for key in (*version.training["trained_on"], *version.training["holdout"]))


def test_a_second_run_of_a_window_writes_nothing_new(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The same rows, labels and specification are the same evaluation and the same decision."""
    from flows.monitor import monitor

    folder, summaries = played
    store = Project.open(folder).store()
    before = (store.decisions(MODEL), store.evaluations(MODEL), store.retrainings(MODEL), store.versions(MODEL))
    for week in (FAULTY_WEEK, RETRAINED):
        assert monitor(str(folder), MODEL, week_start(week).isoformat(), as_of(week)) == summaries[week]
    assert (store.decisions(MODEL), store.evaluations(MODEL), store.retrainings(MODEL), store.versions(MODEL)) == before


def test_every_decision_replays_from_the_store(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The stored rows and the stored specification give the same decision again, field for field."""
    store = Project.open(played[0]).store()
    decisions = store.decisions(MODEL)
    assert len(decisions) == WEEKS
    for decision in decisions:
        body, noted = store.spec(decision.spec_hash), store.evidence(decision.decision_id)
        assert body is not None
        assert noted is not None
        spec = ModelSpec.model_validate_json(body)
        assert decide(gather_again(store, spec, decision.evaluation_id, noted), spec) == decision


def test_the_fleet_looks_at_what_is_due_and_finds_it_done(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """All windows were looked at, so the fleet looks at the newest three again and writes nothing."""
    from flows.fleet import monitor_fleet

    folder, summaries = played
    store = Project.open(folder).store()
    before, runs = store.decisions(MODEL), store.flow_runs(MODEL, latest=100)
    assert monitor_fleet(str(folder), as_of(WEEKS - 1)) == summaries[-3:]
    assert store.decisions(MODEL) == before
    *others, turn = store.flow_runs(MODEL, latest=100)
    assert tuple(others) == runs  # the three looks are part of the model's turn, and no runs of their own
    assert (turn.ended_at is not None, turn.failure) == (True, "")


def test_each_planted_fault_is_one_incident_with_its_cause(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The data fault; and the change of concept, whose incident says what was decided. Nothing else."""
    fault, change = incidents_of(Project.open(played[0]).store(), MODEL).values()
    assert (fault.first, fault.causes[0]["cause"]) == (week_start(FAULTY_WEEK).isoformat(), "data_fault")
    assert (change.first, change.causes[0]["cause"]) == (week_start(CHANGED_FROM).isoformat(), "concept")
    assert change.last == week_start(RETRAINED).isoformat()  # version 2 is in bounds
    assert change.context["decision"]["action"] == "RETRAIN"


def test_operators_see_the_decision_as_an_artifact(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """Prefect shows the explanation under the model's key."""
    from prefect.artifacts import Artifact

    artifact = Artifact.get("decision-credit")
    assert artifact is not None
    assert "Is the data at fault?" in str(artifact.data)


def linked(folder: Path) -> bool:
    """Tell whether an artifact of the model names this folder of pages; other tests' artifacts have the same key."""
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[f"decision-{MODEL}"])))
    return any(f"{folder.parent.name}/{folder.name}/drift.html" in str(artifact.data) for artifact in found)


def test_reports_are_drawn_afterwards_when_somebody_asks(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The specification says never, so nothing is drawn until it is asked for; the decision's artifact then links the pages."""
    from flows.report import report

    folder, summaries = played
    decision_id = summaries[RETRAINED]["decision_id"]
    pages = Project.open(folder).path(Project.open(folder).spec.reports)
    assert report(str(folder), decision_id)["decision_id"] == decision_id
    assert not [*pages.rglob("*.html")]
    report(str(folder), decision_id, always=True)
    drawn = {page.name: page.stat().st_mtime_ns for page in pages.rglob("*.html")}
    assert set(drawn) == {"drift.html", "classification.html"}
    assert linked(next(pages.rglob("drift.html")).parent)
    report(str(folder), decision_id, always=True)
    assert {page.name: page.stat().st_mtime_ns for page in pages.rglob("*.html")} == drawn


def test_a_champion_made_in_mlflow_past_vigil_is_recorded_and_watched(played: tuple[Path, list[dict[str, Any]]]) -> None:
    """The alias is moved to version 1 by hand: the next run of the fleet takes it for the champion, and a second run finds that done."""
    from mlflow import MlflowClient

    from flows.fleet import monitor_fleet
    from tasks.registry import Registry

    folder = played[0]
    store, registry = Project.open(folder).store(), Registry(Project.open(folder))
    MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri).set_registered_model_alias(MODEL, "champion", "1")
    for _ in range(2):
        monitor_fleet(str(folder), as_of(WEEKS - 1))
    assert [(each.version, each.kind, each.by) for each in store.promotions(MODEL)][2:] == [("1", PromotionKind.OUTSIDE, "MLflow")]
    assert store.promotions(MODEL)[-1].reason == "alias champion was moved in MLflow from version 2 to version 1"
    assert registry.alias_version(MODEL, "champion") == "1"


def runs_of(decision_id: str) -> list[Any]:
    """The runs of a retraining as Prefect's UI shows them."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    named = FlowRunFilter(name=FlowRunFilterName(any_=[f"retrain for {decision_id}"]))
    with get_client(sync_client=True) as client:
        return list(client.read_flow_runs(flow_run_filter=named))


def test_a_waiting_challenger_is_approved_once(tmp_path: Path, before_retraining: Path) -> None:
    """With promotion: approve the winner waits; a person's word promotes it, a second word changes nothing, a rejection comes too late.

    A rollback brings the old version back, once. Prefect shows by tag and state of the retraining's run that it waits, as long as it does.
    """
    from flows.promote import approve, reject, rollback
    from tasks.registry import Registry
    from vigil.errors import Conflict

    folder = copy_of(before_retraining, tmp_path / "project", promotion="approve")
    summary = look_at(folder, RETRAINED)
    store, decision_id = Project.open(folder).store(), summary["decision_id"]
    assert summary["action"] == Action.RETRAIN
    waiting, champion = store.retraining(decision_id), store.champion(MODEL)
    assert waiting is not None
    assert champion is not None
    assert (waiting.state, champion.version) == (RetrainingState.WAITING, "1")
    (run,) = runs_of(decision_id)
    assert (set(run.tags), run.state.name, run.state.type) == ({MODEL, "waits-for-approval"}, "Waiting for approval", "COMPLETED")
    assert f"Answer with `vigil approve {decision_id}`" in run.state.message
    for _ in range(2):
        assert approve(str(folder), decision_id, "ada", "looks right")["state"] == "promoted"
    assert [(p.version, p.by) for p in store.promotions(MODEL)][1:] == [("2", "ada")]
    (run,) = runs_of(decision_id)
    assert (run.tags, run.state.name, run.state.message) == ([MODEL], "Promoted", "looks right")
    with pytest.raises(Conflict):
        reject(str(folder), decision_id, "bob", "too late")
    for _ in range(2):
        assert rollback(str(folder), MODEL, "ada", "customers complain", "1")["version"] == "1"
    assert [(p.version, p.kind, p.reason) for p in store.promotions(MODEL)][2:] == [("1", PromotionKind.ROLLED_BACK, "customers complain")]
    assert Registry(Project.open(folder)).alias_version(MODEL, "champion") == "1"
