"""Which windows a challenger is trained on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.challenger.build import spec_of
from vigil.challenger.training_data import Wanted, plan_training
from vigil.decision.kind import Span
from vigil.decision.types import Action, Decision
from vigil.errors import NotEnoughData
from vigil.store.records import Evaluation
from vigil.window import Window

SPEC = spec_of()
FIRST = Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC))


def week(number: int) -> Window:
    return FIRST.shifted(number)


def weeks(numbers: Iterable[int]) -> tuple[Window, ...]:
    return tuple(week(number) for number in numbers)


def evaluation(number: int, *, quality_passed: bool = True, labels: int = 100) -> Evaluation:
    window = week(number)
    return Evaluation(
        evaluation_id=f"e-{number}",
        model="delay",
        window=window,
        version="1",
        as_of=window.end + timedelta(days=1),
        spec_hash="s",
        data_digest="d",
        labels_digest="l",
        rows=500,
        labels=labels,
        quality_passed=quality_passed,
        code_version="0",
    )


def decision(number: int, action: Action, *, evaluation_id: str | None = None) -> Decision:
    return Decision(
        decision_id=f"d-{number}",
        model="delay",
        window=week(number),
        evaluation_id=evaluation_id or f"e-{number}",
        version="1",
        as_of=week(number).end,
        action=action,
        reason="Temperatures changed their unit.",
        gates=(),
        spec_hash="s",
        code_version="0",
    )


def test_the_latest_fit_windows_are_held_out_and_those_before_them_trained_on() -> None:
    """Of eight fit weeks the last two are kept, and the three before them trained on; older ones are not looked back for.

    Labels are a day late, so the last day before the kept weeks is not trained on either.
    """
    plan = plan_training(SPEC, week(7), [evaluation(number) for number in range(8)])
    assert (plan.trained_on, plan.holdout, plan.excluded) == (weeks([3, 4, 5]), weeks([6, 7]), ())
    assert plan.cut_off == week(6).start - timedelta(days=1)


@pytest.mark.parametrize(
    ("delay_days", "trained_on", "in_gap"), [(0, [3, 4, 5], []), (7, [2, 3, 4], [5]), (10, [2, 3, 4], [5]), (14, [1, 2, 3], [4, 5])]
)
def test_windows_wholly_within_the_label_delay_before_the_comparison_are_left_out_and_listed(
    delay_days: int, trained_on: list[int], in_gap: list[int]
) -> None:
    """What their rows turned out to be was decided in the weeks of the comparison. Of a window partly in it the early rows stay."""
    plan = plan_training(spec_of(labels={"delay_days": delay_days}), week(7), [evaluation(number) for number in range(8)])
    assert (plan.trained_on, plan.holdout) == (weeks(trained_on), weeks([6, 7]))
    reason = f"within {delay_days} days (the label delay) before the comparison's rows"
    assert [(each.window, each.reason) for each in plan.excluded] == [(window, reason) for window in weeks(in_gap)]
    assert plan.gap_from == week(6).start - timedelta(days=delay_days)


def test_unfit_windows_are_passed_over_and_each_is_listed_with_its_reason() -> None:
    """Weeks 2 to 6 are unfit for five different reasons; windows before the first trained on are not listed."""
    holiday = {"name": "spring break", "start": week(4).start + timedelta(days=6), "end": week(4).end}
    of_policy = spec_of(policy={"anomalies": [holiday]})
    found = [evaluation(n) for n in (0, 1, 7, 8, 9)]
    found += [evaluation(2, quality_passed=False), evaluation(3), evaluation(4), evaluation(5, labels=0)]
    plan = plan_training(of_policy, week(9), found, [decision(3, Action.FIX_DATA), decision(7, Action.HOLD)])
    assert (plan.trained_on, plan.holdout) == (weeks([0, 1, 7]), weeks([8, 9]))
    assert [(exclusion.window, exclusion.reason) for exclusion in plan.excluded] == [
        (week(2), "data quality failed"),
        (week(3), "decided FIX_DATA: Temperatures changed their unit."),
        (week(4), "declared anomaly: spring break"),
        (week(5), "no labels"),
        (week(6), "not evaluated"),
    ]


def test_an_anomaly_that_ends_as_the_window_begins_does_not_exclude_it() -> None:
    """Both are half-open, so touching is not overlapping."""
    of_policy = spec_of(policy={"anomalies": [{"name": "holiday", "start": week(0).start, "end": week(1).start}]})
    plan = plan_training(of_policy, week(3), [evaluation(number) for number in range(4)])
    assert plan.trained_on == weeks([1])


def test_a_decision_about_a_superseded_evaluation_does_not_exclude_its_window() -> None:
    """The window was refused, its data repaired, and it was evaluated anew."""
    repaired = [evaluation(number) for number in range(3)]
    plan = plan_training(SPEC, week(2), repaired, [decision(0, Action.FIX_DATA, evaluation_id="e-of-the-broken-data")])
    assert plan.trained_on == weeks([0])


def test_windows_after_the_decision_are_not_looked_at() -> None:
    """A retraining asked for in week 4 is planned in week 9 as it would have been in week 4."""
    known = [evaluation(number) for number in range(5)]
    later = [evaluation(number) for number in range(5, 10)]
    assert plan_training(SPEC, week(4), known + later) == plan_training(SPEC, week(4), known)


def test_windows_off_the_grid_are_not_trained_on() -> None:
    """An evaluation of another grid (the specification's window was changed) stands for none of this grid's windows."""
    odd = replace(evaluation(0), window=Window(week(0).start, week(0).start + timedelta(days=1)))
    plan = plan_training(SPEC, week(3), [odd, evaluation(1), evaluation(2), evaluation(3)])
    assert plan.trained_on == weeks([1])
    assert [exclusion.reason for exclusion in plan.excluded] == ["not evaluated"]


def test_too_few_fit_windows_are_refused_with_the_numbers() -> None:
    """A holdout of two and one to train on make three; two are fit."""
    found = [evaluation(0), evaluation(1, quality_passed=False), evaluation(2)]
    with pytest.raises(NotEnoughData, match=r"at least 3 fit windows .* found 2 .*2013-03-11/2013-03-18 data quality failed"):
        plan_training(SPEC, week(2), found)


def test_without_any_evaluation_there_is_nothing_to_train_on() -> None:
    """The decision's own window is then the only one looked at."""
    with pytest.raises(NotEnoughData, match=r"found 0 \(1 left out, the latest: 2013-03-04/2013-03-11 not evaluated\)"):
        plan_training(SPEC, week(0), [])


@pytest.mark.parametrize(("option", "value", "trained_on"), [("windows", 1, [5]), ("holdout_windows", 4, [1, 2, 3])])
def test_the_options_move_the_windows(option: str, value: int, trained_on: list[int]) -> None:
    """Of eight fit weeks: three trained on and two held out, unless said otherwise."""
    plan = plan_training(spec_of(training={option: value}), week(7), [evaluation(number) for number in range(8)])
    assert plan.trained_on == weeks(trained_on)


def test_the_plan_is_plain_json() -> None:
    """What is kept with the version names every window by its key."""
    found = [evaluation(0), evaluation(1, labels=0), evaluation(2), evaluation(3)]
    assert plan_training(SPEC, week(3), found).to_json() == {
        "window": "2013-03-25/2013-04-01",
        "trained_on": ["2013-03-04/2013-03-11"],
        "holdout": ["2013-03-18/2013-03-25", "2013-03-25/2013-04-01"],
        "excluded": {"2013-03-11/2013-03-18": "no labels"},
        "include_reference": True,
        "gap_from": "2013-03-17T00:00:00+00:00",
        "span": "specified",
        "cut_off": "2013-03-11T00:00:00+00:00",
    }


@given(fit=st.lists(st.booleans(), min_size=1, max_size=20), shuffled=st.randoms(use_true_random=False))
def test_no_row_held_out_or_unfit_is_trained_on_whatever_windows_failed(fit: list[bool], shuffled: random.Random) -> None:
    """Trained on, held out and left out are disjoint, in order of time, and training ends before the holdout begins."""
    found = [evaluation(number, quality_passed=passed) for number, passed in enumerate(fit)]
    shuffled.shuffle(found)
    if sum(fit) < 3:
        with pytest.raises(NotEnoughData):
            plan_training(SPEC, week(len(fit) - 1), found)
        return
    plan = plan_training(SPEC, week(len(fit) - 1), found)
    fit_weeks = [week(number) for number, passed in enumerate(fit) if passed]
    assert [*plan.trained_on, *plan.holdout] == fit_weeks[-5:]
    assert plan.cut_off <= plan.holdout[0].start
    assert not {exclusion.window for exclusion in plan.excluded} & set(fit_weeks)


def test_a_recent_span_goes_back_to_when_the_harm_began_and_takes_no_reference_rows() -> None:
    """Harm began in week 4: of weeks 3, 4 and 5 before the holdout two are taken; with 250 labels needed, three weeks of 100."""
    found = [evaluation(number) for number in range(8)]
    for labels, expected in ((100, [4, 5]), (250, [3, 4, 5])):
        plan = plan_training(SPEC, week(7), found, wanted=Wanted(Span.RECENT, week(4).start, labels))
        assert (plan.trained_on, plan.holdout, plan.include_reference) == (weeks(expected), weeks([6, 7]), False)


def test_a_pooled_span_takes_the_reference_rows_wherever_there_are_some() -> None:
    found = [evaluation(number) for number in range(8)]
    without = spec_of(training={"include_reference": False})
    nowhere = spec_of(training={"include_reference": False}, source={"reference": None})
    taken = [plan_training(spec, week(7), found, wanted=Wanted(Span.POOLED)).include_reference for spec in (without, nowhere)]
    assert taken == [True, False]
    assert not plan_training(without, week(7), found).include_reference


@pytest.mark.parametrize(
    ("began", "trained_on", "holdout"),
    [
        (5, [5], [6, 7]),
        (6, [6], [7]),  # of two harmed weeks one is learned from
        (7, [6], [7]),  # of one harmed week there is nothing to learn from
    ],
)
def test_the_holdout_leaves_a_harmed_window_to_learn_from(began: int, trained_on: list[int], holdout: list[int]) -> None:
    """Two weeks are kept where there are enough; the specification's own span keeps the same ones."""
    found = [evaluation(number) for number in range(8)]
    recent, whole = (
        plan_training(SPEC, week(7), found, wanted=Wanted(span, week(began).start, 100)) for span in (Span.RECENT, Span.SPECIFIED)
    )
    assert (recent.trained_on, recent.holdout) == (weeks(trained_on), weeks(holdout))
    assert whole.holdout == recent.holdout
