"""What tasks do with challengers and champions: real MLflow, DuckDB and SQLite; the functions themselves, without a Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from tasks.card import publish_card
from tasks.probation import end_probation, measure_promise
from tasks.promotion import answer_challenger, expire_approvals, follow_registry, roll_back_champion, settled
from tasks.registry import Registry
from tasks.shadow import look_at_challengers
from tests.challenger.loans import FIRST, MODEL, Knows, look, write_spec, write_weeks
from vigil.challenger.canary import Route, route_of
from vigil.challenger.candidate import Candidate
from vigil.challenger.make import compare_on
from vigil.challenger.shadow import look_in_shadow
from vigil.decision.types import Action, Decision
from vigil.errors import Conflict, NotAllowed, RegistryError
from vigil.evaluation.look import evaluation_of
from vigil.project import Project
from vigil.store.records import PromotionKind, Retraining, RetrainingState, Version
from vigil.workspace import Workspace

KNOWLEDGE = {"1": 1.0, "2": 0.5, "3": 1.0}  # of the registered versions
DECIDED = 1


def candidate(decision_id: str, knowledge: float) -> Candidate:
    known: dict[str, Any] = {"importance": {"truth": 1.0}, "layout": "{}", "profile": "{}", "baseline": 0.2, "parent": None}
    rows = pd.DataFrame({"truth": [0.0, 1.0]})
    return Candidate(Knows(knowledge), decision_id, rows, "0" * 64, {}, {"holdout_brier": 0.2}, code_version="0", **known)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three versions in MLflow, which takes seconds to make its tables."""
    folder = tmp_path_factory.mktemp("challengers") / "loans"
    folder.mkdir()
    write_spec(folder, "{}")
    write_weeks(folder, 4)
    spec, registry = Project.open(folder).model(MODEL), Registry(Project.open(folder))
    for version, knowledge in KNOWLEDGE.items():
        assert registry.register(spec, candidate(f"d{version}", knowledge)) == version
    return folder


@pytest.fixture
def folder(registered: Path) -> Iterator[Path]:
    """The project at its own place (MLflow's artifacts are found by their path), each time with an empty store."""
    yield registered
    for file in (registered / "state").glob("vigil.db*"):
        file.unlink()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Retraining]:
    """What Prefect is told of retrainings; here there is no server."""
    told: list[Retraining] = []
    monkeypatch.setattr("tasks.shadow.show_retraining", lambda work, retraining: told.append(retraining))
    monkeypatch.setattr("tasks.promotion.show_retraining", lambda work, retraining: told.append(retraining))
    return told


def opened(folder: Path, comparison: str) -> Workspace:
    """Versions 1 and 2 are known to the store; 2 was promoted in place of 1 as the first week began."""
    write_spec(folder, comparison)
    work = Workspace.open(folder, MODEL)
    for version, kind in (("1", PromotionKind.ADOPTED), ("2", PromotionKind.PROMOTED)):
        work.store.save_version(Version(MODEL, version, FIRST.start, work.spec.hash, "brier", 0.2, {}, {}, "{}", "{}"))
        work.store.move_champion(MODEL, version, expected_token=int(version) - 1, kind=kind, by="", reason="", at=FIRST.start)
    Registry(work.project).reconcile_alias(MODEL, "2")
    return work


def challenged(work: Workspace) -> tuple[Decision, Retraining]:
    """Version 3 challenges version 2, by the decision about the second week."""
    for week in range(DECIDED + 1):
        work.store.record_evaluation(evaluation_of(look(work, week), quality_passed=True), [])
    at = look(work, DECIDED)
    decision = Decision("d3", MODEL, at.window, at.evaluation_id, "2", at.as_of, Action.RETRAIN, "Drift lasts.", (), work.spec.hash, "0")
    work.store.record_decision(decision, {})
    work.store.request_retraining("d3", model=MODEL, champion="2", at=at.as_of)
    work.store.save_version(Version(MODEL, "3", at.as_of, work.spec.hash, "brier", 0.2, {}, {}, "{}", "{}", decision_id="d3", parent="2"))
    return decision, work.store.advance_retraining("d3", RetrainingState.REGISTERED, at=at.as_of, challenger="3")


