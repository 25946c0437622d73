"""The false alarms that a specification promises: added up by hand, and held in seeded simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.profile.build import make_spec
from vigil.drift.false_alarms import expected_false_alarms, expected_rejections
from vigil.drift.multiplicity import benjamini_hochberg


def test_a_year_of_days_with_twenty_features() -> None:
    """365.25 windows at 1 %: 3.65 with an alarm, and a few of these have two features in them."""
    found = expected_false_alarms(make_spec({f"x{i}": "numeric" for i in range(20)}))
    assert (found.windows_per_year, found.windows) == (365.25, pytest.approx(3.6525))
    assert found.features == pytest.approx(365.25 * expected_rejections(20, 0.01))


def test_length_features_and_rate_all_count() -> None:
    """A week has a seventh of a day's windows; five times the rate gives five times the windows; more features give more alarms."""
    few, many = {"x": "numeric"}, {f"x{i}": "numeric" for i in range(20)}
    day, week, strict = (
        expected_false_alarms(make_spec(few, window={"days": days}, drift={"false_discovery_rate": q}))
        for days, q in ((1, 0.05), (7, 0.05), (1, 0.01))
    )
    assert day.windows == pytest.approx(7 * week.windows) == pytest.approx(5 * strict.windows)
    assert expected_false_alarms(make_spec(many)).features > expected_false_alarms(make_spec(few)).features


@pytest.mark.parametrize("tests", [1, 2, 5, 20, 1_000])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_the_expectation_lies_between_its_bounds(tests: int, rate: float) -> None:
    """At least the chance of any alarm; below q / (1 - q)^2, the value that it grows to."""
    assert rate * (1 - 1e-9) <= expected_rejections(tests, rate) < rate / (1 - rate) ** 2


def test_three_tests_by_hand() -> None:
    """q = 0.3, lines 0.1, 0.2, 0.3: P(1) = 3 * 0.1 * 0.9 * 0.7, P(2) = 3 * 0.04 * 0.7, P(3) = 0.027, together 0.3."""
    assert expected_rejections(3, 0.3) == pytest.approx(0.189 + 2 * 0.084 + 3 * 0.027)


@pytest.mark.parametrize(("tests", "rate"), [(20, 0.05), (5, 0.2)])
def test_the_formula_is_what_happens_to_uniform_p_values(tests: int, rate: float) -> None:
    """The mean over 4,000 draws, within four of its standard errors."""
    draws = np.random.default_rng(11).uniform(size=(4_000, tests))
    rejected = [sum(p < rate for p in benjamini_hochberg(dict(enumerate(draw))).values()) for draw in draws.tolist()]  # type: ignore[arg-type]
    error = float(np.std(rejected)) / math.sqrt(len(rejected))
    assert abs(float(np.mean(rejected)) - expected_rejections(tests, rate)) < 4 * error


@pytest.mark.parametrize(("tests", "rate"), [(0, 0.1), (5, 0.0), (5, 1.0)])
def test_no_test_and_no_rate_are_refused(tests: int, rate: float) -> None:
    with pytest.raises(ValueError, match="expected at least one test"):
        expected_rejections(tests, rate)
