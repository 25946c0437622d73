"""The arithmetic of weighted metrics: arrays in, numbers out. No check, no threshold, no warning.

Differs from :mod:`vigil.performance.metrics`, which checks what comes in and adds the interval. Everywhere ``w`` is a
positive weight per row, one over its inclusion probability.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

CLIP = float(np.finfo(np.float64).eps)  # log loss of a certain and wrong prediction is finite, as in scikit-learn


def log_losses(score: Vector, label: Vector) -> Vector:
    """Per row ``-log`` of the probability given to what happened, probabilities clipped to [eps, 1 - eps]."""
    clipped = np.clip(score, CLIP, 1 - CLIP)
    losses: Vector = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
    return losses


def squared_errors(score: Vector, label: Vector) -> Vector:
    return np.square(score - label)


def absolute_errors(score: Vector, label: Vector) -> Vector:
    return np.abs(score - label)


def hits(score: Vector, label: Vector) -> Vector:
    """Per row 1 where ``score >= 0.5`` says what happened, else 0."""
    return ((score >= 0.5) == (label == 1)).astype(np.float64)


def weighted_mean(value: Vector, w: Vector) -> float:
    """Hajek's estimate of the mean: ``sum(w * value) / sum(w)``."""
    return float(np.sum(w * value) / np.sum(w))


def weighted_mean_variance(value: Vector, w: Vector) -> float:
    """Linearised variance of :func:`weighted_mean`: ``n/(n-1) * sum(w^2 (value - mean)^2) / sum(w)^2``; 0 for one row."""
    if len(value) < 2:
        return 0.0
    spread = w * (value - weighted_mean(value, w))
    return float(len(value) / (len(value) - 1) * np.sum(spread**2) / np.sum(w) ** 2)


def effective_size(w: Vector) -> float:
    """Kish's effective sample size ``sum(w)^2 / sum(w^2)``: equal weights give n (Kish 1965, Survey Sampling)."""
    return float(np.sum(w) ** 2 / np.sum(w**2)) if len(w) else 0.0


def placements(score: Vector, label: Vector, w: Vector) -> tuple[Vector, Vector]:
    """Return each positive's weighted share of negatives scored below it, and each negative's of positives above it.

    A tie counts half. Both have the AUC as their weighted mean (DeLong, DeLong & Clarke-Pearson 1988,
    doi:10.2307/2531595, eq. 3-4, with weights). O(n log n).
    """
    positive = label == 1
    levels, place = np.unique(score, return_inverse=True)
    up = np.bincount(place[positive], w[positive], len(levels))
    down = np.bincount(place[~positive], w[~positive], len(levels))
    downs, ups = np.cumsum(down), np.cumsum(up)
    below = (downs - down / 2) / downs[-1]
    above = 1 - (ups - up / 2) / ups[-1]
    return below[place[positive]], above[place[~positive]]


def auc(score: Vector, label: Vector, w: Vector) -> float:
    """Weighted share of (positive, negative) pairs in which the positive scores higher; a tie counts half."""
    below, _ = placements(score, label, w)
    return weighted_mean(below, w[label == 1])
