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


def hits(score: Vector, label: Vector, threshold: float = 0.5) -> Vector:
    """Per row 1 where ``score >= threshold`` says what happened, else 0."""
    return np.asarray((score >= threshold) == (label == 1), dtype=np.float64)


def percentage_errors(score: Vector, label: Vector) -> Vector:
    """Per row ``|score - label| / |label|``; 0 where the label is 0, of which there is no percentage."""
    return np.divide(np.abs(score - label), np.abs(label), out=np.zeros(len(label)), where=label != 0)


def pinball_losses(score: Vector, label: Vector, quantile: float) -> Vector:
    """Per row ``q (label - score)`` where the label is above, ``(1 - q) (score - label)`` where it is below (Koenker & Bassett 1978)."""
    return np.maximum(quantile * (label - score), (quantile - 1) * (label - score))


def weighted_mean(value: Vector, w: Vector) -> float:
    """Hajek's estimate of the mean: ``sum(w * value) / sum(w)``."""
    return float(np.sum(w * value) / np.sum(w))


def leave_one_out(value: Vector, w: Vector) -> Vector:
    """Per row, how much :func:`weighted_mean` falls when the row is left out: ``w (value - mean) / (sum(w) - w)``, exactly."""
    return w * (value - weighted_mean(value, w)) / (np.sum(w) - w)


def jackknife(*groups: Vector) -> tuple[float, float]:
    """Return the variance of a statistic and that variance's degrees of freedom.

    Each of ``groups`` holds, for n independent rows, what leaving one out changes; n is at least 2. The variance is the
    jackknife's, the sum over groups of ``(n-1)/n * sum(u^2)``. The degrees of freedom are Satterthwaite's (1946,
    doi:10.2307/3002019), ``2 V^2 / Var(V)`` with each row's ``u^2`` as one draw, at most n less one per group: n where
    ``u`` is normal, fewer where few rows with heavy weights or large losses make the variance. Variance 0 has all of them.
    """
    variance = sum(float(np.sum(u**2)) * (len(u) - 1) / len(u) for u in groups)
    most = float(sum(len(u) - 1 for u in groups))
    doubt = sum(float(np.sum((u**2 - np.mean(u**2)) ** 2)) for u in groups)
    if doubt * most <= 2 * variance**2:
        return variance, most
    return variance, 2 * variance**2 / doubt


def influences(value: Vector, w: Vector) -> Vector:
    """Per row ``w (value - mean) / sum(w)``: the linear part of :func:`leave_one_out`, which sums to 0."""
    return w * (value - weighted_mean(value, w)) / np.sum(w)


def stratified_jackknife(u: Vector, stratum: npt.NDArray[np.int64]) -> tuple[float, float]:
    """:func:`jackknife` for rows that were drawn by strata: only what differs within a stratum is chance.

    ``V = sum over strata of n_h/(n_h-1) * sum((u - mean_h(u))^2)`` (Sarndal, Swensson & Wretman 1992, 3.7), rows of strata with one
    row counting as of one stratum together. The degrees of freedom are Satterthwaite's, with the larger doubt of two: that of normal
    rows, ``2 sum(V_h^2 / (n_h - 1))``, and that of the rows as they are, as in :func:`jackknife`.
    """
    codes, place, counts = np.unique(stratum, return_inverse=True, return_counts=True)
    lone = counts == 1
    if lone.any():
        merged = np.where(lone, codes[lone][0], codes)
        _, place, counts = np.unique(merged[place], return_inverse=True, return_counts=True)
    squares = np.square(u - (np.bincount(place, u) / counts)[place])
    less = np.maximum(counts - 1, 1)
    sums = np.bincount(place, squares)
    parts = sums * counts / less
    variance, most = float(np.sum(parts)), float(np.sum(counts - 1))
    spread = np.bincount(place, np.square(squares - (sums / counts)[place])) * (counts / less) ** 2
    doubt = max(2 * float(np.sum(parts**2 / less)), float(np.sum(spread)))
    return variance, (min(2 * variance**2 / doubt, most) if doubt > 0 else most)


def skewness(u: Vector) -> float:
    """Return the skewness of a mean from what leaving each row out changes: ``sum(u^3) / sum(u^2)^1.5``; 0 where nothing changes.

    >>> skewness(np.array([3.0, -1.0, -1.0, -1.0])) == 24 / 12**1.5
    True
    """
    total = float(np.sum(u**2))
    return float(np.sum(u**3)) / total**1.5 if total > 0 else 0.0


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


def share_below(at: Vector, score: Vector, w: Vector) -> Vector:
    """Return for each of ``at`` the weighted share of ``score`` below it, a tie counting half. O((n + m) log n).

    >>> share_below(np.array([0.0, 1.0, 3.0]), np.array([1.0, 2.0]), np.array([1.0, 3.0])).tolist()
    [0.0, 0.125, 1.0]
    """
    order = np.argsort(score, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(w[order])])
    left, right = (np.searchsorted(score[order], at, side=side) for side in ("left", "right"))
    share: Vector = (reached[left] + reached[right]) / (2 * reached[-1])
    return share


def auc(score: Vector, label: Vector, w: Vector) -> float:
    """Weighted share of (positive, negative) pairs in which the positive scores higher; a tie counts half."""
    below, _ = placements(score, label, w)
    return weighted_mean(below, w[label == 1])
