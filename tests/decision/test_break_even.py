"""Break-even: what waiting has cost against what a retraining costs. Evidence is built by hand, as in test_ladder.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decision.test_ladder import WEEK, a_spec, quality
from vigil.decision.break_even import LEARNED, RECOVERABLE, RECOVERED, believed, sentence, weigh
from vigil.decision.evidence import gather, gather_again, noted_of, trained_rows
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Decision, Evidence, FleetBudget, GateResult, GateState, PastGain, PastWindow
from vigil.decision.words import explain
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import Economics, Metric, ModelSpec
from vigil.store.records import Evaluation, RetrainingState
from vigil.store.sql import open_store

BASELINE = 0.7  # AUC; the limit is 0.67


def auc(value: float, baseline: float = BASELINE, n: int = 400) -> Measurement:
    verdict = Verdict.OK if value >= baseline - 0.03 else Verdict.WARNING
    return Measurement(
        Layer.PERFORMANCE, "roc_auc", value, verdict, n, low=value - 0.05, high=value + 0.05, threshold=round(baseline - 0.03, 6)
    )


def seen(*values: float, **changes: Any) -> Evidence:
    """Weeks with these AUCs, the present one last; of sound data, without drift measured, the version's training unknown."""
    windows = [PastWindow(WEEK.shifted(i + 1 - len(values)), f"e{i}", "1", True, None, auc(value)) for i, value in enumerate(values)]
    found = Evidence(
        model="m",
        window=WEEK,
        evaluation_id=windows[-1].evaluation_id,
        as_of=WEEK.end + timedelta(days=1),
        version="1",
        current=windows[-1],
        measurements=(quality(), *(m for m in (windows[-1].performance,) if m is not None)),
        history=tuple(reversed(windows[:-1])),
        windows_since_retraining=None,
        last_retraining=None,
        baseline=BASELINE,
    )
    return replace(found, **changes)


def priced(cost: float, value: float = 100.0, **policy: Any) -> ModelSpec:
    return a_spec(economics=Economics(cost=cost, value=value), **policy)


def recoverable(high: float | None) -> Measurement:
    verdict = Verdict.NOT_ENOUGH_DATA if high is None else Verdict.OK
    value = None if high is None else high - 0.01
    return Measurement(Layer.PERFORMANCE, RECOVERABLE, value, verdict, 400, low=None if high is None else high - 0.02, high=high)


def with_recoverable(evidence: Evidence, high: float | None) -> Evidence:
    return replace(evidence, measurements=(*evidence.measurements, recoverable(high)))


@pytest.mark.parametrize(
    ("high", "avoidable", "bounded"),
    [(None, 0.012, False), (0.1, 0.012, False), (0.005, 0.012, False), (0.002, 0.006, True), (0.0, 0.0, True), (-0.01, 0.0, True)],
)
def test_no_more_comes_back_than_can_be_learned_from_the_errors(high: float | None, avoidable: float, bounded: bool) -> None:
    """As below .06 were lost and a fifth, .012, is believed to come back: in three weeks at most three times what can be learned."""
    found = weigh(with_recoverable(seen(0.70, 0.68, 0.66), high), priced(1))
    assert found is not None
    assert found.avoidable == pytest.approx(avoidable)
    assert (found.recoverable, found.bounded) == (high, bounded)
    assert ("bounded" in found.numbers()) == (high is not None)


def test_a_loss_that_is_noise_is_waited_for() -> None:
    """It has cost as much as a retraining, would it come back; the sentence says why it does not count."""
    evidence, spec = seen(0.70, 0.66, 0.62), priced(1)
    assert decide(evidence, spec).action is Action.RETRAIN
    noise = with_recoverable(evidence, 0.001)
    assert decide(noise, spec).action is Action.HOLD
    found = weigh(noise, spec)
    assert found is not None
    assert "of its excess at most 0.001 a window can be learned from its errors: the rest is noise" in sentence(found, spec)
    assert decide(with_recoverable(evidence, 0.1), spec).action is Action.RETRAIN


