"""The domain classifier: what it tells apart, what it must not, and that one sample gives one answer."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom

from vigil.drift.multivariate import CATEGORIES, FEWEST_ROWS, Told, domain_classifier
from vigil.errors import NotEnoughData

KINDS = [False, False, True]  # x, y, c


def rows(rng: np.random.Generator, n: int = 600, *, correlation: float = 0.0, shift: float = 0.0, levels: int = 2) -> np.ndarray:
    x, noise = rng.normal(size=(2, n))
    return np.column_stack([x + shift, correlation * x + np.sqrt(1 - correlation**2) * noise, rng.integers(0, levels, n)])


def told(current: np.ndarray, reference: np.ndarray, seed: int = 0) -> Told:
    return domain_classifier(current, reference, KINDS, np.random.default_rng(seed))


def test_features_that_only_go_together_otherwise_are_told_apart() -> None:
    """Correlation 0.9 became -0.9: each feature alone is as it was, and both carry it."""
    rng = np.random.default_rng(1)
    found = told(rows(rng, correlation=0.9), rows(rng, correlation=-0.9))
    assert found.auc.low > 0.8
    assert min(found.falls[:2]) > 0.2
    assert abs(found.falls[2]) < 0.05


def test_a_shift_is_carried_by_the_feature_that_moved() -> None:
    """By one standard deviation: the best classifier of two such normals has AUC Phi(1 / sqrt(2)) = 0.760, and without x 0.5."""
    rng = np.random.default_rng(2)
    found = told(rows(rng, 2_000, shift=1.0), rows(rng, 2_000))
    best = (1 + math.erf(1 / 2)) / 2
    assert found.auc.low < best < found.auc.high + 0.02  # what the trees lose against the best one
    assert found.falls[0] == pytest.approx(best - 0.5, abs=0.06)
    assert max(map(abs, found.falls[1:])) < 0.05


def test_a_larger_shift_has_a_larger_auc() -> None:
    rng = np.random.default_rng(3)
    reference, current = rows(rng), rows(rng)
    aucs = [told(current + np.array([shift, 0, 0]), reference).auc.value for shift in (0.0, 0.5, 1.0, 2.0, 8.0)]
    assert all(one < next_ for one, next_ in pairwise(aucs))


def test_new_categories_nulls_and_infinities_are_told_apart() -> None:
    """A third of the rows in a category that the reference never had; odd values are no error."""
    rng = np.random.default_rng(4)
    current, reference = rows(rng, levels=3), rows(rng)
    for side in (current, reference):
        side[:10, 0], side[10:20, 0], side[20:30, 1], side[30:40, 2] = np.inf, -np.inf, np.nan, np.nan
    found = told(current, reference)
    assert found.auc.low > 0.5
    assert np.argmax(found.falls) == 2


def test_a_code_is_a_name_and_not_a_number() -> None:
    """Every other code is new: cuts by order would need as many as there are codes."""
    rng = np.random.default_rng(5)
    n = 600
    codes = rng.integers(0, CATEGORIES // 2, (2, n)) * 2.0
    as_codes, as_numbers = (
        domain_classifier((codes[:1] + 1).T, codes[1:].T, [kind], np.random.default_rng(0)).auc.value for kind in (True, False)
    )
    assert as_codes == 1.0
    assert as_numbers < as_codes


def test_equal_and_constant_rows_cannot_be_told() -> None:
    """All scores tie, so half of the pairs are right; nothing carries nothing."""
    same = np.ones((FEWEST_ROWS, 3))
    found = told(same, same)
    assert (found.auc.value, found.falls) == (0.5, (0.0, 0.0, 0.0))


def test_rows_that_share_nothing_are_told_always() -> None:
    """Of unequal numbers, too."""
    rng = np.random.default_rng(6)
    assert told(rows(rng, 300, shift=100.0), rows(rng, 900)).auc.value == 1.0


def test_without_drift_the_interval_misses_a_half_no_more_often_than_promised() -> None:
    """In 5 % of windows, of an interval at 95 %; more than 13 of 100 happen in 1 of 1,000 runs. DeLong's alone misses in 16."""
    rng = np.random.default_rng(8)
    windows = 100
    missed = 0
    for seed in range(windows):
        current, reference = rng.normal(size=(2, 200, 2))
        auc = domain_classifier(current, reference, [False, False], np.random.default_rng(seed)).auc
        missed += not auc.low <= 0.5 <= auc.high
    assert missed <= binom.ppf(0.999, windows, 0.05)


def test_a_higher_confidence_has_a_wider_interval_around_the_same_auc() -> None:
    rng = np.random.default_rng(8)
    current, reference = rows(rng, shift=0.5), rows(rng)
    narrow, wide = (domain_classifier(current, reference, KINDS, np.random.default_rng(0), confidence=c).auc for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value == wide.value < narrow.high < wide.high


def test_the_same_rows_and_seed_give_the_same_answer_and_another_seed_other_folds() -> None:
    rng = np.random.default_rng(9)
    current, reference = rows(rng, shift=0.5), rows(rng)
    assert told(current, reference) == told(current, reference)
    assert told(current, reference) != told(current, reference, seed=1)


def test_too_few_rows_are_not_enough_data() -> None:
    """On either side, and none at all."""
    enough, few, none = (np.zeros((n, 3)) for n in (FEWEST_ROWS, FEWEST_ROWS - 1, 0))
    for current, reference in ((enough, few), (few, enough), (none, none)):
        with pytest.raises(NotEnoughData, match=f"needs {FEWEST_ROWS} rows a side"):
            told(current, reference)


@pytest.mark.parametrize("code", [-1.0, 0.5, float(CATEGORIES), np.inf])
def test_what_is_no_code_is_refused(code: float) -> None:
    wrong = np.full((FEWEST_ROWS, 3), code)
    with pytest.raises(ValueError, match="expected codes"):
        told(wrong, np.zeros((FEWEST_ROWS, 3)))


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows by 3 columns, at least one, got shape \(50, 2\)"):
        told(np.zeros((50, 2)), np.zeros((50, 3)))
