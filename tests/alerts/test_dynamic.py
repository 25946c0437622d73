"""A threshold from history: by weekday, robust, and with the rate of false alarms that it promises."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.alerts.dynamic import band


def test_the_centre_is_the_median_of_the_same_weekday() -> None:
    found = band([[1.0, 2.0, 100.0, 3.0], [-7.0]], 0, 0.01)
    assert found is not None
    assert found.centre == 2.5  # (2 + 3) / 2
    assert found.n == 4


def test_of_positive_values_it_is_the_geometric_median() -> None:
    found = band([[1.0, 4.0, 1.0, 4.0]], 0, 0.01)
    assert found is not None
    assert found.centre == pytest.approx(2.0)  # the root of 1 times 4
    assert found.low > 0


def test_three_values_of_the_weekday_are_too_few() -> None:
    assert band([[1.0, 2.0, 3.0], [1.0] * 50], 0, 0.01) is None


def test_one_wild_day_hardly_widens_the_band() -> None:
    calm = [10.0, 10.2, 9.8, 10.1, 9.9, 10.0, 10.3, 9.7]
    wild = [*calm[:-1], 1e6]
    narrow, wide = band([calm], 0, 0.01), band([wild], 0, 0.01)
    assert narrow is not None
    assert wide is not None
    assert wide.high - wide.low < 2 * (narrow.high - narrow.low)


def test_a_history_that_never_moved_still_leaves_room_for_rounding() -> None:
    found = band([[100.0] * 8], 0, 0.01)
    assert found is not None
    assert found.low < 99.9 < 100.1 < found.high


def test_noise_that_grows_with_the_size_keeps_the_promise_on_large_and_small_days() -> None:
    """Weekends of 1,000 rows and weekdays of 2,000, each give or take 5 %: a weekday's band is not a weekend's."""
    rng = np.random.default_rng(11)
    levels = np.array([2000.0] * 5 + [1000.0] * 2)
    outside, days = 0, 3000
    for _ in range(days):
        found = band([list(slot) for slot in levels[:, None] * rng.normal(1, 0.05, (7, 8))], 0, 0.02)
        assert found is not None
        outside += not found.low <= 2000 * rng.normal(1, 0.05) <= found.high
    assert abs(outside / days - 0.02) < 3 * (0.02 * 0.98 / days) ** 0.5 + 0.15 * 0.02


@pytest.mark.parametrize("false_alarms", [0.05, 0.01])
@pytest.mark.parametrize("weeks", [4, 8])
def test_as_many_ordinary_days_are_outside_as_promised(weeks: int, false_alarms: float) -> None:
    """Normal values with a weekday's own level; the rate is within three standard errors and the simulation's own error of 15 %."""
    rng = np.random.default_rng(7)
    days, outside = 4000, 0
    levels = (np.arange(7) - 2) * 100.0  # the judged weekday lies at 0, so the smallest spread is not reached
    for _ in range(days):
        history = levels[:, None] + rng.standard_normal((7, weeks))
        found = band([list(slot) for slot in history], 2, false_alarms)
        assert found is not None
        value = levels[2] + rng.standard_normal()
        outside += not found.low <= value <= found.high
    error = 3 * (false_alarms * (1 - false_alarms) / days) ** 0.5 + 0.15 * false_alarms
    assert abs(outside / days - false_alarms) < error
