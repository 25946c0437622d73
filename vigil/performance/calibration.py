"""Calibration: the calibration error of probabilities with an honest interval, and what labels teach of the chance behind a score.

The error differs from the values of :mod:`vigil.performance.metrics`, means or shares: it is a norm of the means of bins. A plain binned
error is above 0 for a perfectly calibrated model, the more so the fewer its labels; here the noise of the bins is taken out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chndtr, chndtrinc

from vigil.performance.cores import Vector, effective_size, weighted_mean
from vigil.performance.intervals import Interval, wilson_interval

BINS = 10  # convention (Guo et al. 2017); fewer where a bin would have less than PER_BIN rows
PER_BIN = 20  # rows from which the mean of a bin is nearly normal; convention


def calibration_error(score: Vector, label: Vector, w: Vector, *, confidence: float = 0.95) -> tuple[float, Interval]:
    """Return the root mean squared calibration error over bins of equal mass, in [0, 1], and its interval. Smaller is better.

    ``d_b`` is the weighted mean of ``label - score`` in bin b of share ``W_b``, ``v_b`` its variance. The square's estimate is
    ``sum(W_b d_b^2) - sum(W_b v_b)``, at least 0 (debiased as in Kumar, Liang & Ma 2019, arXiv 1909.10155). The sum over its scale is
    taken as a noncentral chi-square whose scale and degrees of freedom are Satterthwaite's, and the interval holds the noncentralities
    that it does not reject: one that reaches 0 says that the model may well be calibrated.

    What it cannot see: errors that cancel within a bin, so that it is never above the true error.

    >>> round(calibration_error(np.full(400, 0.2), np.repeat([0.0, 1.0], 200), np.ones(400))[0], 3)
    0.299
    """
    place, count = _bins(score, w)
    mass = np.bincount(place, w, count)
    held = mass > 0
    error = np.divide(np.bincount(place, w * (label - score), count), mass, out=np.zeros(count), where=held)
    rows = np.bincount(place, minlength=count)
    rest = np.square(w * (label - score - error[place])) / np.square(mass[place])
    less = np.where(rows > 1, rows / np.maximum(rows - 1, 1), 1.0)
    noise = np.bincount(place, rest, count) * less * mass / np.sum(mass)
    total = float(np.sum(mass * np.square(error)) / np.sum(mass))
    expected = float(np.sum(noise))
    value = math.sqrt(max(total - expected, 0.0))
    if expected <= 0:
        return value, (value, value)
    scale = float(np.sum(noise**2)) / expected
    df = expected / scale
    tail = (1 - confidence) / 2
    low, high = (_noncentrality(total / scale, df, p) for p in (1 - tail, tail))
    return value, (min(math.sqrt(low * scale), 1.0), min(math.sqrt(high * scale), 1.0))


class Bin(NamedTuple):
    """Rows of similar scores: their mean score, the share of them with label 1 with its interval, and how many they are."""

    score: float
    share: float
    low: float
    high: float
    n: int


def reliability(score: Vector, label: Vector, w: Vector, *, confidence: float = 0.95) -> tuple[Bin, ...]:
    """Return the bins of :func:`calibration_error`, by score: well calibrated where each share is its mean score but for chance.

    The intervals are Wilson's at Kish's effective size, each for itself.
    """
    place, count = _bins(score, w)
    found = []
    for each in range(count):
        inside = place == each
        if inside.any():
            share, size = weighted_mean(label[inside], w[inside]), effective_size(w[inside])
            low, high = wilson_interval(share, size, max(size - 1, 1.0), confidence)
            found.append(Bin(weighted_mean(score[inside], w[inside]), share, min(low, share), max(high, share), int(inside.sum())))
    return tuple(found)


def _bins(score: Vector, w: Vector) -> tuple[npt.NDArray[np.int64], int]:
    """The bin of each row, and how many there are: of equal mass, equal scores in one."""
    count = max(1, min(BINS, len(score) // PER_BIN))
    _, level = np.unique(score, return_inverse=True)
    at = np.bincount(level, w)
    middle = (np.cumsum(at) - at / 2)[level]
    return np.minimum((middle / np.sum(w) * count).astype(np.int64), count - 1), count


def calibrated(seen: tuple[Vector, Vector, Vector]) -> Callable[[Vector], Vector]:
    """Return the chance of label 1 at a score, learned from ``seen`` (score, label, weight) by isotonic regression.

    Zadrozny & Elkan 2002, doi:10.1145/775047.775151. Beyond the scores that were seen it is that of the nearest one.
    """
    from sklearn.isotonic import IsotonicRegression

    isotonic: Any = IsotonicRegression
    fitted = isotonic(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(seen[0], seen[1], sample_weight=seen[2])
    return lambda score: np.asarray(fitted.predict(score), dtype=np.float64)


def _noncentrality(x: float, df: float, p: float) -> float:
    """The noncentrality at which a chi-square of ``df`` is at most ``x`` with probability ``p``; 0 where even the central one is not."""
    return float(chndtrinc(x, df, p)) if chndtr(x, df, 0.0) > p else 0.0