def won(work: Workspace, decision: Decision, retraining: Retraining) -> Retraining:
    comparison = compare_on(work, (FIRST.shifted(DECIDED),), decision.as_of, Knows(KNOWLEDGE["2"]), Knows(KNOWLEDGE["3"]))
    return settled(work, retraining, comparison, decision.as_of)


def test_a_version_that_breaks_its_promise_is_replaced_by_the_one_before_once(folder: Path) -> None:
    """Version 1 knows all of what version 2 scored loosely; the alias follows."""
    work = opened(folder, "{minimum_rows: 100, probation: {windows: 2, rollback: true}}")
    at = look(work, 0)
    (promise,) = measure_promise.fn(str(folder), at)
    assert promise.verdict == "breach"
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [promise])
    moved = end_probation.fn(str(folder), at, at.as_of.isoformat())
    assert moved is not None
    assert (moved.version, moved.kind, moved.by) == ("1", PromotionKind.ROLLED_BACK, "policy: comparison.probation.rollback")
    assert Registry(work.project).alias_version(MODEL, "champion") == "1"
    assert end_probation.fn(str(folder), at) is None
    assert measure_promise.fn(str(folder), at) == ()


def test_a_challenger_in_shadow_is_promoted_when_there_are_labels_enough(folder: Path, shown: list[Retraining]) -> None:
    """The week kept from training has too few; with the next there are 400."""
    work = opened(folder, "{minimum_rows: 300, promotion: automatic, shadow_windows: 3}")
    assert won(work, *challenged(work)).state is RetrainingState.SHADOW
    at = look(work, 2)
    look_at_challengers.fn(str(folder), at)
    assert work.retraining("d3").state is RetrainingState.SHADOW  # the window is not evaluated yet, so it is no look
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [])
    for _ in range(2):
        look_at_challengers.fn(str(folder), at, at.as_of.isoformat())
    retraining, champion = work.retraining("d3"), work.store.champion(MODEL)
    assert champion is not None
    assert (retraining.state, retraining.comparison["n"], champion.version) == (RetrainingState.PROMOTED, 400, "3")
    (kept,) = work.store.challenger_looks(MODEL)
    assert (kept.window, kept.n, kept.comparison) == (at.window, 200, retraining.comparison)


def test_a_window_has_one_look_whatever_labels_come_later(folder: Path, shown: list[Retraining]) -> None:
    """A second look with more labels would be one more chance to be lucky."""
    work = opened(folder, "{minimum_rows: 500, promotion: automatic, shadow_windows: 3}")
    won(work, *challenged(work))
    at = look(work, 2)
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [])
    look_at_challengers.fn(str(folder), at)
    write_spec(folder, "{minimum_rows: 100, promotion: automatic, shadow_windows: 3}")  # now it would be settled
    look_at_challengers.fn(str(folder), at)
    assert (work.retraining("d3").state, len(work.store.challenger_looks(MODEL)), shown) == (RetrainingState.SHADOW, 1, [])


def test_a_look_that_a_killed_run_left_is_settled_by_the_next(folder: Path, shown: list[Retraining]) -> None:
    """It is neither looked at again nor forgotten; and its artifact is written."""
    work = opened(folder, "{minimum_rows: 300, promotion: approve, shadow_windows: 3}")
    decision, retraining = challenged(work)
    assert won(work, decision, retraining).state is RetrainingState.SHADOW
    at = look(work, 2)
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [])
    models = [Registry(work.project).load_model(MODEL, version) for version in ("2", "3")]
    left = look_in_shadow(work, decision, at, *models)
    assert left is not None
    work.store.record_challenger_look(left)
    look_at_challengers.fn(str(folder), at)
    assert work.store.challenger_looks(MODEL) == (left,)
    assert work.retraining("d3").state is RetrainingState.WAITING
    assert shown == [work.retraining("d3")]


