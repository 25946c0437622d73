"""The statistics of drift: values worked by hand, rules that hold for all counts, and scipy's answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

from vigil.drift.statistics import (
    chi_square,
    jensen_shannon,
    ks,
    ks_binning_error,
    psi,
    wasserstein,
    wasserstein_binning_error,
)
from vigil.errors import NotEnoughData

Statistic = Callable[[ArrayLike, ArrayLike], float]

# A Wasserstein of four bins of width 1 on [0, 4], in units of 1.
on_a_ruler = partial(wasserstein, edges=[1.0, 2.0, 3.0], low=0.0, high=4.0, std=1.0)
EVERY = [psi, jensen_shannon, ks, chi_square, on_a_ruler]
BY_BIN = [psi, jensen_shannon, chi_square]  # those that know no order of the bins

four_bins = st.lists(st.integers(0, 1_000), min_size=4, max_size=4).filter(lambda counts: sum(counts) > 0)


def test_psi_of_two_bins() -> None:
    """(0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5) = 0.3 ln 1.6 + 0.3 ln 2.5 = 0.3 ln 4."""
    assert psi([1, 1], [4, 1]) == pytest.approx(0.3 * math.log(4), abs=1e-15)


def test_psi_of_an_empty_bin_takes_a_share_of_one_in_ten_thousand() -> None:
    """p = (1/2, 1/2), q = (1, 0): (1 - 1/2) ln 2 + (1e-4 - 1/2) ln(1e-4 / 0.5)."""
    assert psi([5, 5], [7, 0]) == pytest.approx(0.5 * math.log(2) + (0.5 - 1e-4) * math.log(5_000), abs=1e-13)


def test_jensen_shannon_of_two_bins() -> None:
    """p = (1/2, 1/2), q = (1, 0), m = (3/4, 1/4): half of KL(p, m) = ln(4/3) / 2 and KL(q, m) = ln(4/3) is 3/4 ln(4/3)."""
    assert jensen_shannon([5, 5], [9, 0]) == pytest.approx(math.sqrt(0.75 * math.log(4 / 3)), abs=1e-15)


def test_jensen_shannon_of_nothing_shared_is_its_maximum() -> None:
    """Disjoint shares: the square root of ln 2."""
    assert jensen_shannon([1, 2, 0], [0, 0, 5]) == pytest.approx(math.sqrt(math.log(2)), abs=1e-15)


def test_ks_of_four_bins() -> None:
    """Cumulative 0.1, 0.3, 0.6, 1 against 0.4, 0.7, 0.9, 1: the gaps are 0.3, 0.4, 0.3, 0."""
    assert ks([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(0.4, abs=1e-15)


def test_wasserstein_of_a_shift_by_one_bin() -> None:
    """All mass moves from (0, 1] to (1, 2]: the mean moves by 1, and so does every row."""
    assert on_a_ruler([8, 0, 0, 0], [0, 5, 0, 0]) == pytest.approx(1.0, abs=1e-15)


def test_wasserstein_of_cumulative_shares_that_cross() -> None:
    """Gaps F - G at 0..4: 0, 1/2, -1/2, 0, 0. Areas: 1/4, two triangles of 1/8, 1/4, 0 = 3/4."""
    assert on_a_ruler([2, 0, 2, 0], [0, 4, 0, 0]) == pytest.approx(0.75, abs=1e-15)


def test_wasserstein_is_in_reference_standard_deviations() -> None:
    """With a standard deviation of 2 the same distance is half as large."""
    assert wasserstein([8, 0], [0, 5], [1.0], low=0.0, high=2.0, std=2.0) == pytest.approx(0.5, abs=1e-15)


def test_wasserstein_of_a_reference_without_spread_is_the_share_that_left() -> None:
    """Reference always 7; now 3 of 10 rows are below or above it."""
    assert wasserstein([0, 5, 0], [1, 7, 2], [6.0, 7.0], low=7.0, high=7.0, std=0.0) == pytest.approx(0.3, abs=1e-15)
    assert wasserstein_binning_error([0, 5, 0], [1, 7, 2], [6.0, 7.0], low=7.0, high=7.0, std=0.0) == 0.0


def test_chi_square_of_two_bins() -> None:
    """p = (1/2, 1/2), q = (4/5, 1/5): (0.09 / 1.3 + 0.09 / 0.7) / 2 = 0.045 * 2 / 0.91 = 9 / 91."""
    assert chi_square([1, 1], [4, 1]) == pytest.approx(math.sqrt(9 / 91), abs=1e-15)


def test_chi_square_of_nothing_shared_is_one() -> None:
    """The largest Cramer's V."""
    assert chi_square([3, 0], [0, 8]) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("statistic", EVERY)
