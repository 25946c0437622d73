"""Gate 6: what the model's own retrainings brought, against what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from scipy import stats

from tests.decision.test_ladder import WEEK, a_spec, evidence
from vigil.decision.economics import expected_gain
from vigil.decision.evidence import gather, gather_again, noted_of
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Decision, Evidence, GateState, PastGain
from vigil.decision.words import explain
from vigil.spec.model import Economics, Metric
from vigil.store.records import Evaluation, Payoff, RetrainingState
from vigil.store.sql import SqlStore, open_store

TERMS = Economics(cost=100, value=1000, horizon_windows=10, quantile=0.2, minimum_retrainings=3)


def harmed(*gains: float) -> Evidence:
    return replace(evidence("...", "xx."), gains=tuple(PastGain(f"d{i}", gain) for i, gain in enumerate(gains)))


def test_the_quantile_is_that_of_a_student_t_around_the_mean() -> None:
    """scipy's t with n - 1 degrees of freedom, located at the mean and scaled by the standard error."""
    gains = [0.01, 0.05, 0.0, 0.02]
    found = expected_gain(gains, TERMS)
    assert found is not None
    low = stats.t.ppf(0.2, 3, loc=0.02, scale=stats.sem(gains))
    assert (found["low"], found["worth"]) == (pytest.approx(low), pytest.approx(low * 1000 * 10))


@pytest.mark.parametrize(
    ("gains", "action", "state"),
    [
        ((0.02, 0.02, 0.02), Action.RETRAIN, GateState.PASSED),  # 0.02 * 1000 * 10 = 200 > 100
        ((0.005, 0.005, 0.005), Action.HOLD, GateState.FIRED),  # 50 < 100
        ((0.06, 0.0, 0.0), Action.HOLD, GateState.FIRED),  # 200 on average, but not surely
        ((0.02, 0.02), Action.RETRAIN, GateState.UNKNOWN),  # too few to know: no obstacle, and no trigger
    ],
)
def test_what_retrainings_brought_decides_whether_another_is_worth_it(gains: tuple[float, ...], action: Action, state: GateState) -> None:
    decision = decide(harmed(*gains), a_spec(economics=TERMS))
    assert (decision.action, decision.gates[-1].state) == (action, state)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"cost": 300}, Action.HOLD),
        ({"value": 400}, Action.HOLD),
        ({"horizon_windows": 4}, Action.HOLD),
        ({"minimum_retrainings": 4, "cost": 300}, Action.RETRAIN),
    ],
)
def test_each_term_is_read(change: dict[str, float], action: Action) -> None:
    """Three gains of 0.02 are worth 200 under the terms as they are."""
    assert decide(harmed(0.02, 0.02, 0.02), a_spec(economics=TERMS.model_copy(update=change))).action is action


def test_the_quantile_is_read() -> None:
    """Mean 0.02, standard error 0.005: the median is worth 200, the 1 % quantile (t = -6.96) is below 0."""
    spread = (0.02 - 0.005 * 3**0.5, 0.02, 0.02 + 0.005 * 3**0.5)
    for quantile, action in ((0.5, Action.RETRAIN), (0.01, Action.HOLD)):
        assert decide(harmed(*spread), a_spec(economics=TERMS.model_copy(update={"quantile": quantile}))).action is action


def test_gains_without_terms_decide_nothing() -> None:
    assert decide(harmed(-1.0, -1.0, -1.0), a_spec()).action is Action.RETRAIN


def test_a_gain_never_retrains_by_itself() -> None:
    """However much retrainings brought: a sound model is left alone."""
    assert decide(replace(evidence(), gains=harmed(1.0, 1.0, 1.0).gains), a_spec(economics=TERMS)).action is Action.HOLD


