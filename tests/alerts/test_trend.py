"""A slow trend is told from noise and from weekdays: slope and p-value by hand, against scipy, and the rate of false ones measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vigil.alerts.trend import MINIMUM, seasonal_trend, trend


def noise(rng: np.random.Generator, days: int = 91, correlation: float = 0.0) -> list[float]:
    """Days with a weekend and noise; neighbouring days depend on one another by ``correlation``."""
    shocks = rng.normal(0, np.sqrt(1 - correlation**2), days)
    values = [shocks[0]]
    for shock in shocks[1:]:
        values.append(correlation * values[-1] + shock)
    return [100 + value - 30 * (day % 7 >= 5) for day, value in enumerate(values)]


def test_slope_and_p_value_of_eight_values_by_hand() -> None:
    """1 2 3 4 5 6 8 7: of 28 pairs 27 rise and one falls, S = 26; its variance is 8*7*21/18 = 65.33; z = 25 / 8.083 = 3.093.

    The median slope is 1: 21 pairs of the first seven ranks lie on it or above.
    """
    found = trend([1, 2, 3, 4, 5, 6, 8, 7])
    assert found is not None
    assert (found.slope, found.n) == (1.0, 8)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(25 / np.sqrt(8 * 7 * 21 / 18)), rel=1e-9)


def test_without_seasons_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(4).normal(size=30).tolist()
    found = trend(values)
    assert found is not None
    assert found.slope == pytest.approx(stats.theilslopes(values).slope)
    pairs = stats.kendalltau(range(30), values).statistic * 30 * 29 / 2
    assert found.p_value == pytest.approx(2 * stats.norm.sf((abs(pairs) - 1) / np.sqrt(30 * 29 * 65 / 18)))


def test_weekdays_are_no_trend_and_hide_none() -> None:
    weekly = [100.0 - 30 * (day % 7 >= 5) for day in range(84)]
    rising = [value + 0.1 * day for day, value in enumerate(weekly)]
    flat, up = trend(weekly, season=7), trend(rising, season=7)
    assert flat is not None
    assert up is not None
    assert (flat.slope, flat.p_value) == (0.0, 1.0)
    assert up.slope == pytest.approx(0.1)
    assert up.p_value < 1e-4


@pytest.mark.parametrize("values", [[], [1.0] * 40, [float(day) for day in range(MINIMUM - 1)], [None] * 40, [float("nan")] * 40])
def test_too_few_values_or_all_the_same_have_no_trend(values: list[float | None]) -> None:
    assert trend(values) is None


def test_a_missing_day_is_missing_and_no_zero() -> None:
    values: list[float | None] = [float(day) for day in range(40)]
    values[3] = values[17] = None
    found = trend(values)
    assert found is not None
    assert (found.slope, found.n) == (1.0, 38)


@given(st.lists(st.integers(-50, 50), min_size=MINIMUM, max_size=20), st.integers(1, 9), st.integers(-9, 9))
def test_another_unit_is_the_same_trend(values: list[int], scale: int, shift: int) -> None:
    found, other = trend([float(v) for v in values]), trend([float(scale * v + shift) for v in values])
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert other.slope == pytest.approx(scale * found.slope)
        assert other.p_value == pytest.approx(found.p_value)


@given(st.lists(st.integers(-50, 50), min_size=MINIMUM, max_size=20))
def test_backwards_it_falls_as_it_rose(values: list[int]) -> None:
    found, other = trend([float(v) for v in values]), trend([float(v) for v in reversed(values)])
    if found is not None and other is not None:
        assert other.slope == pytest.approx(-found.slope)
        assert other.p_value == pytest.approx(found.p_value)


class TestRates:
    """Over 400 series of 13 weeks."""

    def rejected(self, level: float, correlation: float = 0.0, slope: float = 0.0) -> int:
        rng = np.random.default_rng(11)
        found = (trend([value + slope * day for day, value in enumerate(noise(rng, 91, correlation))], season=7) for _ in range(400))
        return sum(one is not None and one.p_value <= level for one in found)

    def test_without_a_trend_it_rejects_no_more_often_than_it_says(self) -> None:
        """Binomial(400, 0.05) exceeds 33 with probability 0.001."""
        assert self.rejected(0.05) <= 33

    def test_days_that_depend_on_the_day_before_are_not_taken_for_a_trend_much_more_often(self) -> None:
        """Twice as often as it says; Binomial(400, 0.1) exceeds 59 with probability 0.001."""
        assert self.rejected(0.05, correlation=0.6) <= 59

    def test_a_slow_trend_of_four_standard_deviations_in_a_quarter_is_found(self) -> None:
        assert self.rejected(0.01, slope=4 / 91) >= 380


def test_seasons_are_taken_together_as_scipy_does() -> None:
    """With missing values and ties, of few cycles and of many."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for cycles in (8, 13):
            table = rng.integers(0, 9, (cycles, 7)).astype(float)
            table[rng.random(table.shape) < 0.1] = np.nan
            masked = np.ma.masked_invalid(table)
            expected = stats.mstats.kendalltau_seasonal(masked)["global p-value (dep)" if cycles >= 10 else "global p-value (indep)"]
            slope, p_value = seasonal_trend(table)
            assert p_value == pytest.approx(float(expected))
            assert slope == pytest.approx(float(stats.mstats.sen_seasonal_slopes(masked).inter_slope))
