"""Drift of all features together: can a classifier tell the window's rows from the reference's, and by which features?

Differs from :mod:`.measure`, which compares counts one feature at a time: here rows are compared, so a change in how features go
together is seen though none of them moved alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from vigil.drift.statistics import Floats
from vigil.errors import NotEnoughData
from vigil.performance.binned import binned
from vigil.performance.metrics import Estimate, estimate, roc_auc
from vigil.spec.model import Metric

FOLDS = 3
CATEGORIES = 32  # of one feature at most; numbers are cut into as many bins
FEWEST_ROWS = 50  # a side; convention. The trees' leaves hold 20 rows, and two thirds of the rows are fitted on
SUREST = 0.001  # no row is surer than this to be of one side

Fitted = list[tuple[Any, NDArray[np.int64]]]  # a model, and the rows that it was not fitted on


class Told(NamedTuple):
    """How well two sets of rows can be told apart: the AUC with its interval, and how far it falls without each column."""

    auc: Estimate
    falls: tuple[float, ...]


def domain_classifier(
    current: ArrayLike, reference: ArrayLike, categorical: Sequence[bool], rng: np.random.Generator, *, confidence: float = 0.95
) -> Told:
    """Return the out-of-fold AUC of gradient-boosted trees that tell the rows of ``current`` from those of ``reference``.

    ``P(score of a current row > score of a reference row) + P(equal) / 2``, in [0, 1]: about 0.5 where nothing can be told, 1 where
    every row can; larger = more drift. Each row is scored by a model that was not fitted on it (:data:`FOLDS` folds, each with its
    share of either side), and scores are ranked within their fold, so that folds compare.

    The interval is DeLong's on the logit scale (:func:`vigil.performance.metrics.estimate`), widened for what DeLong does not know: the
    folds' models share rows, and each row is fitted on and scored, so what is found by chance in one fold is found again in the
    others. The variance is multiplied by ``1 + K / (K - 1)``, K the folds (Nadeau & Bengio 2003, doi:10.1023/A:1024068626366:
    ``1 / K + 1 / (K - 1)`` of a fold's variance, where independent folds would have ``1 / K``). An AUC of 0 or 1 keeps Wilson's.
    Simulated without drift (200 and 600 rows a side) it misses 0.5 in 0 to 3 of 100 windows at 95 %, DeLong's alone in 13 to 16.

    ``falls``: for each column how far the AUC falls when the column's held-out values are shuffled (permutation importance, Breiman
    2001, doi:10.1023/A:1010933404324), where the interval lies above 0.5, else zeros. Columns that say the same share it.

    Cannot see what a sample of this size does not show, what needs many features at once, nor the direction.
    The same rows in the same order and the same ``rng`` give the same result. Source: Rabanser, Guennemann & Lipton 2019, Failing
    Loudly, arXiv 1810.11953; the AUC of such a classifier: Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests, arXiv
    1610.06545.

    Args:
        current, reference: shapes (n, columns) and (m, columns). NaN is a value of its own; infinite numbers count as the largest.
        categorical: of each column, whether its values are codes 0, 1, ... below :data:`CATEGORIES` and not numbers.

    Raises:
        NotEnoughData: fewer than :data:`FEWEST_ROWS` rows on a side.
        ValueError: the shapes do not fit, or a code is not one.

    >>> ones = np.ones((50, 1))
    >>> domain_classifier(ones, ones, [False], np.random.default_rng(0)).auc.value
    0.5
    >>> domain_classifier(ones, ones + 1, [False], np.random.default_rng(0)).auc.value
    1.0
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # takes seconds; before the limits, which hold for what is loaded

    x, y = _stacked(current, reference, categorical)
    with threadpool_limits(limits=1):  # on so few rows threads wait for each other, many times longer than they work
        fitted = _fitted(HistGradientBoostingClassifier, x, y, list(categorical), rng)
        auc = _widened(estimate(Metric.ROC_AUC, _held_out_scores(fitted, x), y, confidence=confidence))
        if auc.low <= 0.5:
            return Told(auc, (0.0,) * x.shape[1])
        without = _without_each(fitted, x, rng)
    return Told(auc, tuple(auc.value - roc_auc(scores, y) for scores in without))


