"""Evidence beyond chance: p-values from counts, and their adjustment for many tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from vigil.drift.evidence import chi_square_p, ks_p
from vigil.drift.multiplicity import benjamini_hochberg
from vigil.drift.verdict import feature_verdict, window_verdict
from vigil.errors import NotEnoughData
from vigil.measurement import Verdict

large_counts = st.lists(st.integers(50, 500), min_size=3, max_size=8)


def test_chi_square_p_of_two_bins() -> None:
    """Expected 65 and 35 of each hundred: chi2 = 2 * 15**2 / 65 + 2 * 15**2 / 35 = 1800 / 91; p = erfc(sqrt(chi2 / 2)) with one degree."""
    assert chi_square_p([50, 50], [80, 20]) == pytest.approx(math.erfc(math.sqrt(900 / 91)), rel=1e-12)


@given(p=large_counts, q=large_counts)
def test_chi_square_p_agrees_with_scipy(p: list[int], q: list[int]) -> None:
    """On the same bins, none of them rare, to 1e-12."""
    size = min(len(p), len(q))
    p, q = p[:size], q[:size]
    smaller = min(sum(p), sum(q)) / (sum(p) + sum(q))
    assume(min(np.add(p, q)) * smaller >= 5)
    assert chi_square_p(p, q) == pytest.approx(chi2_contingency([p, q], correction=False).pvalue, abs=1e-12)


def test_rare_bins_are_pooled() -> None:
    """Bins of 4 and 4 rows on both sides expect 2 each: together they are one bin of 4, left as rare as it is."""
    pooled = chi2_contingency([[50, 50, 4], [50, 50, 4]], correction=False).pvalue
    assert chi_square_p([50, 50, 4, 0], [50, 50, 0, 4]) == pytest.approx(pooled, abs=1e-12)


def test_a_new_category_is_evidence() -> None:
    """A third of the rows in a category that the reference never had is not pooled away."""
    assert chi_square_p([5_000, 5_000, 0], [100, 100, 100]) < 1e-12


@pytest.mark.parametrize("sides", [([7, 0], [3, 0]), ([1, 2], [1, 1])])
def test_a_single_bin_is_no_evidence(sides: tuple[list[int], list[int]]) -> None:
    """All rows in one bin, or all bins so rare that they are pooled into one."""
    assert chi_square_p(*sides) == 1.0


def test_ks_p_of_two_bins() -> None:
    """D = 0.3 of 100 rows each: 2 * sum (-1)**(k - 1) exp(-2 k**2 * 50 * 0.09), the terms after the third being below 1e-60."""
    assert ks_p([50, 50], [80, 20]) == pytest.approx(2 * (math.exp(-9) - math.exp(-36) + math.exp(-81)), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_ks_p_never_claims_more_evidence_than_the_rows_have(seed: int) -> None:
    """From the distance at 19 edges it is at least the asymptotic p-value of the raw rows."""
    rng = np.random.default_rng(seed)
    reference, current = rng.normal(size=2_000), rng.normal(0.1 * (seed % 3), 1.0, 500)
    edges = np.quantile(reference, np.arange(1, 20) / 20)
    p, q = (np.bincount(np.searchsorted(edges, side), minlength=20) for side in (reference, current))
    distance = ks_2samp(reference, current).statistic
    raw = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k**2 * 400 * distance**2) for k in range(1, 50))  # 2000 * 500 / 2500 = 400
    assert ks_p(p, q) >= min(raw, 1.0) - 1e-9


@pytest.mark.parametrize("test", [chi_square_p, ks_p])
def test_more_rows_are_more_evidence_of_the_same_drift(test: object) -> None:
    """Ten times the rows at the same shares."""
    assert test([500, 500], [560, 440]) < test([50, 50], [56, 44])  # type: ignore[operator]


@pytest.mark.parametrize("test", [chi_square_p, ks_p])
def test_equal_shares_are_no_evidence(test: object) -> None:
    """The p-value is 1."""
    assert test([10, 20, 30], [100, 200, 300]) == 1.0  # type: ignore[operator]


@pytest.mark.parametrize("test", [chi_square_p, ks_p])
def test_a_side_without_rows_is_not_enough_data(test: object) -> None:
    """There is nothing to test."""
    with pytest.raises(NotEnoughData):
        test([0, 0], [1, 2])  # type: ignore[operator]


def test_benjamini_hochberg_of_five() -> None:
    """p sorted 0.005, 0.01, 0.03, 0.04, 0.5, times 5 / rank: 0.025, 0.025, 0.05, 0.05, 0.5; each the least of itself and those after."""
    adjusted = benjamini_hochberg({"a": 0.01, "b": 0.04, "c": 0.5, "d": 0.005, "e": 0.03})
    assert adjusted == pytest.approx({"a": 0.025, "b": 0.05, "c": 0.5, "d": 0.025, "e": 0.05}, abs=1e-15)


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=30))
def test_benjamini_hochberg_follows_its_formula(p_values: dict[str, float]) -> None:
    """min over j >= i of m * p_j / j, written out; names keep their own, none falls below its raw p-value."""
    m = len(p_values)
    ordered = sorted(p_values.values())
    expected = {name: min(1.0, *(m * q / (j + 1) for j, q in enumerate(ordered) if q >= p)) for name, p in p_values.items()}
    adjusted = benjamini_hochberg(p_values)
    assert adjusted == pytest.approx(expected, abs=1e-12)
    assert all(adjusted[name] >= p_values[name] - 1e-15 for name in p_values)


def test_no_test_has_no_adjustment() -> None:
    """A window in which no feature has enough rows."""
    assert benjamini_hochberg({}) == {}


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_refused(wrong: float) -> None:
    """It would spoil all the others silently."""
    with pytest.raises(ValueError, match=r"between 0\.? and 1"):
        benjamini_hochberg({"a": 0.5, "b": wrong})


def test_a_feature_breaches_with_effect_and_evidence_only() -> None:
    """Over the threshold and below the rate; on either boundary it does not."""
    assert feature_verdict(0.21, 0.2, 0.009, 0.01) is Verdict.BREACH
    assert feature_verdict(0.20, 0.2, 0.009, 0.01) is Verdict.OK
    assert feature_verdict(0.21, 0.2, 0.010, 0.01) is Verdict.OK


def test_a_window_breaches_from_its_share_on() -> None:
    """The threshold itself counts, so that a share of 1 can be asked for."""
    assert window_verdict(0.3, 0.3) is Verdict.BREACH
    assert window_verdict(0.29, 0.3) is Verdict.OK
