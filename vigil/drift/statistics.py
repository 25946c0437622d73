"""Statistics of drift between two sets of counts over the same bins or categories: larger always means more drift.

Each has two layers: a public function that checks, and a bare core on arrays (``_name``) that computes. No threshold
stands here (:mod:`.verdict`) and no p-value (:mod:`.evidence`). All share one policy: counts are finite and not negative,
a side without any count raises :class:`~vigil.errors.NotEnoughData`, bins empty on both sides change nothing. Rows without
a value (null, NaN, infinite) are in no bin: no statistic here sees them; ``null_share`` does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import NotEnoughData

Floats = NDArray[np.float64]

EMPTY_SHARE = 1e-4  # stands for a share of 0 in PSI, whose logarithm has no value there; convention (Evidently does the same)


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index: ``sum((q - p) * ln(q / p))`` over the shares ``p`` of the reference and ``q`` of the current counts.

    Symmetric, in ``[0, inf)``, 0 exactly for equal shares. A share of 0 on one side only counts as :data:`EMPTY_SHARE`.
    Of n and m rows in B bins it is about ``(B - 1) * (1 / n + 1 / m)`` where nothing drifts (Yurdakul 2018, Western Michigan
    University, dissertation 3208). Cannot see what moves within a bin, nor in which direction.
    Source: Siddiqi 2006, Credit Risk Scorecards, ISBN 978-0-471-75451-0; it is Jeffreys' divergence, doi:10.1098/rspa.1946.0056.

    >>> round(psi([50, 50], [80, 20]), 6)  # 0.3 * ln(1.6) - 0.3 * ln(0.4) = 0.3 * ln(4)
    0.415888
    """
    return _psi(*_shares(reference, current))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance: ``sqrt((KL(p, m) + KL(q, m)) / 2)``, ``m = (p + q) / 2``, with natural logarithms.

    A metric in ``[0, sqrt(ln 2) = 0.8326]``: 0 for equal shares, the maximum where nothing is shared. Natural logarithms
    as scipy's and Evidently's (with base 2 it would be 1.2011 times as large). Cannot see what moves within a bin.
    Source: Endres & Schindelin 2003, doi:10.1109/TIT.2003.813506.

    >>> round(jensen_shannon([1, 0], [0, 1]) ** 2, 6)  # disjoint: ln 2
    0.693147
    """
    return _jensen_shannon(*_shares(reference, current))


def ks(reference: ArrayLike, current: ArrayLike) -> float:
    """Kolmogorov-Smirnov distance ``max |F - G|`` of the two cumulative shares, looked at the bins' edges. Bins are in order.

    In ``[0, 1]``. From counts it is never above the value from the raw rows, and below it by at most :func:`ks_binning_error`.
    Cannot see what happens within a bin; weak where only the tails move.
    Source: Massey 1951, doi:10.1080/01621459.1951.10500769.

    >>> ks([10, 10, 10, 10], [0, 10, 10, 20])  # cumulative 1/4 against 0, 2/4 against 1/4, 3/4 against 2/4
    0.25
    """
    return _ks(*_shares(reference, current))


def ks_binning_error(reference: ArrayLike, current: ArrayLike) -> float:
    """Return by how much :func:`ks` may be too low at most: the largest share that one bin holds on either side.

    >>> ks_binning_error([10, 10, 10, 10], [0, 10, 10, 20])
    0.5
    """
    return float(np.maximum(*_shares(reference, current)).max())


def wasserstein(reference: ArrayLike, current: ArrayLike, edges: Sequence[float], *, low: float, high: float, std: float) -> float:
    """Wasserstein-1 distance ``integral |F(x) - G(x)| dx / std`` between ``low`` and ``high``, in reference standard deviations.

    Within a bin both cumulative shares are taken as straight lines, so the value differs from the one of the raw rows by at
    most :func:`wasserstein_binning_error`. ``low`` and ``high`` are the reference's extremes, or nearer where its tails are long
    (:mod:`.measure`): a value beyond them counts as lying there, so that one wild value of either side cannot decide; a shift far beyond
    is therefore understated (``mean_shift`` shows it).
    In ``[0, (high - low) / std]``. A reference with ``std`` 0 has no unit: then it is the share of rows that left the
    reference's value, in ``[0, 1]``. Bins are in order, one more than ``edges``. Source: Vallender 1974, doi:10.1137/1118101.

    >>> wasserstein([10, 10], [0, 20], [1.0], low=0.0, high=2.0, std=1.0)  # |F - G| is a triangle, 0 to 1/2 to 0, of base 2
    0.5
    """
    p, q = _shares(reference, current)
    inner = _inner_edges(p, edges, low, high, std)
    return _total_variation(p, q) if std == 0 else _wasserstein(p, q, inner, low, high) / std


def wasserstein_binning_error(
    reference: ArrayLike, current: ArrayLike, edges: Sequence[float], *, low: float, high: float, std: float
) -> float:
    """Return how far :func:`wasserstein` may lie from the value of the raw rows, clipped to ``[low, high]``, at most.

    A rising line and a rising step function with equal ends enclose at most half of the box between them: the error is at
    most ``sum(width * (p + q) / 2) / std`` over the bins. 0 where ``std`` is 0.

    >>> wasserstein_binning_error([10, 10], [0, 20], [1.0], low=0.0, high=2.0, std=1.0)  # 1 * 0.25 + 1 * 0.75
    1.0
    """
    p, q = _shares(reference, current)
    inner = _inner_edges(p, edges, low, high, std)
    if std == 0:
        return 0.0
    return float(np.diff([low, *inner, high]) @ (p + q) / 2 / std)


def chi_square(reference: ArrayLike, current: ArrayLike) -> float:
    """Cramer's V of the 2 x B table of shares: ``sqrt(sum((p - q)**2 / (p + q)) / 2)``, both sides weighing the same.

    In ``[0, 1]``: 0 for equal shares, 1 where nothing is shared. It is ``sqrt(chi2 / N)`` of the table when both sides have
    the same number of rows; V of the raw table would shrink as the reference grows, with the same drift. Of n and m rows its
    square is about ``(B - 1) * (1 / n + 1 / m) / 4`` where nothing drifts. Cannot see which way an order moved.
    Source: Cramer 1946, Mathematical Methods of Statistics, doi:10.1515/9781400883868; size of effect: Cohen 1988,
    doi:10.4324/9780203771587.

    >>> chi_square([50, 50], [80, 20])**2  # (0.09 / 1.3 + 0.09 / 0.7) / 2 = 9 / 91
    0.0989010989010989
    """
    return _chi_square(*_shares(reference, current))


def _psi(p: Floats, q: Floats) -> float:
    held = (p > 0) | (q > 0)
    p, q = np.where(p > 0, p, EMPTY_SHARE)[held], np.where(q > 0, q, EMPTY_SHARE)[held]
    return float(np.sum((q - p) * np.log(q / p)))


def _jensen_shannon(p: Floats, q: Floats) -> float:
    middle = (p + q) / 2
    divergence = (_kullback_leibler(p, middle) + _kullback_leibler(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))  # rounding may leave -1e-17


def _kullback_leibler(p: Floats, q: Floats) -> float:
    held = p > 0
    return float(np.sum(p[held] * np.log(p[held] / q[held])))


def _ks(p: Floats, q: Floats) -> float:
    return float(np.abs(np.cumsum(p) - np.cumsum(q)).max())


def _wasserstein(p: Floats, q: Floats, inner: Floats, low: float, high: float) -> float:
    gaps = np.concatenate([[0.0], np.cumsum(p - q)[:-1], [0.0]])  # F - G at low, at each edge, at high
    left, right = gaps[:-1], gaps[1:]
    sizes = np.abs(left) + np.abs(right)
    crossing = left * right < 0  # two triangles instead of a trapezoid
    areas = np.where(crossing, (left**2 + right**2) / np.where(sizes > 0, 2 * sizes, 1.0), sizes / 2)
    return float(np.diff(np.concatenate([[low], inner, [high]])) @ areas)


def _total_variation(p: Floats, q: Floats) -> float:
    return float(np.abs(p - q).sum() / 2)


def _chi_square(p: Floats, q: Floats) -> float:
    both = p + q
    held = both > 0
    return float(np.sqrt(np.sum((p - q)[held] ** 2 / both[held]) / 2))


def counts_of(values: ArrayLike) -> Floats:
    """Return counts as a checked array: one dimension, finite, not negative."""
    counts = np.asarray(values, dtype=np.float64)
    if counts.ndim != 1 or not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError(f"expected counts in one dimension, finite and not negative, got {values!r}")
    return counts


def same_bins(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Return both sides as checked counts of the same bins, neither of them empty."""
    p, q = counts_of(reference), counts_of(current)
    if p.shape != q.shape:
        raise ValueError(f"expected counts of the same bins, got {p.size} and {q.size}; profile both with one layout")
    if p.sum() == 0 or q.sum() == 0:
        raise NotEnoughData(f"drift needs rows on both sides, got {p.sum():.0f} in the reference and {q.sum():.0f} now")
    return p, q


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    p, q = same_bins(reference, current)
    return p / p.sum(), q / q.sum()


def _inner_edges(p: Floats, edges: Sequence[float], low: float, high: float, std: float) -> Floats:
    inner = np.asarray(edges, dtype=np.float64)
    if inner.size != p.size - 1 or not np.all(np.diff(inner) > 0):
        raise ValueError(f"expected {p.size - 1} increasing edges for {p.size} bins, got {edges!r}")
    if not (np.isfinite([low, high, std]).all() and low <= high and std >= 0):
        raise ValueError(f"expected finite low <= high and std >= 0, got low={low}, high={high}, std={std}")
    return np.clip(inner, low, high)