def test_what_is_new_to_learn_from_counts_however_little_is_learned_from_errors() -> None:
    """The version was trained on 400 rows; three weeks of 400 labels are new to it."""
    found = weigh(with_recoverable(seen(0.70, 0.70, 0.70, trained_rows=400), 0.0), priced(1))
    assert found is not None
    assert found.avoidable == pytest.approx(LEARNED * 0.3 * (1 / 2 + 2 / 3 + 3 / 4))


def test_what_waiting_has_cost_is_a_share_of_the_loss_beyond_the_baseline() -> None:
    """AUC .70, .68, .66 against a baseline of .70: 0 + .02 + .04 lost, of which a fifth is believed to come back."""
    found = weigh(seen(0.70, 0.68, 0.66), priced(1))
    assert found is not None
    assert (found.windows, found.excess) == (3, pytest.approx((0.33 - 0.30) / 0.33))
    assert found.avoidable == pytest.approx(RECOVERED * 0.06)
    assert found.cost == pytest.approx(0.01)


def test_labels_that_the_version_was_not_trained_on_count_too() -> None:
    """At its baseline; 400, then 800 new labels beside 1,200: a quarter, then two fifths of what is known is fresh. The loss is .3."""
    found = weigh(seen(0.70, 0.70, trained_rows=1200), priced(1))
    assert found is not None
    assert found.avoidable == pytest.approx(LEARNED * 0.3 * (400 / 1600 + 800 / 2000))


@pytest.mark.parametrize(("cost", "action"), [(1.0, Action.RETRAIN), (1.3, Action.HOLD)])
def test_it_retrains_when_waiting_has_cost_as_much_whether_or_not_harm_is_confirmed(cost: float, action: Action) -> None:
    """A fifth of .06 is .012, worth 1.2; in no week but the last is the AUC beyond its limit."""
    assert decide(seen(0.70, 0.68, 0.66), priced(cost)).action is action


def test_without_a_price_it_does_not_retrain() -> None:
    assert decide(seen(0.70, 0.68, 0.66), a_spec()).action is Action.HOLD


def test_confirmed_harm_that_costs_less_than_a_retraining_holds() -> None:
    """Three weeks at .40 are confirmed harm; at a price of 100 weeks with an AUC of 1 they are not worth a retraining."""
    bad = seen(0.40, 0.40, 0.40)
    assert decide(bad, a_spec()).action is Action.RETRAIN
    decision = decide(bad, priced(100, 1))
    assert (decision.action, decision.gates[-1].state) == (Action.HOLD, GateState.FIRED)
    assert decision.reason == (
        "It does not pay yet: in 3 windows a retraining would have avoided 0.18 of roc_auc (a guess, for none has shown it yet); "
        "one costs as much as 100."
    )
    assert explain(decision).would_have_changed == "1,664 more windows like these, or a lower cost in policy.economics."


def test_its_value_is_read() -> None:
    assert decide(seen(0.70, 0.68, 0.66), priced(1, value=80)).action is Action.HOLD


def test_its_rule_is_read() -> None:
    """By the rule ``harm`` a price never is a reason to retrain."""
    spec = a_spec(economics=Economics(cost=1, value=100, rule="harm"))
    assert decide(seen(0.70, 0.68, 0.66), spec).action is Action.HOLD


def test_only_what_was_lost_since_the_last_retraining_decision_counts() -> None:
    """The decision about the week before answered what had been lost by then: .04 of the last week remain."""
    found = weigh(seen(0.60, 0.60, 0.66, windows_since_retraining=1), priced(1))
    assert found is not None
    assert (found.windows, found.avoidable) == (1, pytest.approx(RECOVERED * 0.04))


def test_no_cool_down_stands_beside_a_price() -> None:
    """What waiting has cost begins anew with a retraining, which is cool-down enough."""
    assert decide(seen(0.60, 0.40, windows_since_retraining=1), priced(1, cool_down_windows=4)).action is Action.RETRAIN


