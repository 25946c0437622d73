"""Percentiles, spread and shares from counts: computed by hand, bounded by the raw rows, and what has no answer."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.drift.quantities import Bounded, percentile, percentile_shift, share_from, variance_ratio
from vigil.errors import NotEnoughData

numbers = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60)
cuts = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=20, unique=True).map(sorted)
Edges = list[float]


def counts_in(values: list[float], edges: Edges) -> list[int]:
    return np.bincount(np.searchsorted(np.array(edges), values, side="left"), minlength=len(edges) + 1).tolist()


def test_a_percentile_lies_on_the_straight_line_of_its_bin() -> None:
    """10 of 100 rows up to 1, 40 in (1, 3]: the 30th percentile is halfway through them, 2; it may be off by 1 either way."""
    assert percentile([10, 40, 50], [1.0, 3.0], 0.3, low=0.0, high=9.0) == Bounded(2.0, 1.0)


def test_the_tail_bins_end_at_the_extremes() -> None:
    """All 10 rows are above 1, between 5 and 9: the median is 7."""
    assert percentile([0, 10], [1.0], 0.5, low=5.0, high=9.0) == Bounded(7.0, 2.0)


def test_the_percentile_of_a_constant_is_exact() -> None:
    assert percentile([0, 7, 0], [6.0, 7.0], 0.95, low=7.0, high=7.0) == Bounded(7.0, 0.0)


@given(values=numbers, edges=cuts, share=st.sampled_from([0.05, 0.25, 0.5, 0.95]))
def test_a_percentile_is_within_its_error_of_the_raw_one(values: list[float], edges: Edges, share: float) -> None:
    """The k-th smallest value, k the share of the rows rounded up; and it stays between the extremes."""
    low, high = min(values), max(values)
    found = percentile(counts_in(values, edges), edges, share, low=low, high=high)
    exact = sorted(values)[math.ceil(round(share * len(values), 6)) - 1]
    assert abs(found.value - exact) <= found.error + 1e-9 * max(abs(low), abs(high), 1.0)
    assert low - 1e-9 * abs(low) <= found.value <= high + 1e-9 * abs(high)


@given(values=numbers, edges=cuts, point=st.floats(-1e6, 1e6, allow_subnormal=False))
def test_a_share_is_within_its_error_of_the_raw_one(values: list[float], edges: Edges, point: float) -> None:
    """Of the rows at or above any point."""
    found = share_from(counts_in(values, edges), edges, point, low=min(values), high=max(values))
    exact = sum(value >= point for value in values) / len(values)
    assert abs(found.value - exact) <= found.error + 1e-12
    assert 0.0 <= found.value <= 1.0


def test_numpy_computes_the_same_percentile_where_every_value_has_its_bin() -> None:
    """100 values, an edge on each: numpy's inverted CDF."""
    values = [float(x) for x in np.random.default_rng(3).permutation(100)]
    edges = sorted(values)[:-1]
    for share in (0.05, 0.5, 0.95):
        found = percentile(counts_in(values, edges), edges, share, low=0.0, high=99.0)
        assert found.value == pytest.approx(np.quantile(values, share, method="inverted_cdf"), abs=1e-9)


def test_the_share_above_a_point_outside_the_rows_is_exact() -> None:
    """Below all rows everything, above all rows nothing, whatever the bins."""
    sides = {point: share_from([5, 5], [0.5], point, low=0.2, high=0.8) for point in (0.1, 0.2, 0.9)}
    assert sides == {0.1: Bounded(1.0, 0.0), 0.2: Bounded(1.0, 0.0), 0.9: Bounded(0.0, 0.0)}


def test_a_shift_grows_with_the_move_and_its_sign_is_the_direction() -> None:
    """By half a standard deviation up, by one down, not at all."""
    assert percentile_shift(Bounded(3.0, 0.0), Bounded(2.0, 0.0), 2.0).value == 0.5
    assert percentile_shift(Bounded(0.0, 0.0), Bounded(2.0, 0.0), 2.0).value == -1.0
    assert percentile_shift(Bounded(2.0, 0.3), Bounded(2.0, 0.1), 2.0) == Bounded(0.0, 0.2)


def test_a_variance_ratio_of_equal_spread_is_one_and_of_none_is_zero() -> None:
    assert (variance_ratio(2.0, 2.0), variance_ratio(0.0, 2.0)) == (1.0, 0.0)


def test_no_row_is_not_enough_data() -> None:
    for ask in (lambda: percentile([0, 0], [1.0], 0.5, low=0.0, high=2.0), lambda: share_from([0, 0], [1.0], 0.5, low=0.0, high=2.0)):
        with pytest.raises(NotEnoughData):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: percentile([1, 2], [1.0], 0.0, low=0.0, high=2.0),
        lambda: percentile([1, 2], [1.0], 1.0, low=0.0, high=2.0),
        lambda: percentile([1, 2], [1.0, 2.0], 0.5, low=0.0, high=2.0),
        lambda: percentile([1, 2, 3], [2.0, 1.0], 0.5, low=0.0, high=2.0),
        lambda: share_from([1, 2], [1.0], 0.5, low=2.0, high=0.0),
        lambda: share_from([1, 2], [1.0], 0.5, low=math.nan, high=1.0),
        lambda: percentile_shift(Bounded(1.0, 0.0), Bounded(1.0, 0.0), 0.0),
        lambda: variance_ratio(1.0, 0.0),
        lambda: variance_ratio(math.nan, 1.0),
    ],
)
def test_what_has_no_answer_is_refused(ask: object) -> None:
    """Shares of all or nothing, other bins, extremes that are none, a unit of 0."""
    with pytest.raises(ValueError, match="expected"):
        ask()  # type: ignore[operator]


def test_numbers_at_the_end_of_float64_have_finite_percentiles() -> None:
    """A bin from -1e308 to 1e308 is wider than a float64 holds: its middle is 0, and the error is half of it."""
    assert percentile([4], [], 0.5, low=-1e308, high=1e308) == Bounded(0.0, 1e308)
    assert percentile([300], [], 0.99, low=-1.5e308, high=1.5e308).error == sys.float_info.max
    assert percentile_shift(Bounded(1e308, 0.0), Bounded(-1e308, 0.0), 0.5).value == sys.float_info.max
    assert variance_ratio(1e200, 1.0) == sys.float_info.max
