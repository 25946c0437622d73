"""The canary: who serves what, what came of it per version, and how it ends. Real DuckDB and SQLite."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.challenger.loans import FIRST, MODEL, ROWS, Knows, look, write_spec, write_weeks
from vigil.challenger.canary import Route, Served, apart, canary_criterion, look_at_canary, route_of
from vigil.challenger.compare import Comparison
from vigil.challenger.criteria import Standing
from vigil.challenger.make import compare_on
from vigil.challenger.verdict import next_state
from vigil.decision.types import Action, Decision
from vigil.errors import StoreError
from vigil.evaluation.look import evaluation_of
from vigil.performance.metrics import Estimate
from vigil.spec.model import Metric
from vigil.store.records import PromotionKind, Retraining, RetrainingState, Version
from vigil.workspace import Workspace

WEEKS, DECIDED = 5, 1
COMPARISON = "{minimum_rows: 100, calibration_margin: 0.9, promotion: automatic, canary: {share: 0.25, windows: 2}}"


def opened(folder: Path, knowledge: float) -> Workspace:
    """Version 3 won over version 2 after the second week; from then on a third of the rows is scored by it, by what it knows."""
    write_spec(folder, COMPARISON)
    written = folder / "models" / "loans.yaml"
    written.write_text(written.read_text() + "labels: {minimum: 30}\n")
    write_weeks(folder, WEEKS)
    log = pd.read_parquet(folder / "log.parquet")
    later = (log["event_time"] >= FIRST.shifted(DECIDED + 1).start) & (np.arange(len(log)) % 3 == 0)
    log.loc[later, "model_version"] = "3"
    log.loc[later, "score"] = Knows(knowledge).predict_proba(log[later])[:, 1]
    log.to_parquet(folder / "log.parquet")
    work = Workspace.open(folder, MODEL)
    for version in ("2", "3"):
        work.store.save_version(Version(MODEL, version, FIRST.start, work.spec.hash, "brier", 0.2, {}, {}, "{}", "{}"))
    work.store.move_champion(MODEL, "2", expected_token=0, kind=PromotionKind.ADOPTED, by="vigil", reason="", at=FIRST.start)
    for week in range(DECIDED + 1):
        looked(work, week)
    at = look(work, DECIDED)
    work.store.record_decision(decision(work), {})
    work.store.request_retraining("d3", model=MODEL, champion="2", at=at.as_of)
    work.store.advance_retraining("d3", RetrainingState.REGISTERED, at=at.as_of, challenger="3")
    won = compare_on(work, (FIRST.shifted(DECIDED),), at.as_of, Knows(0.5), Knows(1.0), costs=False)
    assert next_state(won, work.spec) is RetrainingState.CANARY
    work.store.advance_retraining("d3", RetrainingState.CANARY, at=at.as_of, comparison=won.to_json())
    return work


@pytest.fixture(params=[1.0])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    found = opened(tmp_path, request.param)
    yield found
    found.store.close()


def looked(work: Workspace, week: int, *, quality_passed: bool = True) -> None:
    work.store.record_evaluation(evaluation_of(look(work, week), quality_passed=quality_passed), [])


def decision(work: Workspace) -> Decision:
    at = look(work, DECIDED)
    return Decision("d3", MODEL, at.window, at.evaluation_id, "2", at.as_of, Action.RETRAIN, "Drift lasts.", (), work.spec.hash, "0")


def retraining(work: Workspace) -> Retraining:
    found = work.store.retraining("d3")
    assert found is not None
    return found


def test_each_version_is_judged_by_what_it_served_and_the_last_window_lets_it_pass(work: Workspace) -> None:
    """Of 200 rows version 3 served 66 or 67 and was never wrong; it goes on after the first window and has won after the second."""
    found = []
    for week in (2, 3):
        looked(work, week)
        one = look_at_canary(work, decision(work), retraining(work), look(work, week))
        assert one is not None
        assert (one.n, one.challenger) == (ROWS, 0.0)
        assert one.champion is not None
        assert one.champion > 0
        found.append(Comparison.from_json(one.comparison))
    assert [(each.verdict.value, each.criteria[-1].name, each.criteria[-1].standing.value) for each in found] == [
        ("not_enough_data", "canary", "shown"),
        ("promote", "canary", "passed"),
    ]
    assert next_state(found[-1], work.spec) is RetrainingState.PROMOTED


@pytest.mark.parametrize("work", [-1.0], indirect=True)
def test_one_that_is_shown_to_be_worse_ends_it_at_once(work: Workspace) -> None:
    """It says the opposite of what happens."""
    looked(work, 2)
    one = look_at_canary(work, decision(work), retraining(work), look(work, 2))
    assert one is not None
    found = Comparison.from_json(one.comparison)
    assert (found.verdict.value, [each.name for each in found.failed]) == ("keep", ["canary"])
    assert next_state(found, work.spec) is RetrainingState.KEPT
    assert "what it served as a canary: 1 after" in found.sentence()


def test_a_window_before_it_began_or_at_fault_is_no_look(work: Workspace) -> None:
    assert look_at_canary(work, decision(work), retraining(work), look(work, DECIDED)) is None
    looked(work, 2, quality_passed=False)
    assert look_at_canary(work, decision(work), retraining(work), look(work, 2)) is None


def test_the_route_is_for_the_challenger_that_won_and_ends_with_the_canary_or_its_champion(work: Workspace) -> None:
    assert route_of(work.store, work.spec) == Route(MODEL, "2", "3", 0.25, "d3", 0, 2)
    looked(work, 2)
    one = look_at_canary(work, decision(work), retraining(work), look(work, 2))
    assert one is not None
    assert work.store.record_challenger_look(one)
    assert route_of(work.store, work.spec).looked == 1
    work.store.move_champion(MODEL, "3", expected_token=1, kind=PromotionKind.OUTSIDE, by="MLflow", reason="", at=FIRST.end)
    assert route_of(work.store, work.spec) == Route(MODEL, "3")


def test_without_a_champion_nothing_is_routed(tmp_path: Path) -> None:
    write_spec(tmp_path, "{}")
    write_weeks(tmp_path, 1)
    fresh = Workspace.open(tmp_path, MODEL)
    with pytest.raises(StoreError, match="vigil adopt loans"):
        route_of(fresh.store, fresh.spec)
    fresh.store.close()


KEYS = [f"customer {number}" for number in range(4000)]


def test_the_share_is_of_the_keys_and_the_rule_is_the_documented_one() -> None:
    """Of 4,000 keys 1,000 are expected, 27 is a standard deviation. A server computes the same from the digest's first 16 digits."""
    route = Route("m", "1", "2", 0.25, "d1")
    taken = {key for key in KEYS if route.version_for(key) == "2"}
    assert abs(len(taken) - 1000) < 5 * 27.4
    assert taken == {key for key in KEYS if int(hashlib.sha256(f"d1:{key}".encode()).hexdigest()[:16], 16) / 16**16 < 0.25}
    other = {key for key in KEYS if Route("m", "1", "2", 0.25, "d2").version_for(key) == "2"}
    assert abs(len(taken & other) - 250) < 5 * 15.4  # the next canary falls on others