@given(counts=four_bins, times=st.integers(1, 50))
def test_equal_shares_do_not_drift(statistic: Statistic, counts: list[int], times: int) -> None:
    """However many rows there are on either side."""
    assert statistic(counts, [times * count for count in counts]) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("statistic", EVERY)
@given(p=four_bins, q=four_bins)
def test_neither_side_is_first(statistic: Statistic, p: list[int], q: list[int]) -> None:
    """Reference and current may be exchanged (the Wasserstein's unit given)."""
    assert statistic(p, q) == pytest.approx(statistic(q, p), abs=1e-12)


@pytest.mark.parametrize(("statistic", "largest"), list(zip(EVERY, [math.inf, math.sqrt(math.log(2)), 1, 1, 4], strict=True)))
@given(p=four_bins, q=four_bins)
def test_values_stay_in_their_range(statistic: Statistic, largest: float, p: list[int], q: list[int]) -> None:
    """Never negative, never NaN, never above the stated maximum."""
    assert 0.0 <= statistic(p, q) <= largest + 1e-12


@pytest.mark.parametrize("statistic", BY_BIN)
@given(p=four_bins, q=four_bins, order=st.permutations(range(4)))
def test_categories_have_no_order(statistic: Statistic, p: list[int], q: list[int], order: list[int]) -> None:
    """Relabelling both sides alike changes nothing."""
    assert statistic([p[i] for i in order], [q[i] for i in order]) == pytest.approx(statistic(p, q), abs=1e-12)


@pytest.mark.parametrize("statistic", [psi, jensen_shannon, ks, chi_square])
@given(p=four_bins, q=four_bins)
def test_a_bin_that_is_empty_on_both_sides_changes_nothing(statistic: Statistic, p: list[int], q: list[int]) -> None:
    """Wherever it stands."""
    assert statistic([0, *p[:2], 0, *p[2:]], [0, *q[:2], 0, *q[2:]]) == pytest.approx(statistic(p, q), abs=1e-12)


@pytest.mark.parametrize("statistic", EVERY)
def test_a_growing_shift_is_a_growing_statistic(statistic: Statistic) -> None:
    """Mass moves from the first bin to the last, a tenth at a time."""
    values = [statistic([70, 10, 10, 10], [70 - moved, 10, 10, 10 + moved]) for moved in range(0, 70, 10)]
    assert values == sorted(values)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("statistic", EVERY)
@pytest.mark.parametrize("sides", [([0, 0, 0, 0], [1, 0, 0, 0]), ([1, 0, 0, 0], [0, 0, 0, 0])])
def test_a_side_without_rows_is_not_enough_data(statistic: Statistic, sides: tuple[list[int], list[int]]) -> None:
    """There are no shares to compare."""
    with pytest.raises(NotEnoughData, match="rows on both sides"):
        statistic(*sides)


@pytest.mark.parametrize("statistic", EVERY)
@pytest.mark.parametrize("wrong", [[1, 2, 3], [1, 2, 3, -1], [1, 2, 3, math.nan], [1, 2, 3, math.inf], [[1, 2], [3, 4]]])
def test_what_is_no_count_is_refused(statistic: Statistic, wrong: ArrayLike) -> None:
    """Other bins, negative, NaN, infinite, two-dimensional."""
    with pytest.raises(ValueError, match="expected counts"):
        statistic([1, 2, 3, 4], wrong)


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0, 2.0], [3.0, 2.0, 1.0], [1.0, math.nan, 2.0]])
def test_edges_that_do_not_fit_the_bins_are_refused(edges: list[float]) -> None:
    """Four bins have three increasing edges."""
    with pytest.raises(ValueError, match="expected 3 increasing edges for 4 bins"):
        wasserstein([1, 1, 1, 1], [1, 1, 1, 1], edges, low=0.0, high=4.0, std=1.0)


