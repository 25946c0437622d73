"""Evidence of harm that may be looked at after every window: an e-detector over the windows' performance estimates.

Differs from :mod:`vigil.performance.intervals`, whose intervals hold for one look: of 52 looks at 95 % one is wrong by chance.
Arrays in, numbers out; the last axis is windows, oldest first, so that many histories are computed at once. Shared terms:

- ``excess``: how far a window's estimate is worse than the limit that is tolerated, in the metric's unit (larger = worse).
- ``variance``: of that estimate, positive; that of its labels and that by which windows differ by themselves.
- ``tolerated``: the loss that is tolerated, in the metric's unit: the size of harm that is looked for.
- ``baseline_windows``: on how many windows like the first the baseline was measured from which the limit was made. Infinite: the limit is
  known.

An estimate counts as normal with a known variance. Of means over 100 labels and of the AUC that holds nearly (a time-uniform central
limit theorem: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, doi:10.1214/24-AOS2408); tests/decision/test_sequence.py simulates how
nearly. Nothing is assumed of when windows are looked at.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, logsumexp, ndtri

Array = npt.NDArray[np.float64]

PRIOR_PAIRS = 4  # pairs of windows that the first guess of the spread weighs; chosen by simulation, tests/decision/test_sequence.py
SMALLEST_ERROR = 0.1  # of the tolerated loss: no window is believed to be known better, however many labels it has (convention)


def needed(windows_per_year: float, false_alarms_per_year: float) -> float:
    """Return the evidence at which harm counts as confirmed: windows per year over the false alarms allowed in one.

    The detector is a sum of one e-process per restart, so its expectation after N windows without harm is at most N; stopped when it first
    reaches A, ``P(alarm within N windows) <= N / A``, and begun anew after each alarm there is at most one in A windows on average (Shin,
    Ramdas & Rinaldo 2024, doi:10.51387/23-NEJSDS51).

    >>> needed(52, 0.5)
    104.0
    """
    return windows_per_year / false_alarms_per_year


def standard_error(low: float, high: float, confidence: float) -> float:
    """Return the standard error that an interval implies: half its width over the normal quantile; with few labels larger, by Student's t.

    >>> round(standard_error(0.6, 0.7, 0.95), 4)
    0.0255
    """
    return (high - low) / (2 * float(ndtri((1 + confidence) / 2)))


def variances(excess: Array, error: Array, comparable: npt.NDArray[np.bool_], tolerated: float) -> Array:
    """Return each window's variance: its standard error's square plus the variance by which windows differ by themselves.

    The latter is the mean over earlier pairs of successive windows of ``((x_k - x_{k-1})^2 - error_k^2 - error_{k-1}^2) / 2`` (von Neumann
    1941: a step moves one pair only), not below 0, with :data:`PRIOR_PAIRS` pairs of ``tolerated^2`` before the first. It uses windows
    before the present one only, as the detector needs.

    Args:
        error: standard errors; below a tenth of ``tolerated`` they count as that.
        comparable: along the last axis, whether a window may be paired with the one before it; the first is ignored.
    """
    square = np.maximum(error, SMALLEST_ERROR * tolerated) ** 2
    pairs = (np.diff(excess) ** 2 - square[..., 1:] - square[..., :-1]) / 2
    pairs = np.where(comparable[..., 1:], pairs, 0.0)
    none = np.zeros((*excess.shape[:-1], min(excess.shape[-1], 2)))  # before the third window there is no earlier pair
    total = np.concatenate([none, np.cumsum(pairs, axis=-1)[..., :-1]], axis=-1)[..., : excess.shape[-1]]
    counts = np.concatenate([[0, 0], np.cumsum(comparable[..., 1:])])[: excess.shape[-1]]
    spread: Array = (total + PRIOR_PAIRS * tolerated**2) / (counts + PRIOR_PAIRS)
    return square + np.maximum(spread, 0.0)


def log_evidence_since(excess: Array, variance: Array, tolerated: float, baseline_windows: float = math.inf) -> Array:
    """Return, for each window, the log of the evidence gathered from it to the last one that the mean excess is above 0.

    With ``S`` the sum of excess / variance and ``V`` that of 1 / variance: the mixture of ``exp(d S - d^2 V / 2)`` over a harm ``d``,
    half-normal with scale ``t = tolerated``, ``2 (1 + t^2 V)^(-1/2) exp(t^2 S^2 / (2 (1 + t^2 V))) Phi(t S / sqrt(1 + t^2 V))``. Each
    ``d > 0`` is a supermartingale where no window is worse than the limit, so the mixture is an e-process (Robbins 1970,
    doi:10.1214/aoms/1177696786; Howard, Ramdas, McAuliffe & Sekhon 2021, doi:10.1214/20-AOS1991, the one-sided normal mixture).

    Where the baseline was itself measured, its error is common to all windows. It is integrated out under a flat prior, which leaves a
    likelihood ratio of what does not depend on the baseline: again an e-process, for a loss that stays as it is (Perez-Ortiz, Lardy, de
    Heide & Grunwald 2024, doi:10.1214/24-AOS2394). By Sherman & Morrison ``S`` and ``V`` become ``S / (1 + V / P)`` and ``V / (1 + V / P)``
    with ``P`` the baseline's precision: of the windows that it was measured on, and of those before the start, which are of the same
    version and under the hypothesis as good. Where they say that the baseline is lower, the limit is lower too; it is never higher.
    """
    weight = 1 / variance
    gathered, information = (np.flip(np.cumsum(np.flip(each, -1), -1), -1) for each in (excess * weight, weight))
    precision = baseline_windows * weight[..., :1] + np.cumsum(weight, -1) - weight
    lower = np.maximum((np.cumsum((excess + tolerated) * weight, -1) - (excess + tolerated) * weight) / precision, 0.0)
    known = 1 + information / precision
    gathered, information = (gathered - lower * information) / known, information / known
    spread = 1 + tolerated**2 * information
    score = tolerated * gathered / np.sqrt(spread)
    found: Array = math.log(2) - np.log(spread) / 2 + score**2 / 2 + log_ndtr(score)
    return found


def log_evidence(excess: Array, variance: Array, tolerated: float, baseline_windows: float = math.inf) -> Array:
    """Return the log of the detector's evidence after the last window: the sum over the windows that harm may have begun with."""
    found: Array = logsumexp(log_evidence_since(excess, variance, tolerated, baseline_windows), axis=-1)
    return found


def windows_until(
    excess: Array, variance: Array, tolerated: float, log_needed: float, most: int, baseline_windows: float = math.inf
) -> int | None:
    """Return after how many more windows like the present stretch's mean the evidence is enough; None where not within ``most``.

    The stretch is the one with the most evidence. 0 where it is enough already.
    """
    if not len(excess):
        return None
    begin = int(np.argmax(log_evidence_since(excess, variance, tolerated, baseline_windows)))
    weight = 1 / variance[begin:]
    mean, typical = float(np.sum(weight * excess[begin:]) / np.sum(weight)), 1 / float(np.mean(weight))
    for more in range(most + 1):
        further = np.concatenate([excess, np.full(more, mean)]), np.concatenate([variance, np.full(more, typical)])
        if float(log_evidence(*further, tolerated, baseline_windows)) >= log_needed:
            return more
        if mean <= 0:
            return None
    return None
