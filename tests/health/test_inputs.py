"""System inputs from what Prometheus answered: values, leaks, limits; what is absent is unknown and never zero."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.alerts.build import Story, a_spec
from vigil.health.inputs import FEWEST, STEPS, Answer, asked, measure_inputs
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.alerts import Tier
from vigil.spec.model import Query
from vigil.window import Window

DAY = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
START = DAY.start.timestamp()


def measured(answer: Answer, **query: Any) -> Measurement:
    spec = a_spec(health={"queries": {"memory": {"query": "x", **query}}})
    (found,) = measure_inputs({"memory": answer}, spec)
    return found


def hourly(values: list[float]) -> Answer:
    return Answer([(START + 3600 * hour, value) for hour, value in enumerate(values)])


class TestAsking:
    def test_a_value_is_asked_for_at_the_windows_end_and_its_length_is_filled_in(self) -> None:
        assert asked(Query(query="max_over_time(x[$window])"), DAY) == {
            "query": "max_over_time(x[86400s])",
            "time": DAY.end.timestamp(),
        }

    def test_a_slope_is_asked_for_over_the_window(self) -> None:
        got = asked(Query(query="x", slope=True), DAY)
        assert got == {"query": "x", "start": START, "end": DAY.end.timestamp(), "step": 900.0}
        assert STEPS == 96


@pytest.mark.parametrize(
    ("value", "limits", "verdict", "threshold"),
    [
        (0.95, {"above": 0.9}, Verdict.BREACH, 0.9),
        (0.9, {"above": 0.9}, Verdict.OK, 0.9),
        (0.0, {"below": 1.0}, Verdict.BREACH, 1.0),
        (1.0, {"below": 1.0}, Verdict.OK, 1.0),
        (7.0, {"above": 5.0, "below": 1.0}, Verdict.BREACH, 5.0),
        (0.0, {"above": 5.0, "below": 1.0}, Verdict.BREACH, 1.0),
        (1e9, {}, Verdict.OK, None),
    ],
)
def test_outside_of_its_limits_is_a_breach(value: float, limits: dict[str, float], verdict: Verdict, threshold: float | None) -> None:
    found = measured(hourly([value]), **limits)
    assert (found.layer, found.value, found.verdict, found.threshold) == (Layer.SYSTEM, value, verdict, threshold)


def test_a_leak_is_its_slope_by_day_whatever_a_few_values_do() -> None:
    """Two units an hour are 48 a day; the garbage collector takes everything away three times."""
    values = [100.0 + 2 * hour for hour in range(24)]
    values[5] = values[11] = values[17] = 0.0
    found = measured(hourly(values), slope=True, above=10)
    assert found.value == pytest.approx(48.0)
    assert (found.verdict, found.n) == (Verdict.BREACH, 24)


@given(st.lists(st.sampled_from([float("nan"), float("inf"), -float("inf")]), max_size=30), st.booleans())
def test_what_is_no_number_is_unknown(values: list[float], slope: bool) -> None:
    found = measured(hourly(values), slope=slope, above=1.0, below=0.5)
    assert (found.value, found.verdict) == (None, Verdict.NOT_ENOUGH_DATA)


def test_a_slope_of_few_values_is_unknown_and_says_so() -> None:
    found = measured(hourly([1.0] * (FEWEST - 1)), slope=True)
    assert (found.verdict, found.detail["because"]) == (Verdict.NOT_ENOUGH_DATA, "11 of 12 values that are needed")


def test_why_nothing_is_known_is_kept() -> None:
    found = measured(Answer(because="Prometheus answered with no series"), below=1.0)
    assert (found.value, found.detail) == (None, {"because": "Prometheus answered with no series"})


class TestAlerting:
    def see(self, *values: float, **query: Any) -> Story:
        story = Story(a_spec(health={"queries": {"memory": {"query": "x", **query}}}))
        for value in values:
            story.see(*measure_inputs({"memory": hourly([value])}, story.spec))
        return story

    def test_two_windows_below_the_limit_are_an_incident_of_serving(self) -> None:
        (incident,) = self.see(1.0, 0.0, 0.0, below=1.0).incidents
        assert (incident.tier, incident.causes[0]["cause"]) == (Tier.P1, "infrastructure")

    def test_its_tier_is_the_specifications(self) -> None:
        assert [i.tier for i in self.see(9.0, 9.0, above=1.0, tier="P2").incidents] == [Tier.P2]

    def test_without_limits_it_is_shown_only(self) -> None:
        assert self.see(1.0, 9.0, 9.0).incidents == []


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ({"rows": {"query": "x"}}, "measured by vigil itself"),
        ({"memory": {"query": "x", "above": 1, "below": 2}}, "no value would be in bounds"),
        ({"memory": {"query": ""}}, "at least 1"),
        ({"Memory": {"query": "x"}}, "pattern"),
    ],
)
def test_a_query_that_could_not_work_is_refused(queries: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_spec(health={"queries": queries})


def test_a_specification_without_queries_keeps_its_hash() -> None:
    assert "queries" not in a_spec().canonical_json()
    assert a_spec().hash == a_spec(health={"queries": {}}).hash
