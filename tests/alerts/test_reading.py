"""Which breaches fire: by verdict, static, relative or dynamic thresholds; lasting; back in bounds; declared spans."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.alerts.build import a_look, a_spec, auc, drift, errors, latency, quality, rows
from vigil.alerts.reading import Reading, reach, read
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.alerts import Tier


def reading_of(days: list[list[Measurement]], **alerts: Any) -> Reading | None:
    """Read the last of the days; the one reading that it has, or None."""
    spec = a_spec(alerts=alerts)
    looks = [a_look(number, measured, spec) for number, measured in enumerate(days)]
    readings = read(looks[-1], list(reversed(looks[:-1])), spec)
    assert len(readings) <= 1
    return readings[0] if readings else None


def fires(days: list[list[Measurement]], **alerts: Any) -> bool:
    found = reading_of(days, **alerts)
    return found is not None and found.firing


class TestSustained:
    def test_a_failed_expectation_fires_at_once(self) -> None:
        assert fires([[quality(breach=True)]])

    def test_slow_answers_fire_in_the_second_window_of_three(self) -> None:
        assert not fires([[latency(100)], [latency(100)], [latency(300)]])
        assert fires([[latency(300)], [latency(100)], [latency(300)]])

    def test_it_does_not_fire_when_the_present_window_is_in_bounds(self) -> None:
        assert not fires([[latency(300)], [latency(300)], [latency(100)]])

    def test_windows_that_were_not_measured_do_not_count(self) -> None:
        assert fires([[latency(300)], [], [], [], [latency(300)]])

    def test_k_and_n_of_a_rule_are_followed(self) -> None:
        rule = {"layer": "system", "metric": "latency_*", "tier": "P1", "sustained": {"k": 1, "n": 1}}
        assert fires([[latency(300)]], rules=[rule])

    def test_drift_follows_the_policy(self) -> None:
        assert not fires([[drift(0.5)], [drift(0.5)]])
        assert fires([[drift(0.5)], [drift(0.5)], [drift(0.5)]])


class TestTiers:
    def test_errors_far_beyond_the_limit_are_p0(self) -> None:
        found = reading_of([[errors(0.06)]])  # 12 times the tolerated 0.005
        assert found is not None
        assert (found.tier, found.firing) == (Tier.P0, True)

    def test_errors_just_beyond_the_limit_are_p1(self) -> None:
        found = reading_of([[errors(0.01)]])
        assert found is not None
        assert found.tier is Tier.P1

    def test_a_catastrophic_loss_is_not_waited_for(self) -> None:
        """Baseline .75, tolerated .05: at .59 the loss is 3.2 times what is tolerated."""
        found = reading_of([[auc(0.59)]])
        assert found is not None
        assert (found.tier, found.firing) == (Tier.P0, True)

    def test_a_rule_without_a_tier_silences(self) -> None:
        assert reading_of([[errors(0.06)]], rules=[{"layer": "system", "metric": "error_rate", "tier": None}]) is None

    def test_the_first_rule_that_fits_is_followed(self) -> None:
        rules = [{"layer": "data_quality", "subject": "plan", "tier": "P0"}, {"layer": "data_quality", "tier": "P2"}]
        plan, age = (reading_of([[quality(breach=True, subject=name)]], rules=rules) for name in ("plan", "age"))
        assert plan is not None
        assert age is not None
        assert (plan.tier, age.tier) == (Tier.P0, Tier.P2)


class TestThresholds:
    def test_static(self) -> None:
        rule = {"layer": "system", "metric": "rows", "tier": "P1", "below": 50.0}
        assert fires([[rows(49)]], rules=[rule])
        assert not fires([[rows(51)]], rules=[rule])

    def test_relative_to_the_median_of_the_windows_before(self) -> None:
        rule = {"layer": "system", "metric": "rows", "tier": "P1", "below": 0.5, "of_baseline": True}
        before = [[rows(count)] for count in (90, 100, 110, 100, 5000)]  # the median is 100
        assert fires([*before, [rows(49)]], rules=[rule])
        assert not fires([*before, [rows(51)]], rules=[rule])
        assert not fires([*before[:3], [rows(49)]], rules=[rule])  # too little history says nothing

    def test_a_monday_like_other_mondays_is_silent(self) -> None:
        """Six days of 1,000 rows and Mondays of 300, with a few rows more or less."""
        week = [[rows(300 + jitter)] if day % 7 == 0 else [rows(1000 + jitter)] for day in range(56) for jitter in [day % 5]]
        rule = {"layer": "system", "metric": "rows", "tier": "P1", "dynamic": {}}
        assert not fires([*week, [rows(302)]], rules=[rule])  # the 57th day is a Monday
        assert fires([*week, [rows(900)]], rules=[rule])
        tuesday = [*week, [rows(302)]]
        assert fires([*tuesday, [rows(302)]], rules=[rule])

    def test_a_side_that_is_switched_off_does_not_fire(self) -> None:
        calm = [[rows(100 + day % 3)] for day in range(56)]
        rule = {"layer": "system", "metric": "rows", "tier": "P1", "dynamic": {"above": False}}
        assert not fires([*calm, [rows(500)]], rules=[rule])
        assert fires([*calm, [rows(5)]], rules=[rule])

    def test_fewer_false_alarms_make_a_wider_band(self) -> None:
        calm = [[rows(100 + (7 * day) % 11)] for day in range(56)]
        rule = {"layer": "system", "metric": "rows", "tier": "P1"}
        found = [reading_of([*calm, [rows(200)]], rules=[{**rule, "dynamic": {"false_alarms": rate}}]) for rate in (0.2, 0.01)]
        assert found[0] is not None
        assert found[1] is not None
        assert (found[0].threshold or 0) < (found[1].threshold or 0)

    def test_history_is_as_long_as_the_rules_ask(self) -> None:
        """Twice the longest n (3), and 8 weeks of days; 20 where a rule has 20."""
        assert reach(a_spec()) == 6 + 56
        rule = {"layer": "system", "metric": "rows", "tier": "P1", "dynamic": {"weeks": 20}}
        assert reach(a_spec(alerts={"rules": [rule]})) == 6 + 140


class TestBackInBounds:
    @pytest.mark.parametrize(("value", "clear"), [(100.0, True), (179.0, True), (195.0, False), (201.0, False)])
    def test_only_a_tenth_below_the_limit(self, value: float, clear: bool) -> None:
        found = reading_of([[latency(value)]])
        assert found is not None
        assert found.clear is clear

    def test_the_margin_is_the_specification_s(self) -> None:
        found = reading_of([[latency(150.0)]], hysteresis=0.5)
        assert found is not None
        assert not found.clear


class TestDeclaredSpans:
    span: ClassVar = {"name": "move", "start": "2024-01-01", "end": "2024-01-02"}

    def test_nothing_is_alerted_in_maintenance(self) -> None:
        assert reading_of([[quality(breach=True)]], maintenance=[self.span]) is None

    def test_nothing_is_alerted_in_a_declared_anomaly(self) -> None:
        spec = a_spec(policy={"anomalies": [self.span]})
        assert read(a_look(0, [quality(breach=True)], spec), [], spec) == ()

    def test_its_windows_do_not_count_towards_lasting(self) -> None:
        assert not fires([[latency(300)], [latency(100)], [latency(300)]], maintenance=[self.span])


def test_of_segments_only_the_judged_metric_is_a_signal() -> None:
    """The others are shown: eight trends of each segment would drown those that matter."""
    shown = [Measurement(Layer.PERFORMANCE, name, 0.8, Verdict.OK, 100, subject="plan=a") for name in ("roc_auc", "brier")]
    look = a_look(0, [auc(0.8), *shown, Measurement(Layer.PERFORMANCE, "brier", 0.1, Verdict.OK, 100)], a_spec())
    assert sorted((signal.metric, signal.subject) for signal in look.measured) == [("brier", "*"), ("roc_auc", "*"), ("roc_auc", "plan=a")]


def test_a_value_that_is_wanted_at_least_is_back_in_bounds_at_its_minimum() -> None:
    """Of money there is no scale by which a value is above its minimum by a tenth of what is tolerated."""
    judged = [Measurement(Layer.BUSINESS, "revenue", value, Verdict.OK, 100, threshold=5.0) for value in (5.0, 9.0)]
    assert [found.clear for found in (reading_of([[each]]) for each in judged) if found is not None] == [True, True]