def test_a_version_is_measured_by_the_best_baseline_that_any_had() -> None:
    """A version that came out worse, with a baseline of .60, is not taken as sound for reaching that."""
    found = seen(0.60)
    assert found.current.performance is not None
    worse = replace(found.current, version="2", performance=auc(0.60, baseline=0.60))
    before = PastWindow(WEEK.shifted(-1), "e-1", "1", True, None, auc(0.70))
    weighed = weigh(replace(found, version="2", current=worse, history=(before,)), priced(1))
    assert weighed is not None
    assert (weighed.windows, weighed.avoidable) == (1, pytest.approx(RECOVERED * 0.10))


def test_a_baseline_that_turned_out_lower_is_not_what_was_lost_against() -> None:
    """Taken for .70 a week ago, and for .66 since a challenger was no better: at .66 nothing is lost."""
    found = seen(0.66, 0.66)
    now = replace(found.current, performance=auc(0.66, baseline=0.66))
    weighed = weigh(replace(found, current=now), priced(1))
    assert weighed is not None
    assert weighed.avoidable == pytest.approx(0.0, abs=1e-12)


def test_weeks_better_than_the_baseline_make_up_for_worse_ones() -> None:
    """Chance alone must not add up: -.02 and +.02 are nothing."""
    found = weigh(seen(0.72, 0.68), priced(1))
    assert found is not None
    assert found.avoidable == pytest.approx(0.0, abs=1e-12)


def test_a_week_without_labels_is_unknown() -> None:
    """It neither counts nor retrains."""
    found = seen(0.40, 0.40)
    unmeasured = replace(found.current, performance=Measurement(Layer.PERFORMANCE, "roc_auc", None, Verdict.NOT_ENOUGH_DATA, 3))
    assert weigh(replace(found, current=unmeasured), priced(1)) is None
    assert decide(replace(found, current=unmeasured), priced(1e-9)).action is Action.HOLD


def test_an_event_is_not_acted_on_whatever_it_costs() -> None:
    found = seen(0.40, 0.40)
    assert decide(replace(found, current=replace(found.current, anomaly="strike")), priced(1)).action is Action.HOLD


def test_the_budget_of_all_models_holds_even_what_pays() -> None:
    spent = seen(0.70, 0.68, 0.66, fleet=FleetBudget(1, 7, ("d9",)), windows_since_retraining=2)
    decision = decide(spent, priced(0.1))
    assert decision.action is Action.HOLD
    assert "budget of all models is spent" in decision.reason
    assert "a larger retraining_budget" in explain(decision).would_have_changed


def test_a_worth_that_is_surely_too_low_is_not_weighed_by_the_metric() -> None:
    """Predictions are worth too little for three weeks; the AUC, which the price is in, is at its baseline."""
    worth = Measurement(Layer.BUSINESS, "value_per_prediction", 1.0, Verdict.BREACH, 400, low=0.9, high=1.1, threshold=2.0)
    found = seen(0.70, 0.70, 0.70)
    windows = [replace(past, business=worth) for past in (found.current, *found.history)]
    poor = replace(found, current=windows[0], history=tuple(windows[1:]))
    spec = priced(100, 1)
    wanted = spec.model_copy(update={"business": spec.business.model_copy(update={"minimum_value": 2.0})})
    assert decide(poor, wanted).action is Action.RETRAIN
    assert decide(poor, spec).action is Action.HOLD


def test_what_retrainings_brought_is_learned_from() -> None:
    """Three that recovered nothing: (0.2) / (1 + 3 * 0.5^2) is left of the guess, so it holds where it had retrained."""
    nothing = tuple(PastGain(f"d{i}", 0.0, loss=0.3, excess=0.5) for i in range(3))
    assert believed(nothing) == (pytest.approx(0.2 / 1.75), pytest.approx(LEARNED), 3)
    assert decide(seen(0.70, 0.68, 0.66, gains=nothing), priced(1)).action is Action.HOLD