@given(st.text(), st.floats(0, 0.49), st.floats(0, 0.49))
def test_who_is_served_by_the_challenger_stays_so_when_its_share_grows(key: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    if Route("m", "1", "2", smaller, "d").version_for(key) == "2":
        assert Route("m", "1", "2", larger, "d").version_for(key) == "2"


def test_a_loss_counts_the_other_way_round() -> None:
    """The Brier score fell from 0.25 to 0.2: better by 0.05."""
    old, new = Served(500, Estimate(0.25, 0.24, 0.26)), Served(100, Estimate(0.2, 0.17, 0.23))
    found = canary_criterion(Metric.BRIER, old, new, last=True)
    low, high = apart(Estimate(0.2, 0.17, 0.23), Estimate(0.25, 0.24, 0.26))
    assert (found.difference, found.standing, found.n) == (pytest.approx(0.05), Standing.PASSED, 600)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("last", "standing"), [(False, Standing.NOT_ENOUGH_DATA), (True, Standing.FAILED)])
def test_too_few_labels_of_a_version_wait_until_its_time_is_up(last: bool, standing: Standing) -> None:
    found = canary_criterion(Metric.BRIER, Served(500, Estimate(0.25, 0.24, 0.26)), Served(3, None), last=last)
    assert (found.standing, found.challenger) == (standing, None)


def test_the_interval_of_the_difference_covers_it() -> None:
    """Two shares of 300 and 100 rows, 0.3 and 0.4: in about 95 of 100 draws 0.1 lies within."""
    from vigil.performance.metrics import estimate

    rng, inside = np.random.default_rng(3), 0
    for _ in range(300):
        one, other = ((rng.random(n) < p).astype(float) for n, p in ((300, 0.3), (100, 0.4)))
        low, high = apart(*(estimate(Metric.ACCURACY, np.ones(len(y)), y) for y in (one, other)))
        inside += low <= 0.1 <= high
    assert 275 <= inside <= 297