def test_a_winner_serves_a_share_before_it_is_let_serve_all(folder: Path, shown: list[Retraining]) -> None:
    """It wins the comparison, serves a share, and in time nobody can tell from its labels that it is no worse: the champion stays."""
    work = opened(folder, "{minimum_rows: 100, promotion: automatic, canary: {share: 0.1, windows: 1}}")
    assert won(work, *challenged(work)).state is RetrainingState.CANARY
    assert route_of(work.store, work.spec) == Route(MODEL, "2", "3", 0.1, "d3", 0, 1)
    at = look(work, 2)
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [])
    look_at_challengers.fn(str(folder), at)
    kept = work.retraining("d3")
    assert kept.state is RetrainingState.KEPT
    assert "what it served as a canary: too few labelled rows" in kept.reason
    assert route_of(work.store, work.spec) == Route(MODEL, "2")


def test_a_winner_waits_for_one_of_the_approvers(folder: Path) -> None:
    """Nobody else's word counts; the alias follows the one that does."""
    work = opened(folder, "{minimum_rows: 100, approvers: [ada]}")
    assert won(work, *challenged(work)).state is RetrainingState.WAITING
    with pytest.raises(NotAllowed, match="bob may not approve"):
        answer_challenger.fn(str(folder), "d3", "bob", "looks right", approve=True)
    with pytest.raises(Conflict, match="waits with evidence"):
        answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True, evidence="0" * 12)
    for _ in range(2):
        assert answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True).state is RetrainingState.PROMOTED
    assert Registry(work.project).alias_version(MODEL, "champion") == "3"


def test_a_wait_whose_time_is_over_ends_and_is_shown(folder: Path, shown: list[Retraining]) -> None:
    """A hundred-millionth of a day is over when it is looked for."""
    work = opened(folder, "{minimum_rows: 100, approval_days: 0.00000001}")
    assert won(work, *challenged(work)).state is RetrainingState.WAITING
    for _ in range(2):
        expire_approvals.fn(str(folder), MODEL)
    assert [each.state for each in shown] == [RetrainingState.EXPIRED]


def test_a_wait_for_the_place_of_a_champion_that_is_replaced_ends(folder: Path, shown: list[Retraining]) -> None:
    """Nobody is asked any more for what could only be refused."""
    work = opened(folder, "{minimum_rows: 100}")
    assert won(work, *challenged(work)).state is RetrainingState.WAITING
    roll_back_champion.fn(str(folder), MODEL, "1", "ada", "complaints")
    assert [(each.decision_id, each.state) for each in shown] == [("d3", RetrainingState.EXPIRED)]
    with pytest.raises(NotAllowed, match="since then the champion has moved, to version 1"):
        answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True)


def test_a_winner_over_a_champion_that_was_replaced_meanwhile_is_kept_back(folder: Path) -> None:
    """What it was compared with does not serve any more."""
    work = opened(folder, "{minimum_rows: 100, promotion: automatic}")
    decision, retraining = challenged(work)
    work.store.move_champion(MODEL, "1", expected_token=2, kind=PromotionKind.ROLLED_BACK, by="ada", reason="", at=decision.as_of)
    kept = won(work, decision, retraining)
    assert kept.state is RetrainingState.KEPT
    assert kept.reason.startswith("It was compared with version 2, which is not champion any more.")


