"""How many labels of each stratum: where a label takes away most of the doubt.

Differs from :mod:`vigil.labels.design`, which says what the strata are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.spec.model import Metric, Scoring

Counts = npt.NDArray[np.int64]

SLIGHT = 1e-9  # of the largest target: where nothing is expected labels go last, but they go
LEAST = 2  # labels of each stratum, so that its variance is known


def allocate(rows: Counts, spread: Vector, labelled: Counts, budget: int) -> Counts:
    """Return how many more labels of each stratum to ask for; they sum to ``budget``, or to all unlabelled rows where that is less.

    They bring the totals near Neyman's optimum (1934, doi:10.2307/2342192), in proportion to ``rows * spread``: a stratum that has more
    labels already gets none. No stratum has fewer than two labels in all where the budget reaches so far.

    Args:
        rows: rows of each stratum, labelled ones included.
        spread: standard deviation of the rows' influence on the metric, within each stratum; at least 0.
        labelled: labels that are there, or are asked for already.

    >>> allocate(np.array([500, 500]), np.array([1.0, 3.0]), np.array([0, 0]), 100)
    array([25, 75])
    """
    free = rows - labelled
    budget = int(min(budget, free.sum()))
    target = rows * spread
    target = rows.astype(np.float64) if target.max() <= 0 else np.maximum(target / target.max(), SLIGHT * rows)
    wanted = _filled(target, labelled.astype(np.float64), free.astype(np.float64), float(budget))
    least = np.clip(LEAST - labelled, 0, free)
    return _rounded(np.clip(np.maximum(wanted, least), 0, free), least, free, budget)


def expected_spread(metric: Metric, score: Vector, scoring: Scoring, scale: Vector | None = None) -> Vector:
    """Return per row the standard deviation of its influence on ``metric`` that is expected from its score alone, up to a factor.

    Binary: the label is 1 with the probability that the score says, so it is ``sqrt(s (1 - s))`` times how much the two labels differ
    in influence. Regression: ``scale``, the size of errors at such scores (for the RMSE its square); None: alike everywhere.
    It uses no label of the rows themselves, so that what is drawn does not depend on what is measured.
    """
    if scale is not None or metric in (Metric.MAE, Metric.RMSE, Metric.MAPE, Metric.PINBALL):
        size = np.ones(len(score)) if scale is None else scale
        return size**2 if metric is Metric.RMSE else size
    deviation = np.sqrt(score * (1 - score))
    called = (score >= scoring.threshold).astype(np.float64)
    match metric:
        case Metric.ACCURACY | Metric.CALIBRATION_ERROR:
            return deviation
        case Metric.BRIER:
            return deviation * np.abs(1 - 2 * score)
        case Metric.LOG_LOSS:
            clipped = np.clip(score, cores.CLIP, 1 - cores.CLIP)
            return deviation * np.abs(np.log(clipped / (1 - clipped)))
        case Metric.PRECISION:
            return deviation * called
        case Metric.RECALL:
            return deviation * np.abs(called - _share(score * called, score))
        case Metric.F1:
            return deviation * np.abs(2 * called - _share(2 * score * called, called + score))
    return deviation * _pair_influence(score)


def _pair_influence(score: Vector) -> Vector:
    """How much a row's influence on the AUC differs between the labels, with the score as the probability of 1."""
    _, place = np.unique(score, return_inverse=True)
    up, down = np.bincount(place, score), np.bincount(place, 1 - score)
    if up.sum() <= 0 or down.sum() <= 0:
        return np.ones(len(score))
    below = (np.cumsum(down) - down / 2) / down.sum()
    above = 1 - (np.cumsum(up) - up / 2) / up.sum()
    auc = float(np.sum(up * below) / up.sum())
    difference = (below - auc) / up.sum() - (above - auc) / down.sum()
    size: Vector = np.abs(difference)[place] * len(score)
    return size


def _share(part: Vector, whole: Vector) -> float:
    total = float(np.sum(whole))
    return float(np.sum(part)) / total if total > 0 else 0.0


def _filled(target: Vector, have: Vector, most: Vector, amount: float) -> Vector:
    """Return what to add, at most ``most`` and ``amount`` in all, so that ``have`` comes near to a multiple of ``target``."""
    low, high = 0.0, float(np.max((have + most) / np.where(target > 0, target, np.inf), initial=0.0))
    for _ in range(100):
        level = (low + high) / 2
        low, high = (level, high) if np.sum(np.clip(level * target - have, 0, most)) < amount else (low, level)
    return np.clip(high * target - have, 0, most)


def _rounded(wanted: Vector, least: Counts, most: Counts, budget: int) -> Counts:
    """Round to whole labels that sum to the budget, by largest remainders; what is least is taken from last."""
    counts = np.floor(wanted).astype(np.int64)
    while counts.sum() < budget:
        open_ = np.flatnonzero(counts < most)
        counts[open_[np.argmax((wanted - counts)[open_])]] += 1
    while counts.sum() > budget:
        above = np.flatnonzero(counts > least)
        some = above if len(above) else np.flatnonzero(counts > 0)
        counts[some[np.argmin((wanted - counts)[some])]] -= 1
    return counts