def test_gains_by_another_metric_teach_nothing() -> None:
    """Compared by the Brier score, they are not in the unit of the AUC's loss."""
    spec = priced(1)
    other = spec.model_copy(update={"comparison": spec.comparison.model_copy(update={"metric": Metric.BRIER})})
    nothing = seen(0.70, 0.68, 0.66, gains=(PastGain("d", 0.0, loss=0.3, excess=0.5),))
    counted = [found.retrainings for each in (spec, other) if (found := weigh(nothing, each)) is not None]
    assert counted == [1, 0]


def test_gains_whose_decision_said_nothing_of_the_loss_teach_nothing() -> None:
    assert believed([PastGain("d", 0.3)]) == (RECOVERED, LEARNED, 0)


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.integers(0, 2**32 - 1))
def test_many_retrainings_tell_what_is_so(recovered: float, learned: float, seed: int) -> None:
    """200 noiseless gains outweigh the guesses: X'X has eigenvalues of about 16 and more, beside the guesses' 1."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 1, (200, 2))
    gains = [PastGain("d", recovered * e + learned * f, loss=1.0, excess=e, fresh=f) for e, f in features]
    found = believed(gains)
    assert found[:2] == (pytest.approx(recovered, abs=0.06), pytest.approx(learned, abs=0.06))


@given(st.lists(st.floats(0.4, 0.8), min_size=1, max_size=12), st.floats(0.0, 0.2))
def test_a_worse_week_never_makes_waiting_cheaper(values: list[float], worse: float) -> None:
    one, other = weigh(seen(*values), priced(1)), weigh(seen(*values[:-1], values[-1] - worse), priced(1))
    assert one is not None
    assert other is not None
    assert other.avoidable >= one.avoidable - 1e-12


def test_chance_alone_hardly_ever_adds_up_to_the_price_of_a_retraining() -> None:
    """60 years of 52 weeks at the baseline, AUCs with a standard error of .018, a retraining as dear as an AUC of .05 for a week. Half of
    the weeks are worse than the baseline, by .014 on average: not making up for them would cost 52 / 2 * .014 * .2 = .075 in any year."""
    rng = np.random.default_rng(0)
    years = rng.normal(BASELINE, 0.018, (60, 52))
    asked = [any((f := weigh(seen(*year[: week + 1]), priced(5))) is not None and f.reached for week in range(3, 52, 4)) for year in years]
    assert 0 < np.mean(asked) <= 0.2


def test_how_much_a_version_was_trained_on_is_read_from_its_lineage() -> None:
    assert trained_rows({"reference_rows": 300, "window_rows": 200}) == 500
    assert trained_rows({}) is None


def test_a_gain_remembers_what_its_decision_said_of_the_loss(tmp_path: Path) -> None:
    """From the decision's own numbers, and again when it is replayed."""
    spec = priced(1)
    gate = GateResult("worth_it", GateState.PASSED, "", {"break_even": {"loss": 0.3, "excess": 0.1, "fresh": 0.4}})
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        store.save_spec("m", spec.hash, spec.canonical_json())
        for week in range(2):
            window = WEEK.shifted(week)
            due = window.end + timedelta(days=1)
            store.record_evaluation(Evaluation(f"e{week}", "m", window, "1", due, spec.hash, "data", "labels", 500, 400, True, "0.1.0"), [])
            if week == 0:
                store.record_decision(Decision("d0", "m", window, "e0", "1", due, Action.RETRAIN, "", (gate,), spec.hash, "0.1.0"), {})
                store.request_retraining("d0", model="m", champion="1", at=due)
                store.advance_retraining("d0", RetrainingState.REGISTERED, at=due, challenger="2")
                told = {"metric": "roc_auc", "difference": 0.05}
                store.advance_retraining("d0", RetrainingState.PROMOTED, at=due, comparison=told)
        found = gather(store, spec, "e1")
        assert found.gains == (PastGain("d0", 0.05, loss=0.3, excess=0.1, fresh=0.4),)
        assert gather_again(store, spec, "e1", noted_of(found)) == found
