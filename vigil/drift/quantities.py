"""What moved, in the column's own terms: percentiles, spread and shares, from the counts of a profile with the error of its bins.

Differs from :mod:`.statistics`, which says how far two sets of counts lie apart: here the sign tells the direction, and no
threshold judges. Bins are in order, one more than ``edges``; bin ``j`` is ``(edges[j-1], edges[j]]`` and the outer bins end at
``low`` and ``high``, the extremes of the counted values. No count at all raises :class:`~vigil.errors.NotEnoughData`. Rows without
a value (null, NaN, infinite) are in no bin and are not seen.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from vigil.drift.statistics import Floats, counts_of
from vigil.errors import NotEnoughData


class Bounded(NamedTuple):
    """A value and the most by which it may differ from the one that the raw rows would give."""

    value: float
    error: float


def percentile(counts: ArrayLike, edges: Sequence[float], share: float, *, low: float, high: float) -> Bounded:
    """The value below which ``share`` of the rows lie: ``F(x) = share``, F a straight line within each bin.

    In ``[low, high]``, in the column's unit. The k-th smallest of the n raw values, ``k = ceil(share * n)``, lies in the bin where
    the cumulative count reaches ``share * n``, so it differs from the value by at most the way to that bin's farther end. Cannot
    see where in its bin a value lies; a tail bin is as wide as the tail. Source: the textbook percentile of grouped data.

    >>> percentile([10, 10, 20], [1.0, 2.0], 0.5, low=0.0, high=4.0)  # 20 of 40 lie at or below 2
    Bounded(value=2.0, error=1.0)
    """
    n, starts, ends = _bins(counts, edges, low, high)
    return _percentile(n, starts, ends, _share(share))


def percentile_shift(now: Bounded, then: Bounded, std: float) -> Bounded:
    """``(now - then) / std``: how far a percentile moved, in reference standard deviations; ``std`` is above 0.

    In ``(-inf, inf)``: above 0 the percentile rose, 0 for equal percentiles. The errors of both sides add up.

    >>> percentile_shift(Bounded(3.0, 0.5), Bounded(2.0, 0.25), 2.0)
    Bounded(value=0.5, error=0.375)
    """
    if not std > 0:
        raise ValueError(f"expected a standard deviation above 0, got {std}")
    return Bounded(finite((now.value - then.value) / std), finite((now.error + then.error) / std))


def variance_ratio(now_std: float, then_std: float) -> float:
    """``now_std**2 / then_std**2``: 1 for equal spread, above 1 where the rows spread more than the reference; in ``[0, inf)``.

    Not symmetric, and a single wild value can make it large (percentiles cannot be moved so). No bin is involved: it is as exact
    as the moments, each variance within ``unit**2 * 2**-20 * (1 + std / unit)`` of the raw rows' one, ``unit`` the layout's scale.

    >>> variance_ratio(3.0, 2.0)
    2.25
    """
    if not (then_std > 0 and now_std >= 0):
        raise ValueError(f"expected standard deviations, the reference's above 0, got {now_std} and {then_std}")
    ratio = now_std / then_std
    return finite(ratio * ratio)


def finite(value: float) -> float:
    """Return ``value``, or where it is beyond what a float64 holds the largest that it holds, with its sign: it can be stored.

    >>> finite(1e308 * 10) == sys.float_info.max
    True
    """
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def share_from(counts: ArrayLike, edges: Sequence[float], point: float, *, low: float, high: float) -> Bounded:
    """The share of rows at or above ``point``: ``1 - F(point)``, F a straight line within each bin.

    In ``[0, 1]``. Only the bin that holds ``point`` is split by guess; the error is the larger of its two parts, and 0 where no
    row lies in it. Cannot see where in that bin the rows lie.

    >>> share_from([10, 30], [2.0], 3.0, low=0.0, high=4.0)  # half of the upper bin, which holds 3/4 of the rows
    Bounded(value=0.375, error=0.375)
    """
    n, starts, ends = _bins(counts, edges, low, high)
    return _share_from(n, starts, ends, point)


def mean_entropy(counts: ArrayLike, edges: Sequence[float], *, low: float, high: float) -> Bounded:
    """The mean of ``h(p) = -p log2 p - (1 - p) log2 (1 - p)`` over the rows, p the score: how unsure a binary model is, in bits.

    In ``[0, 1]``: 1 where every score is 1/2, 0 where every score is 0 or 1. Each row counts with the middle of what h can be in its bin,
    so the value is within the mean half width of that. Scores beyond 0 and 1 count as 0 and 1. Cannot see whether the scores are right: a
    model that is surely wrong has none (Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x).

    >>> mean_entropy([10, 30], [0.0], low=0.0, high=1.0)  # 10 at exactly 0; of 30 nothing is known
    Bounded(value=0.375, error=0.375)
    """
    n, starts, ends = _bins(counts, edges, low, high)
    shares, starts, ends = n / n.sum(), np.clip(starts, 0.0, 1.0), np.clip(ends, 0.0, 1.0)
    at_start, at_end = _entropy(starts), _entropy(ends)
    most = np.where((starts < 0.5) & (ends > 0.5), 1.0, np.maximum(at_start, at_end))
    least = np.minimum(at_start, at_end)  # h is concave: it is least at an end
    return Bounded(float(shares @ (most + least) / 2), float(shares @ (most - least) / 2))


def _percentile(n: Floats, starts: Floats, ends: Floats, share: float) -> Bounded:
    reached = np.cumsum(n)
    wanted = round(share * reached[-1], 6)  # 0.95 * 20 is 19, whatever its last bit
    j = int(np.searchsorted(reached, wanted, side="left"))
    before = reached[j] - n[j]
    start, end, part = float(starts[j]), float(ends[j]), float((wanted - before) / n[j])
    width = end - start
    value = start + width * part if math.isfinite(width) else start * (1 - part) + end * part
    return Bounded(value, finite(max(value - start, end - value)))


def _share_from(n: Floats, starts: Floats, ends: Floats, point: float) -> Bounded:
    shares = n / n.sum()
    split = (starts < point) & (point <= ends)
    widths = np.where(split, ends - starts, 1.0)
    above = np.where(split, (ends - point) / widths, (starts >= point).astype(np.float64))
    error = np.where(split, np.maximum(above, 1 - above), 0.0)
    return Bounded(float(min(shares @ above, 1.0)), float(shares @ error))


def _entropy(p: Floats) -> Floats:
    in_bits: Floats = (entr(p) + entr(1 - p)) / math.log(2)
    return in_bits


def _bins(counts: ArrayLike, edges: Sequence[float], low: float, high: float) -> tuple[Floats, Floats, Floats]:
    """Return the counts that are not 0 with where their bins start and end."""
    n, inner = counts_of(counts), np.asarray(edges, dtype=np.float64)
    if inner.size != n.size - 1 or not np.all(np.diff(inner) > 0):
        raise ValueError(f"expected {n.size - 1} increasing edges for {n.size} bins, got {edges!r}")
    if n.sum() == 0:
        raise NotEnoughData("a percentile or share needs a row with a value, got none")
    if not (np.isfinite([low, high]).all() and low <= high):
        raise ValueError(f"expected finite low <= high, got low={low}, high={high}")
    held = n > 0
    starts, ends = np.clip(np.append(low, inner), low, high), np.clip(np.append(inner, high), low, high)
    return n[held], starts[held], ends[held]


def _share(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    return share