@pytest.mark.parametrize("unit", [{"std": -1.0}, {"std": math.nan}, {"low": 5.0}, {"high": math.inf}])
def test_a_wasserstein_without_a_finite_range_is_refused(unit: dict[str, float]) -> None:
    """The range and the unit come from a profile, where they are finite."""
    with pytest.raises(ValueError, match="finite low <= high and std >= 0"):
        wasserstein([1, 1], [1, 1], [1.0], **{"low": 0.0, "high": 4.0, "std": 1.0} | unit)


@given(p=four_bins, q=four_bins)
def test_jensen_shannon_agrees_with_scipy(p: list[int], q: list[int]) -> None:
    """On the same bins, to 1e-12 of its square (its root amplifies rounding near 0)."""
    assert jensen_shannon(p, q) ** 2 == pytest.approx(np.nan_to_num(jensenshannon(p, q)) ** 2, abs=1e-12)


@given(p=four_bins, q=four_bins)
def test_chi_square_agrees_with_scipy(p: list[int], q: list[int]) -> None:
    """V**2 is chi2 / N of the table in which both sides weigh the same, to 1e-12."""
    table = np.array([p, q])[:, (np.array(p) + np.array(q)) > 0]
    assume(table.shape[1] > 1)
    balanced = table / table.sum(axis=1, keepdims=True)
    assert chi_square(p, q) ** 2 == pytest.approx(chi2_contingency(balanced, correction=False).statistic / 2, abs=1e-12)


def _samples(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    draw = [rng.normal, rng.standard_exponential, rng.random, lambda size: rng.poisson(3.0, size).astype(float)][seed % 4]
    reference = draw(size=3_000)
    current = draw(size=1_000) * rng.uniform(0.8, 1.2) + rng.uniform(-0.5, 0.5)
    return reference, current, np.unique(np.quantile(reference, np.arange(1, 20) / 20))


def _binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)


@pytest.mark.parametrize("seed", range(40))
def test_ks_is_below_scipys_by_at_most_its_stated_error(seed: int) -> None:
    """Normal, exponential, uniform and Poisson samples, shifted and stretched: D - error <= binned D <= D."""
    reference, current, edges = _samples(seed)
    p, q = _binned(reference, edges), _binned(current, edges)
    exact = float(ks_2samp(reference, current).statistic)
    assert exact - ks_binning_error(p, q) - 1e-12 <= ks(p, q) <= exact + 1e-12


def test_ks_of_a_bin_for_every_value_is_scipys() -> None:
    """Where no two values share a bin nothing is lost: equal to 1e-12."""
    rng = np.random.default_rng(9)
    reference, current = rng.poisson(3.0, 500), rng.poisson(3.4, 300)
    edges = np.arange(20.0)
    assert ks(_binned(reference, edges), _binned(current, edges)) == pytest.approx(ks_2samp(reference, current).statistic, abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_wasserstein_is_within_its_stated_error_of_scipys(seed: int) -> None:
    """Of the same values, clipped to the reference's range as stated."""
    reference, current, edges = _samples(seed)
    p, q = _binned(reference, edges), _binned(current, edges)
    low, high, std = float(reference.min()), float(reference.max()), float(reference.std())
    exact = wasserstein_distance(reference, np.clip(current, low, high)) / std
    error = wasserstein_binning_error(p, q, edges.tolist(), low=low, high=high, std=std)
    assert abs(wasserstein(p, q, edges.tolist(), low=low, high=high, std=std) - exact) <= error + 1e-12


def test_one_wild_value_does_not_decide_the_wasserstein() -> None:
    """One row in a thousand at 1e9 counts as at the reference's maximum 4: it moves the distance by 4 / 1000 at most."""
    assert on_a_ruler([250, 250, 250, 250], [250, 250, 250, 251]) < 4 / 1000