def test_it_is_said_with_what_it_is_worth_and_what_it_costs() -> None:
    decision = decide(harmed(0.005, 0.005, 0.005), a_spec(economics=TERMS))
    assert decision.reason == (
        "The last 3 retrainings brought 0.005 roc_auc on average; with 80 % certainty at least 0.005, worth 50 over 10 windows, less than "
        "the cost of 100."
    )
    assert "bring more than they cost (100)" in explain(decision).would_have_changed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """Four weeks; the retraining of the first was promoted, of the second lost, of the third still waits when the fourth is decided."""
    spec = a_spec()
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        store.save_spec("m", spec.hash, spec.canonical_json())
        for week, state in enumerate((RetrainingState.PROMOTED, RetrainingState.KEPT, RetrainingState.WAITING, None)):
            window = WEEK.shifted(week)
            due = window.end + timedelta(days=1)
            found = Evaluation(f"e{week}", "m", window, "1", due, spec.hash, "data", "labels", 500, 400, True, "0.1.0")
            store.record_evaluation(found, [])
            if state is None:
                break
            store.record_decision(Decision(f"d{week}", "m", window, f"e{week}", "1", due, Action.RETRAIN, "", (), spec.hash, "0.1.0"), {})
            store.request_retraining(f"d{week}", model="m", champion="1", at=due)
            store.advance_retraining(f"d{week}", RetrainingState.REGISTERED, at=due, challenger="2")
            store.advance_retraining(f"d{week}", state, at=due, comparison={"metric": "roc_auc", "difference": 0.01 * (week + 1)})
        yield store


def test_gains_are_those_of_retrainings_that_had_ended_by_then(store: SqlStore) -> None:
    """0.01 of the promoted one; 0 of the one that lost, though it was better by chance; the waiting one has none yet."""
    assert gather(store, a_spec(), "e3").gains == (PastGain("d0", 0.01), PastGain("d1", 0.0))


def test_gains_are_the_same_when_the_decision_is_made_again_later(store: SqlStore) -> None:
    """The third retraining is approved afterwards: the fourth week's decision did not see it."""
    seen = gather(store, a_spec(), "e3")
    store.advance_retraining("d2", RetrainingState.PROMOTED, at=WEEK.shifted(3).end, by="ada")
    assert gather_again(store, a_spec(), "e3", noted_of(seen)) == seen


def test_gains_by_another_metric_do_not_count(store: SqlStore) -> None:
    other = a_spec()
    other = other.model_copy(update={"comparison": other.comparison.model_copy(update={"metric": Metric.BRIER})})
    assert gather(store, other, "e3").gains == ()


def test_a_gain_that_was_measured_over_its_horizon_takes_the_place_of_the_predicted_one(store: SqlStore) -> None:
    """Predicted 0.01, realised 0.002; where the horizon showed too little, the gain is unknown and not counted."""
    brought = Payoff("d0", "m", WEEK.end, "roc_auc", predicted=0.01, realised=0.002, low=0.0, high=0.004, n=900, windows=3)
    before = gather(store, a_spec(), "e3")
    store.save_payoff(brought)
    seen = gather(store, a_spec(), "e3")
    assert seen.gains == (PastGain("d0", 0.002, realised=True), PastGain("d1", 0.0))
    assert gather_again(store, a_spec(), "e3", noted_of(seen)) == seen
    assert gather_again(store, a_spec(), "e3", noted_of(before)) == before


def test_a_gain_that_could_not_be_told_is_not_counted(store: SqlStore) -> None:
    store.save_payoff(Payoff("d0", "m", WEEK.end, "roc_auc", predicted=0.01, realised=None, low=None, high=None, n=9, windows=1))
    assert gather(store, a_spec(), "e3").gains == (PastGain("d1", 0.0),)


def test_a_gain_that_is_measured_later_was_not_known(store: SqlStore) -> None:
    later = WEEK.shifted(3).end + timedelta(days=2)
    store.save_payoff(Payoff("d0", "m", later, "roc_auc", predicted=0.01, realised=0.002, low=0.0, high=0.004, n=900, windows=3))
    assert gather(store, a_spec(), "e3").gains[0] == PastGain("d0", 0.01)


def test_realised_gains_are_said_to_be_measured() -> None:
    found = replace(harmed(), gains=tuple(PastGain(f"d{i}", 0.005, realised=i > 0) for i in range(3)))
    assert "The last 3 retrainings (2 of them measured over their horizon) brought" in decide(found, a_spec(economics=TERMS)).reason