def test_an_alias_that_was_moved_by_hand_is_followed_or_told(folder: Path) -> None:
    """To a version that vigil knows: recorded, once. To one that it does not: an error that says what to do."""
    work = opened(folder, "{}")
    client = MlflowClient(tracking_uri=Registry(work.project).uri, registry_uri=Registry(work.project).uri)
    client.set_registered_model_alias(MODEL, "champion", "3")
    with pytest.raises(RegistryError, match="moved in MLflow to version 3, which vigil did not register and cannot watch"):
        follow_registry.fn(str(folder), MODEL)
    client.set_registered_model_alias(MODEL, "champion", "1")
    moved = follow_registry.fn(str(folder), MODEL, datetime(2024, 2, 1, tzinfo=UTC).isoformat())
    assert moved is not None
    assert (moved.version, moved.kind, moved.by, moved.replaced) == ("1", PromotionKind.OUTSIDE, "MLflow", "2")
    assert follow_registry.fn(str(folder), MODEL) is None


def test_a_card_lies_beside_its_version_in_mlflow_and_is_replaced(folder: Path) -> None:
    """As things stand when it is written: first version 2 serves, then version 1."""
    work = opened(folder, "{}")
    client = MlflowClient(tracking_uri=Registry(work.project).uri, registry_uri=Registry(work.project).uri)
    run_id = client.get_model_version(MODEL, "2").run_id
    publish_card.fn(str(folder), MODEL, "2")
    assert sorted(each.path for each in client.list_artifacts(run_id, "card")) == ["card/card.html", "card/card.md"]
    work.store.move_champion(MODEL, "1", expected_token=2, kind=PromotionKind.ROLLED_BACK, by="", reason="", at=FIRST.end)
    publish_card.fn(str(folder), MODEL, "2")
    assert "champion before; version 1 serves now" in Path(client.download_artifacts(run_id, "card/card.md")).read_text()
    assert "**Standing:** champion before; version 1 serves now" in client.get_model_version(MODEL, "2").description
    publish_card.fn(str(folder), MODEL, None)  # a retraining without a challenger has none


def test_approving_again_after_a_rollback_does_not_bring_the_challenger_back(folder: Path, shown: list[Retraining]) -> None:
    """In the store nothing moves; MLflow's alias, by which models are loaded, has to stay too."""
    work = opened(folder, "{minimum_rows: 100, promotion: approve}")
    won(work, *challenged(work))
    answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True)
    roll_back_champion.fn(str(folder), MODEL, None, "dan", "complaints")
    answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True)
    assert [each.version for each in work.store.promotions(MODEL)][-2:] == ["3", "2"]
    assert Registry(work.project).alias_version(MODEL, "champion") == "2"


def test_a_rollback_during_an_approval_has_the_last_word_on_the_alias(
    folder: Path, shown: list[Retraining], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after the approver's process has moved the champion in the store, and before it moves the alias."""
    work = opened(folder, "{minimum_rows: 100, promotion: approve}")
    won(work, *challenged(work))
    reconcile = Registry.reconcile_alias

    def late(registry: Registry, model: str, champion: str) -> bool:
        monkeypatch.setattr(Registry, "reconcile_alias", reconcile)
        roll_back_champion.fn(str(folder), MODEL, None, "dan", "complaints")
        return reconcile(registry, model, champion)

    monkeypatch.setattr(Registry, "reconcile_alias", late)
    answer_challenger.fn(str(folder), "d3", "ada", "looks right", approve=True)
    assert [each.version for each in work.store.promotions(MODEL)][-2:] == ["3", "2"]
    assert Registry(work.project).alias_version(MODEL, "champion") == "2"
    assert follow_registry.fn(str(folder), MODEL) is None


def test_a_rollback_that_was_killed_before_the_alias_is_finished_by_the_next(folder: Path) -> None:
    work = opened(folder, "{}")
    work.store.move_champion(
        MODEL, "1", expected_token=2, kind=PromotionKind.ROLLED_BACK, by="dan", reason="complaints", at=FIRST.end, decision_id=None
    )
    assert roll_back_champion.fn(str(folder), MODEL, "1", "dan", "complaints").token == 3
    assert Registry(work.project).alias_version(MODEL, "champion") == "1"
