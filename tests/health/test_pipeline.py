"""Vigil's own runs: which are counted, which are lost, and when too many failed or take too long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.health.test_measure import make_spec
from vigil.health.pipeline import LOST, measure_pipeline, settled
from vigil.measurement import Measurement, Verdict
from vigil.store.records import FlowRun

NOW = datetime(2024, 3, 4, 12, tzinfo=UTC)


def runs(*outcomes: float | str | None) -> list[FlowRun]:
    """One a day up to a day ago: seconds that it took, why it failed, or None where it never ended."""
    made = []
    for number, outcome in enumerate(outcomes):
        begun = NOW - timedelta(days=len(outcomes) - number)
        ended = None if outcome is None else begun + timedelta(seconds=outcome if isinstance(outcome, float) else 5.0)
        made.append(FlowRun(f"r{number}", "m", begun, ended, outcome if isinstance(outcome, str) else ""))
    return made


def measured(*outcomes: float | str | None, **pipeline: Any) -> tuple[Measurement, Measurement]:
    spec = make_spec(health={"pipeline": pipeline})
    success, duration = measure_pipeline(settled(runs(*outcomes), spec, NOW), spec)
    return success, duration


def test_a_run_without_an_end_is_at_work_for_a_while_and_then_lost() -> None:
    """Begun a day ago: at work for a day, lost a second later."""
    spec = make_spec(health={"pipeline": {"lost_after_minutes": 24 * 60}})
    assert settled(runs(None), spec, NOW) == ()
    assert [run.failure for run in settled(runs(None), spec, NOW + timedelta(seconds=1))] == [LOST]


def test_what_was_killed_counts_as_failed() -> None:
    success, _ = measured(10.0, None, 10.0, None)
    assert (success.value, success.verdict, success.n) == (0.5, Verdict.BREACH, 4)
    assert success.detail == {"failed": 2, "because": LOST}
    assert success.low < 0.5 < success.high  # type: ignore[operator]


def test_the_latest_count_in_whatever_order_they_are_read() -> None:
    """Of seven, the last five: two failed."""
    spec = make_spec()
    made = runs("broken", "broken", "broken", 10.0, 10.0, "broken", 10.0)
    assert [run.run_id for run in settled(made[::-1], spec, NOW)] == ["r2", "r3", "r4", "r5", "r6"]
    assert measure_pipeline(settled(made, spec, NOW), spec)[0].value == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((10.0,) * 5, Verdict.OK),
        ((10.0, 10.0, 10.0, 10.0, "broken"), Verdict.OK),
        ((10.0, 10.0, "broken"), Verdict.WARNING),  # below, and only one
        (("broken",), Verdict.WARNING),
        ((10.0, "broken", 10.0, "broken", 10.0), Verdict.BREACH),
        (("broken", "broken"), Verdict.BREACH),
    ],
)
def test_two_failures_of_five_are_too_many_and_one_is_chance(outcomes: tuple[float | str, ...], verdict: Verdict) -> None:
    success, _ = measured(*outcomes)
    assert (success.verdict, success.threshold) == (verdict, 0.7)


def test_the_length_is_the_median_of_those_that_succeeded() -> None:
    """10, 20 and 60 seconds; the one that failed after 5 does not count."""
    _, duration = measured(60.0, "broken", 10.0, 20.0)
    assert (duration.metric, duration.value, duration.n, duration.verdict) == ("flow_duration_s", 20.0, 3, Verdict.OK)
    assert measured(60.0, 10.0, 20.0, duration_seconds=19.0)[1].verdict is Verdict.BREACH
    assert measured(60.0, 10.0, 20.0, duration_seconds=20.0)[1].verdict is Verdict.OK
    assert measured("broken")[1].verdict is Verdict.NOT_ENOUGH_DATA


def test_a_limit_that_is_switched_off_shows_only() -> None:
    assert measured("broken", "broken", success_rate=None)[0].verdict is Verdict.OK


def test_without_a_run_there_is_nothing_and_who_sets_nothing_keeps_the_hash() -> None:
    assert measure_pipeline((), make_spec()) == ()
    assert make_spec().hash == make_spec(health={"pipeline": {}}).hash != make_spec(health={"pipeline": {"runs": 9}}).hash
