"""Each sentence that no other test says word by word: numbers, counts, what was found, what a promotion brought, what would change it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.decision.test_break_even import priced, seen
from tests.decision.test_business import a_valued_spec, worth
from tests.decision.test_kind import RELATION_CHANGED, harmed, of
from tests.decision.test_ladder import WEEK, a_spec, drift, evidence, performance, quality
from tests.decision.test_release import released
from vigil.decision.findings import drift_of, failure, performance_of, value_of
from vigil.decision.kind import HARDER, POPULATION, RELATION, REMAINING
from vigil.decision.ladder import decide
from vigil.decision.phrases import number, percent, plural, when
from vigil.decision.types import Action, PastGain
from vigil.decision.words import explain, payoff_sentence
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import Economics, Labels, Metric
from vigil.store.records import Payoff

PAYOFF = Payoff("d", "m", WEEK.end, "roc_auc", predicted=0.03, realised=0.02, low=0.01, high=0.03, n=1200, windows=12)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "unknown"), (0.0, "0"), (0.001, "0.001"), (0.00099, "9.9e-04"), (-0.0005, "-5.0e-04"), (12.3456, "12.346"), (10.0, "10")],
)
def test_numbers(value: float | None, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "0 %"),
        (0.1, "10 %"),
        (0.107, "11 %"),
        (0.123, "12 %"),
        (0.02, "2 %"),
        (0.0123, "1.2 %"),
        (0.001, "0.1 %"),
        (0.00123, "0.1 %"),
        (0.00045, "0.045 %"),
    ],
)
def test_shares(share: float, expected: str) -> None:
    assert percent(share) == expected


def test_counts_and_moments() -> None:
    assert [plural(1, "row"), plural(0, "row"), plural(1200, "row"), plural(2, "more")] == ["1 row", "0 rows", "1,200 rows", "2 more"]
    moments = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, 3, 4, tzinfo=UTC), datetime(2024, 1, 2, 0, 0, 5, tzinfo=UTC)
    assert [when(moment) for moment in moments] == ["2024-01-02", "2024-01-02 03:04 UTC", "2024-01-02 00:00 UTC"]


@pytest.mark.parametrize(
    ("changed", "brought"),
    [
        ({}, "it was better by 0.02 (0.01 to 0.03) than the version that it replaced."),
        ({"realised": 0.0, "low": -0.01, "high": 0.01}, "it was better by 0 (-0.01 to 0.01) than the version that it replaced."),
        ({"realised": -0.02, "low": -0.05, "high": 0.01}, "it was worse by 0.02 (-0.01 to 0.05) than the version that it replaced."),
        ({"realised": None}, "too little to tell what it brought."),
        ({"low": None}, "too little to tell what it brought."),
        ({"high": None}, "too little to tell what it brought."),
    ],
)
def test_what_a_promotion_brought(changed: dict[str, Any], brought: str) -> None:
    said = payoff_sentence(replace(PAYOFF, **changed))
    assert said == f"Expected roc_auc to be better by 0.03; over 12 windows with 1,200 labels {brought}"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "roc_auc could not be measured on no label (100 are needed)"),
        (replace(performance(Verdict.NOT_ENOUGH_DATA), n=0), "roc_auc could not be measured on no label (100 are needed)"),
        (replace(performance(Verdict.NOT_ENOUGH_DATA), n=1), "roc_auc could not be measured on 1 label (100 are needed)"),
        (
            replace(performance(Verdict.NOT_ENOUGH_DATA), detail={"maturity": 0.5}),
            "roc_auc could not be judged on 400 labels: 50 % of those expected are here (80 % are needed)",
        ),
        (performance(Verdict.OK), "roc_auc is 0.7 (0.68 to 0.72) on 400 labels, the limit is 0.66"),
        (
            replace(performance(Verdict.OK), low=None, threshold=None),
            "roc_auc is 0.7 on 400 labels, not judged: no baseline of the version is known in it",
        ),
        (
            replace(performance(Verdict.OK), detail={"predictions": 5000}),
            "roc_auc is 0.7 (0.68 to 0.72) on 400 labels and the scores of 5,000 predictions, the limit is 0.66",
        ),
    ],
)
def test_how_performance_is_said(found: Measurement | None, expected: str) -> None:
    assert performance_of(found, a_spec().model_copy(update={"labels": Labels(maturity=0.8)})) == expected


def test_how_drift_is_said() -> None:
    """The three that weigh most, by weight and then by name."""
    assert drift_of(None) == drift_of(drift(Verdict.NOT_ENOUGH_DATA)) == "drift could not be measured"
    assert drift_of(replace(drift(Verdict.OK), detail={}, threshold=None)) == "no feature has drifted (0 % of the importance is tolerated)"
    many = replace(drift(Verdict.BREACH), detail={"drifted": {"d": 0.1, "c": 0.1, "a": 0.1, "b": 0.3}})
    near = replace(many, value=0.3004)
    assert drift_of(near) == "features with 30.04 % of the importance have drifted (b, a, c; 30 % is tolerated)"
    assert drift_of(many) == "features with 60 % of the importance have drifted (b, a, c; 30 % is tolerated)"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "expect_x (column temp): 50 % of rows fail, 2 % is tolerated"),
        ({"threshold": None}, "expect_x (column temp): 50 % of rows fail, 0 % is tolerated"),
        ({"value": 6 / 296}, "expect_x (column temp): 2.03 % of rows fail, 2 % is tolerated"),
        ({"value": 0.0200001}, "expect_x (column temp): 2.00001 % of rows fail, 2 % is tolerated"),
        ({"value": 0.02}, "expect_x (column temp): 2 % of rows fail, 2 % is tolerated"),
        ({"value": 1.0, "subject": "*", "detail": {"because": "few rows say little", "observed": 0}}, "few rows say little: found 0"),
        ({"value": None}, "expect_x (column temp)"),
        ({"subject": "*", "value": None}, "expect_x"),
        ({"subject": "", "value": None}, "expect_x"),
        ({"detail": {"because": "too hot"}, "value": None}, "too hot (column temp)"),
        ({"detail": {"because": "temp is in another unit"}, "value": None}, "temp is in another unit"),
    ],
)
def test_how_a_failed_expectation_is_said(changed: dict[str, Any], expected: str) -> None:
    assert failure(replace(quality(Verdict.BREACH), **changed)) == expected


def test_the_worst_of_several_faults_is_said_and_how_many_more() -> None:
    worst, other = replace(quality(Verdict.BREACH), value=0.9, subject="hour"), quality(Verdict.BREACH)
    decision = decide(evidence(checks=(other, worst, quality())), a_spec())
    assert decision.reason == "The data is at fault: expect_x (column hour): 90 % of rows fail, 2 % is tolerated, and 1 more."
    assert explain(decision).would_have_changed == "right data for this window; the next run of it sees the change and decides anew."
    assert decision.gates[0].numbers["checked"] == 3


def test_unknown_data_and_unknown_everything_are_said() -> None:
    assert decide(evidence(checks=()), a_spec()).reason == "Data quality is unknown: no expectation was checked."
    assert decide(evidence("???", "???"), a_spec()).reason == (
        "Neither drift nor performance could be measured: too little data, so nothing is known and nothing is done."
    )


def test_what_does_not_last_yet_is_said_with_how_it_stands() -> None:
    assert decide(evidence("x..", "x.."), a_spec()).reason == (
        "It does not last yet: drift in 1 of the last 3 measured windows (3 of 3 are needed) and lower performance in 1 of the last "
        "3 measured windows (2 of 3 are needed). Now features with 60 % of the importance have drifted (temp, hour; 30 "
        "% is tolerated); roc_auc is 0.5 "
        "(0.48 to 0.52) on 400 labels, the limit is 0.66."
    )
    poor = decide(worth("x..."), a_valued_spec())
    assert "lower value in 1 of the last 3 measured windows (3 of 3 are needed). Now " in poor.reason
    assert "; a prediction is worth 0.5 (" in poor.reason


def test_what_lasts_is_said() -> None:
    assert (
        decide(evidence("xxx", "..."), a_spec()).gates[1].sentence
        == "It lasts: drift in 3 of the last 3 measured windows (3 of 3 are needed)."
    )


def test_a_declared_event_is_said() -> None:
    found = evidence("xxx", "xxx")
    decision = decide(replace(found, current=replace(found.current, anomaly="strike")), a_spec())
    assert decision.reason == "The window lies in the declared event “strike”, which is not acted on."
    assert explain(decision).would_have_changed == "no declared event over this window."


def test_a_release_at_fault_is_said_with_the_command() -> None:
    decision = decide(released("......", "xx....", weeks=2), a_spec())
    assert decision.action is Action.ROLLBACK
    assert decision.reason == (
        "The release of version 1 is at fault: harm begins with it, version 0 was sound and the inputs have not drifted; "
        "since 2013-03-29 roc_auc "
        "averages 0.5 on 800 labels in 2 windows, the limit is 0.66; the evidence is over a million, "
        "52 is needed for at most 1 false alarm a year. Nothing "
        "is rolled back by itself: `vigil rollback m 0 --reason ...`."
    )
    assert explain(decision).would_have_changed == (
        "drift of the inputs, or the same loss under version 0: then the release would not explain it."
    )
    said = [
        decide(released(*args, weeks=2), a_spec()).gates[2].sentence
        for args in (("......", "xxxxxx"), ("x.....", "xx...."), ("......", "ww...."))
    ]
    assert said == [
        "Version 0 had been beyond its limit too, before version 1.",
        "The inputs drifted as well since version 1 serves.",
        "No harm that begins with version 1 is confirmed.",
    ]
    assert decide(evidence("...", "xx."), a_spec()).gates[2].sentence == "No other version was measured before it."


def test_drift_alone_and_drift_without_harm_are_said() -> None:
    found = "features with 60 % of the importance have drifted (temp, hour; 30 % is tolerated)"
    assert decide(evidence("xxx"), a_spec()).reason == f"Harm is suspected: {found}, and the policy acts on sustained drift alone."
    held = decide(evidence("xxx"), a_spec(retrain_on_drift_alone=False))
    assert held.reason == "Drift without harm: roc_auc is 0.7 (0.68 to 0.72) on 400 labels, the limit is 0.66."
    asked = decide(evidence("xxx", "???"), a_spec(retrain_on_drift_alone=False))
    assert asked.reason == f"Harm is suspected: {found}, but 400 labels cannot tell (the metric needs 100)."


def test_what_is_learned_from_which_rows_is_said() -> None:
    shares = (
        "roc_auc is worse by 0.01 (-0.01 to 0.03) by harder cases, by 0.1 (0.07 to 0.13) by another relation, by 0 "
        "(-0.01 to 0.01) by new cases"
    )
    assert decide(harmed(*of(RELATION_CHANGED)), a_spec()).gates[4].sentence == (
        f"The same inputs lead to other labels now: {shares}. It is learned from recent rows."
    )
    new = of({**RELATION_CHANGED, RELATION: (0.0, -0.01, 0.01), POPULATION: (0.1, 0.07, 0.13)})
    assert decide(harmed(*new), a_spec()).gates[4].sentence == (
        "Cases have come that were not there before: roc_auc is worse by 0.01 (-0.01 to 0.03) by harder cases, by 0 "
        "(-0.01 to 0.01) by another "
        "relation, by 0.1 (0.07 to 0.13) by new cases. It is learned from old and new rows together."
    )
    unsure = of({HARDER: (0.0, -0.1, 0.1), RELATION: (0.0, -0.1, 0.1), POPULATION: (0.0, -0.1, 0.1), REMAINING: (0.0, -0.1, 0.1)})
    assert decide(harmed(*unsure), a_spec()).gates[4].sentence == (
        "What the loss is due to is not decided: roc_auc is worse by 0 (-0.1 to 0.1) by harder cases, by 0 (-0.1 to "
        "0.1) by another relation, by 0 "
        "(-0.1 to 0.1) by new cases. A challenger is trained as specified."
    )
    assert decide(harmed(), a_spec()).gates[4].sentence == (
        "What the loss is due to was not measured. A challenger is trained as specified."
    )
    assert decide(evidence("xxx"), a_spec()).gates[4].sentence == (
        "There is no confirmed loss to divide: a challenger is trained as specified."
    )


def test_when_waiting_costs_more_it_is_said_from_what_that_is_known() -> None:
    once = decide(seen(0.70, 0.68, 0.66, gains=(PastGain("d", 0.1, loss=0.5, excess=0.5),)), priced(1))
    assert "(as 1 retraining showed); one costs as much as 0.01" in once.reason
    twice = decide(seen(0.70, 0.68, 0.66, gains=(PastGain("d", 0.1, loss=0.5, excess=0.5),) * 2), priced(1))
    assert "(as 2 retrainings showed)" in twice.reason
    assert twice.reason.startswith("Waiting costs more than retraining: in 3 windows a retraining would have avoided ")
    assert twice.gates[1].sentence.startswith("Waiting has cost as much as a retraining: in 3 windows ")
    assert twice.gates[-1].sentence.startswith("It pays: in 3 windows ")


def test_where_a_retraining_avoids_nothing_losses_are_what_would_change_it() -> None:
    """By nothing that was tried was anything gained."""
    nothing = tuple(PastGain(f"d{i}", -1.0, loss=0.3, excess=0.5) for i in range(3))
    decision = decide(seen(0.40, 0.40, 0.40, gains=nothing), priced(1))
    assert explain(decision).would_have_changed == "losses of which a retraining avoids some, or a lower cost in policy.economics."


def test_a_retraining_says_what_would_have_held_it() -> None:
    assert explain(decide(evidence("...", "xx."), a_spec())).would_have_changed == (
        "no sustained breach, a declared event, or a retraining decided within the cool-down."
    )


def test_a_loss_of_which_no_more_windows_would_be_enough_needs_to_be_confirmed() -> None:
    decision = decide(evidence("...", "ww."), a_spec(false_alarms_per_year=1e-300))
    assert explain(decision).would_have_changed == "a confirmed loss on labels."


def test_a_metric_that_is_an_error_is_worse_where_it_is_larger() -> None:
    """A Brier score of .30 for two windows against a limit of .20 is confirmed harm; of .10 it is none."""
    spec = a_spec()
    spec = spec.model_copy(update={"performance": spec.performance.model_copy(update={"metric": Metric.BRIER})})

    def errs(value: float) -> Measurement:
        verdict = Verdict.OK if value < 0.2 else Verdict.BREACH
        return Measurement(Layer.PERFORMANCE, "brier", value, verdict, 400, low=value - 0.02, high=value + 0.02, threshold=0.2)

    for value, action in ((0.3, Action.RETRAIN), (0.1, Action.HOLD)):
        found = evidence("...", "...")
        windows = [replace(past, performance=errs(value)) for past in (found.current, *found.history)]
        assert decide(replace(found, current=windows[0], history=tuple(windows[1:])), spec).action is action


def test_what_a_retraining_brings_is_said_to_be_unknown_until_enough_of_them_have_shown_it() -> None:
    found = replace(evidence("...", "xx."), gains=(PastGain("d", 0.02),), windows_since_retraining=6)
    decision = decide(found, a_spec(economics=Economics(cost=1, value=1, rule="harm")))
    assert decision.gates[-1].sentence == (
        "The last retraining was decided 6 windows ago; the cool-down is 4 windows. What a retraining brings is unknown: "
        "1 retraining of the last year, 3 are needed."
    )


def test_how_a_worth_is_said() -> None:
    worth_of = Measurement(Layer.BUSINESS, "value_per_prediction", 0.5, Verdict.BREACH, 400, low=0.2, high=0.9, threshold=1.0)
    assert value_of(worth_of, a_valued_spec()) == "a prediction is worth 0.5 (0.2 to 0.9) EUR, at least 1 is wanted"
    assert value_of(replace(worth_of, low=None), a_spec()) == "a prediction is worth 0.5, at least 1 is wanted"


def test_a_release_that_is_not_at_fault_keeps_its_numbers() -> None:
    cases = ("......", "xxxxxx"), ("x.....", "xx...."), ("......", "ww....")
    found = [decide(released(*case, weeks=2), a_spec()).gates[2].numbers for case in cases]
    assert [(each["previous"], each["bad_windows_before"], each["drifted_windows"]) for each in found] == [
        ("0", 3, 0),
        ("0", 0, 1),
        ("0", 0, 0),
    ]