def scores_now(current: ArrayLike, reference: ArrayLike, categorical: Sequence[bool], rng: np.random.Generator) -> Floats:
    """Return for each row of ``current`` how surely it is told from ``reference``: its score's rank in (0, 1) among both sides' rows.

    Scores are of :func:`domain_classifier`'s trees, each row's by one that was not fitted on it. Arguments and errors as there.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = _stacked(current, reference, categorical)
    with threadpool_limits(limits=1):
        scores: Floats = _held_out_scores(_fitted(HistGradientBoostingClassifier, x, y, list(categorical), rng), x)[y == 1]
    return scores


def domain_probabilities(
    current: ArrayLike, reference: ArrayLike, categorical: Sequence[bool], weight: ArrayLike, rng: np.random.Generator
) -> Floats:
    """Return each row's probability to be one of ``current``, were both sides equally large: those of ``current`` first.

    Gradient-boosted trees as in :func:`domain_classifier`, each row scored by a model that was not fitted on it; weighted, so that rows
    that were sampled with unequal chances stand for the population that they were drawn from. About 0.5 where nothing can be told.

    Args:
        weight: shape (n + m,), positive: one over each row's chance to be here, rows of ``current`` first.

    Raises:
        NotEnoughData, ValueError: as :func:`domain_classifier`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = _stacked(current, reference, categorical)
    x = binned(x, categorical, CATEGORIES)
    given = np.asarray(weight, dtype=np.float64)
    even = len(y) * given / np.where(y == 1, np.sum(given[y == 1]), np.sum(given[y == 0]))
    found = np.empty(len(x))
    with threadpool_limits(limits=1):
        for model, rows in _fitted(HistGradientBoostingClassifier, x, y, list(categorical), rng, weight=even):
            found[rows] = model.predict_proba(x[rows])[:, 1]
    return np.clip(found, SUREST, 1 - SUREST)


def _stacked(current: ArrayLike, reference: ArrayLike, categorical: Sequence[bool]) -> tuple[Floats, NDArray[np.int64]]:
    """Both sides' rows, and 1 for those of ``current``, 0 for the others."""
    a, b = _checked(current, categorical), _checked(reference, categorical)
    if min(len(a), len(b)) < FEWEST_ROWS:
        raise NotEnoughData(f"a domain classifier needs {FEWEST_ROWS} rows a side, got {len(a)} now and {len(b)} in the reference")
    return np.concatenate([a, b]), np.repeat([1, 0], [len(a), len(b)])


def _widened(auc: Estimate) -> Estimate:
    if auc.value in (0.0, 1.0):
        return auc
    factor = math.sqrt(1 + FOLDS / (FOLDS - 1))
    middle, low, high = logit(auc)
    return Estimate(auc.value, float(expit(middle - factor * (middle - low))), float(expit(middle + factor * (high - middle))))


def _fitted(
    make: Any, x: Floats, y: NDArray[np.int64], categorical: list[bool], rng: np.random.Generator, *, weight: Floats | None = None
) -> Fitted:
    fold = np.empty(len(y), dtype=np.int64)
    for side in (0, 1):
        rows = np.flatnonzero(y == side)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % FOLDS
    found: Fitted = []
    for k in range(FOLDS):
        model = make(
            max_iter=40, max_leaf_nodes=8, max_bins=CATEGORIES, early_stopping=False, categorical_features=categorical, random_state=0
        )
        others = fold != k
        fitted = model.fit(x[others], y[others], sample_weight=None if weight is None else weight[others])
        found.append((fitted, np.flatnonzero(fold == k)))
    return found


def _held_out_scores(fitted: Fitted, x: Floats) -> Floats:
    scores = np.empty(len(x))
    for model, rows in fitted:
        scores[rows] = _ranked(model.decision_function(x[rows]))
    return scores


def _without_each(fitted: Fitted, x: Floats, rng: np.random.Generator) -> Floats:
    """Scores (columns, rows) with one column shuffled in each, among the rows of a fold; one prediction a fold."""
    columns = x.shape[1]
    scores = np.empty((columns, len(x)))
    for model, rows in fitted:
        shuffled = np.repeat(x[rows][np.newaxis], columns, axis=0)
        for column in range(columns):
            shuffled[column, :, column] = rng.permutation(shuffled[column, :, column])
        predicted = model.decision_function(shuffled.reshape(-1, columns)).reshape(columns, len(rows))
        scores[:, rows] = [_ranked(some) for some in predicted]
    return scores


def _ranked(scores: Floats) -> Floats:
    """Ranks in (0, 1), ties at their middle."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(scores) - 0.5) / len(scores))


def _checked(rows: ArrayLike, categorical: Sequence[bool]) -> Floats:
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(categorical) or x.shape[1] == 0:
        raise ValueError(f"expected rows by {len(categorical)} columns, at least one, got shape {x.shape}")
    codes = x[:, list(categorical)]
    known = codes[~np.isnan(codes)]
    if known.size and not (known.min() >= 0 and known.max() < CATEGORIES and np.all(known == np.floor(known))):
        raise ValueError(f"expected codes 0, 1, ... below {CATEGORIES} in the categorical columns; fold rare categories into one")
    largest = np.finfo(np.float32).max
    return np.clip(x, -largest, largest)
