"""The ladder: which gate settles what. Evidence is built by hand, so each test shows all that its decision saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vigil.decision.ladder import ORDER, decide, decision_id_of
from vigil.decision.types import Action, Evidence, GateState, PastWindow
from vigil.decision.words import explain
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.base import Anomaly, Sustained
from vigil.spec.model import ModelSpec, Policy
from vigil.window import Window

WEEK = Window(datetime(2013, 4, 5, tzinfo=UTC), datetime(2013, 4, 12, tzinfo=UTC))


def a_spec(**policy: Any) -> ModelSpec:
    spec = ModelSpec.model_validate(
        {
            "model": "m",
            "owner": "o",
            "task": "binary",
            "source": {"predictions": "p", "labels": "l", "reference": "r"},
            "features": {"a": "numeric"},
            "window": {"days": 7, "anchor": "2013-03-01"},
            "performance": {"metric": "roc_auc", "tolerated_loss": 0.03},
            "training": {"trainer": "m:f"},
        }
    )
    return spec.model_copy(update={"policy": Policy(**policy)})


def quality(verdict: Verdict = Verdict.OK) -> Measurement:
    return Measurement(Layer.DATA_QUALITY, "expect_x", 0.5, verdict, 100, subject="temp", threshold=0.02)


def drift(verdict: Verdict) -> Measurement:
    value = None if verdict is Verdict.NOT_ENOUGH_DATA else 0.6
    return Measurement(Layer.DRIFT, "drift_share", value, verdict, 1000, threshold=0.3, detail={"drifted": {"hour": 0.2, "temp": 0.4}})


def performance(verdict: Verdict, n: int = 400) -> Measurement:
    if verdict is Verdict.NOT_ENOUGH_DATA:
        return Measurement(Layer.PERFORMANCE, "roc_auc", None, verdict, n, threshold=0.66)
    value = {Verdict.OK: 0.7, Verdict.WARNING: 0.65, Verdict.BREACH: 0.5}[verdict]
    return Measurement(Layer.PERFORMANCE, "roc_auc", value, verdict, n, low=value - 0.02, high=value + 0.02, threshold=0.66)


def past(steps: int, drift_verdict: Verdict, performance_verdict: Verdict, **changes: Any) -> PastWindow:
    window = WEEK.shifted(-steps)
    found = PastWindow(window, f"e-{steps}", "1", True, drift(drift_verdict), performance(performance_verdict))
    return replace(found, **changes)


def evidence(
    drift_verdicts: str = "...", performance_verdicts: str = "...", *, checks: tuple[Measurement, ...] = (quality(),), **changes: Any
) -> Evidence:
    """Newest window first: ``x`` breach, ``w`` warning, ``.`` ok, ``?`` not enough data."""
    verdicts = {"x": Verdict.BREACH, "w": Verdict.WARNING, ".": Verdict.OK, "?": Verdict.NOT_ENOUGH_DATA}
    windows = [past(i, verdicts[d], verdicts[p]) for i, (d, p) in enumerate(zip(drift_verdicts, performance_verdicts, strict=True))]
    current = windows[0]
    assert current.drift is not None
    assert current.performance is not None
    found = Evidence(
        model="m",
        window=WEEK,
        evaluation_id="e-0",
        as_of=WEEK.end + timedelta(days=1),
        version="1",
        current=current,
        measurements=(*checks, current.drift, current.performance),
        history=tuple(windows[1:]),
        windows_since_retraining=None,
        last_retraining=None,
        baseline=0.69,
    )
    return replace(found, **changes)


def test_a_failed_critical_expectation_is_a_data_fault_whatever_else_is_in_breach() -> None:
    """Gate 1 comes first: data at fault is fixed, never trained on."""
    decision = decide(evidence("xxx", "xxx", checks=(quality(Verdict.BREACH),)), a_spec())
    assert decision.action is Action.FIX_DATA
    assert decision.gates[0].numbers["failed"] == [
        {"expectation": "expect_x", "subject": "temp", "value": 0.5, "threshold": 0.02, "because": ""}
    ]


def test_a_failed_warning_expectation_is_no_data_fault() -> None:
    """Only critical failures are breaches."""
    assert decide(evidence(checks=(quality(Verdict.WARNING),)), a_spec()).action is Action.HOLD


def test_unchecked_data_is_unknown_and_never_retrains() -> None:
    """Evidence that is absent is neither healthy nor a trigger."""
    decision = decide(evidence("xxx", "xxx", checks=()), a_spec())
    assert decision.action is Action.HOLD
    assert decision.gates[0].state is GateState.UNKNOWN


@pytest.mark.parametrize(
    ("drifts", "performances", "action"),
    [
        ("...", "...", Action.HOLD),  # healthy
        ("x..", "...", Action.HOLD),  # drift in 1 of 3
        ("xx.", "...", Action.HOLD),  # drift in 2 of 3, three are needed
        ("xxx", "...", Action.RETRAIN),  # sustained drift
        (".xxx", "....", Action.HOLD),  # it was sustained, and has passed by now
        ("...", "x..", Action.HOLD),  # lower performance in 1 of 3
        ("...", "xx.", Action.RETRAIN),  # lower performance in 2 of 3
        ("...", "ww.", Action.HOLD),  # beyond the limit twice, but by no more than chance
        ("......", "wwwwww", Action.HOLD),  # neither is it confirmed in six weeks
        ("...", "x.x", Action.HOLD),  # weeks that swing so much may be chance
        ("...", ".xx", Action.HOLD),  # it has recovered
        ("?xxx", "....", Action.HOLD),  # drift of the present window is unknown
        ("x?xx", "....", Action.RETRAIN),  # a window that could not be measured is looked past
        ("xx", "..", Action.HOLD),  # too short a history is not sustained
    ],
)
def test_only_what_lasts_retrains(drifts: str, performances: str, action: Action) -> None:
    """k of the last n measured windows, the present one among them."""
    assert decide(evidence(drifts, performances), a_spec()).action is action


def test_windows_of_another_version_do_not_count() -> None:
    """After a promotion the count begins again: the new version has another reference."""
    found = evidence("xxx")
    history = tuple(replace(window, version="0") for window in found.history)
    assert decide(replace(found, history=history), a_spec()).action is Action.HOLD


def test_windows_at_fault_do_not_count() -> None:
    """A window whose data was at fault says nothing about drift."""
    found = evidence("xxx")
    history = (replace(found.history[0], quality_passed=False), found.history[1])
    assert decide(replace(found, history=history), a_spec()).action is Action.HOLD


def test_past_declared_events_do_not_count() -> None:
    """A holiday in the history is looked past as well."""
    found = evidence("xxx")
    history = (replace(found.history[0], anomaly="strike"), found.history[1])
    assert decide(replace(found, history=history), a_spec()).action is Action.HOLD


def test_a_declared_event_holds() -> None:
    """Nothing is done about a window that lies in a declared anomaly."""
    found = evidence("xxx", "xxx")
    decision = decide(replace(found, current=replace(found.current, anomaly="Thanksgiving")), a_spec())
    assert decision.action is Action.HOLD
    assert "Thanksgiving" in decision.reason


def test_k_and_n_of_drift_are_read() -> None:
    """With 2 of 2 the second drifted window retrains."""
    assert decide(evidence("xx."), a_spec(drift=Sustained(k=2, n=2))).action is Action.RETRAIN


def test_k_and_n_of_performance_are_read() -> None:
    """With 1 of 1 the first bad window retrains."""
    assert decide(evidence("...", "x.."), a_spec(performance=Sustained(k=1, n=1))).action is Action.RETRAIN


def test_the_alarm_budget_is_read() -> None:
    """A false alarm in ten years needs evidence of 522, one in a hundred 5,218: two bad weeks, with 4,236, are one of the two."""
    found = evidence("...", "xx.")
    assert decide(found, a_spec(false_alarms_per_year=0.1)).action is Action.RETRAIN
    assert decide(found, a_spec(false_alarms_per_year=0.01)).action is Action.HOLD


def test_evidence_begins_anew_after_a_retraining_decision() -> None:
    """Weeks that were answered by a retraining whose challenger lost do not ask for another one."""
    found = evidence("xxxxxxxx".replace("x", "."), "wwwwwwxx", windows_since_retraining=None)
    before, after = (decide(replace(found, windows_since_retraining=since), a_spec()) for since in (None, 6))
    looked_at = [d.gates[3].numbers["evidence"]["windows"] for d in (before, after)]
    assert looked_at == [8, 6]


def test_evidence_is_of_the_present_version_in_sound_weeks_outside_declared_events() -> None:
    """Of five bad weeks one was at fault, one in an event, and one of the version before."""
    found = evidence(".....", "xxxxx")
    one, event, fault, other = found.history
    history = (one, replace(event, anomaly="strike"), replace(fault, quality_passed=False), replace(other, version="0"))
    assert decide(replace(found, history=history), a_spec()).gates[3].numbers["evidence"]["windows"] == 2


def test_harm_that_is_not_confirmed_says_what_is_missing() -> None:
    """The same mean for longer, in windows and in labels."""
    explanation = explain(decide(evidence("...", "ww."), a_spec()))
    assert "Harm is not confirmed, it may be chance: since 2013-04-05 roc_auc averages 0.65" in explanation.headline
    assert explanation.would_have_changed == "40 more windows like the last, or about 16,000 more labels that say the same."


def test_drift_without_harm_holds_where_the_policy_needs_harm() -> None:
    """Labels that show no loss outweigh drift, unless the policy acts on drift alone."""
    assert decide(evidence("xxx", "..."), a_spec(retrain_on_drift_alone=False)).action is Action.HOLD


def test_drift_with_too_few_labels_asks_for_labels_where_the_policy_needs_harm() -> None:
    """What labels cannot say yet is asked, not assumed."""
    decision = decide(evidence("xxx", "???"), a_spec(retrain_on_drift_alone=False))
    assert decision.action is Action.GET_LABELS
    assert [gate.state for gate in decision.gates] == [*[GateState.PASSED] * 3, GateState.UNKNOWN, *[GateState.NOT_REACHED] * 2]


def test_confirmed_harm_retrains_where_the_policy_needs_harm() -> None:
    """Sustained loss on labels is harm, with or without drift."""
    assert decide(evidence("...", "xx."), a_spec(retrain_on_drift_alone=False)).action is Action.RETRAIN


@pytest.mark.parametrize(("since", "action"), [(None, Action.RETRAIN), (3, Action.HOLD), (4, Action.RETRAIN)])
def test_the_cool_down_holds_until_it_is_over(since: int | None, action: Action) -> None:
    """Four windows must lie between two retraining decisions."""
    decision = decide(evidence("xxx", windows_since_retraining=since), a_spec(cool_down_windows=4))
    assert decision.action is action


def test_the_cool_down_says_when_it_ends() -> None:
    """Three of four windows have passed: the next window, which starts on 12 April, is free."""
    decision = decide(evidence("xxx", windows_since_retraining=3), a_spec(cool_down_windows=4))
    assert "2013-04-12" in decision.reason


def test_every_gate_is_recorded_in_order() -> None:
    """A gate that was not asked is recorded as not reached."""
    decision = decide(evidence("...", "..."), a_spec())
    assert tuple(gate.gate for gate in decision.gates) == ORDER
    assert decision.gates[-1].state is GateState.NOT_REACHED


def test_the_features_that_weigh_most_are_named_first() -> None:
    """Temperature carries 40 % of the importance, the hour 20 %."""
    assert "60 % of the importance have drifted (temp, hour; 30 % is tolerated)" in decide(evidence("xxx"), a_spec()).reason


def test_deciding_twice_is_the_same_decision() -> None:
    """No clock, no randomness: equal evidence gives an equal decision, and its id comes from the evaluation."""
    assert decide(evidence("xxx"), a_spec()) == decide(evidence("xxx"), a_spec())
    assert decide(evidence("xxx"), a_spec()).decision_id == decision_id_of("e-0")


def test_nothing_measured_is_unknown() -> None:
    """Neither drift nor performance could be measured."""
    decision = decide(evidence("?", "?"), a_spec())
    assert decision.action is Action.HOLD
    assert decision.gates[1].state is GateState.UNKNOWN


@pytest.mark.parametrize(
    ("found", "policy", "expected"),
    [
        (evidence("xx."), {}, "1 more window with drift in breach (3 of 3 are needed)."),
        (
            evidence("...", "x.."),
            {},
            "1 more window with performance beyond its limit (2 of 3 are needed), and evidence that it is not chance.",
        ),
        (evidence("xxx", windows_since_retraining=1), {}, "the end of the cool-down, 4 windows after the last retraining decision."),
        (
            evidence("xxx", "???"),
            {"retrain_on_drift_alone": False},
            "more labels of the rarer class of this window, which confirm or rule out harm.",
        ),
    ],
)
def test_an_explanation_says_what_would_have_changed_it(found: Evidence, policy: dict[str, Any], expected: str) -> None:
    """The nearest thing that would have given another action."""
    assert explain(decide(found, a_spec(**policy))).would_have_changed == expected


def test_how_many_labels_are_lacking_is_said() -> None:
    """40 of the 100 that the metric needs are here."""
    found = evidence("xxx", "???")
    few = replace(found, current=replace(found.current, performance=performance(Verdict.NOT_ENOUGH_DATA, n=40)))
    explanation = explain(decide(few, a_spec(retrain_on_drift_alone=False)))
    assert explanation.would_have_changed == "60 more labels of this window, which confirm or rule out harm."


def test_a_healthy_window_says_how_it_stands() -> None:
    """Drift and performance with their limits, whether or not anything is wrong."""
    sound = evidence()
    sound = replace(sound, current=replace(sound.current, drift=replace(drift(Verdict.OK), value=0.0, detail={"drifted": {}})))
    assert decide(sound, a_spec()).reason == (
        "Nothing that decides is in breach: no feature has drifted (30 % of the importance is tolerated); "
        "roc_auc is 0.7 (0.68 to 0.72) on 400 labels, the limit is 0.66."
    )


def test_too_few_labels_are_said_with_how_many_are_needed() -> None:
    """Drift alone could be measured."""
    assert "roc_auc could not be measured on 400 labels (100 are needed)" in decide(evidence("...", "???"), a_spec()).reason


def test_an_explanation_begins_with_a_plain_sentence() -> None:
    """Model, window, action and the reason with its numbers."""
    text = explain(decide(evidence("...", "xx."), a_spec())).text()
    assert text.splitlines()[0] == (
        "m, 2013-04-05 to 2013-04-12: Retrain. Harm is confirmed by labels: since 2013-03-29 roc_auc averages 0.5 on 800 labels in "
        "2 windows, the limit is 0.66; the evidence is 4,236, 52 is needed for at most 1 false alarm a year."
    )


def test_an_anomaly_ends_after_it_starts() -> None:
    """A declared event is a real span."""
    with pytest.raises(ValueError, match="ends after it starts"):
        Anomaly(name="x", start=WEEK.end, end=WEEK.start)


def test_a_window_whose_late_labels_are_not_here_says_so_and_asks_for_labels() -> None:
    """400 labels are more than the metric needs, but half of those expected: not how many, but which, cannot tell."""
    spec = a_spec(retrain_on_drift_alone=False)
    spec = spec.model_copy(update={"labels": spec.labels.model_copy(update={"maturity": 0.8})})
    found = evidence("xxx", "?..")
    early = replace(performance(Verdict.NOT_ENOUGH_DATA), detail={"maturity": 0.5, "provisional": {"value": 0.5, "low": 0.4, "high": 0.6}})
    decision = decide(replace(found, current=replace(found.current, performance=early)), spec)
    said = "roc_auc could not be judged on 400 labels: 50 % of those expected are here (80 % are needed)"
    assert decision.action is Action.GET_LABELS
    assert said in next(gate.sentence for gate in decision.gates if gate.gate == "harm")
    quiet = evidence("...", "?..")
    held = decide(replace(quiet, current=replace(quiet.current, performance=early)), spec)
    assert said in next(gate.sentence for gate in held.gates if gate.gate == "passing")
