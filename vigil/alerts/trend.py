"""Whether a number creeps: a slow trend that no single window shows, robust and by season. Arrays in, numbers out.

Differs from :mod:`vigil.alerts.dynamic`, which asks whether one value is ordinary: here it is asked whether all of them lead somewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM = 8  # cycles: below, the test's normal approximation is no good; convention
CYCLES_FOR_DEPENDENCE = 10  # from which seasons may depend on one another: Hirsch & Slack 1984


@dataclass(frozen=True)
class Trend:
    """What a series does.

    Attributes:
        slope: change from one value to the next of the series, in the value's unit; a season's cycle is spread over its values.
        p_value: two-sided, of no trend.
        n: values that there were.
    """

    slope: float
    p_value: float
    n: int


def trend(values: Sequence[float | None], season: int = 1) -> Trend | None:
    """Return the trend of equally spaced values, oldest first; None where there are too few, or all are the same.

    The slope is the median of the slopes between all pairs of the same season (Theil 1950, Sen 1968 doi:10.1080/01621459.1968.10480934;
    by season Hirsch, Slack & Smith 1982 doi:10.1029/WR018i001p00107), the p-value that of the seasonal Mann-Kendall test, which lets
    the seasons of a cycle depend on one another where there are ten cycles or more (Hirsch & Slack 1984 doi:10.1029/WR020i006p00727).
    A season's level is no trend: Mondays are compared with Mondays. Of 300 simulated quarters without a
    trend it rejects, at a level of 5 and of 1 %: 3.3 and 0.3 % of independent days, 5.7 and 0.7 % of days whose neighbours are correlated
    by 0.3, 8 and 1.3 % of those correlated by 0.6.

    Args:
        values: None and what is not finite is missing.
        season: values of one cycle: 7 for days with a weekly habit.

    >>> trend([float(day) for day in range(20)]).slope
    1.0
    """
    numbers = np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    known = numbers[~np.isnan(numbers)]
    cycles = -(-len(numbers) // season)
    if cycles < MINIMUM or len(known) < MINIMUM * season / 2 or np.ptp(known) == 0:
        return None
    padded = np.concatenate([np.full(cycles * season - len(numbers), np.nan), numbers])  # the newest value comes last
    slope, p_value = seasonal_trend(padded.reshape(cycles, season))
    return Trend(slope / season, p_value, len(known))


def seasonal_trend(table: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope by cycle and the two-sided p-value of a table with cycles in rows and seasons in columns; NaN is missing.

    ``S`` sums the signs of all differences within seasons. With ``K`` the products of two seasons' signs and ``R`` their ranks, the
    covariance of two seasons' sums is ``(K + 4 R'R - n (n_g + 1)(n_h + 1)) / 3`` (Dietz & Killeen 1981 doi:10.2307/2287062); over all
    pairs of seasons where there are ten cycles, else of each with itself. ``z = sign(S) (|S| - 1) / sqrt(variance)``. As
    ``scipy.stats.mstats.kendalltau_seasonal``, with which a test compares it, and which takes some hundred times as long.
    """
    cycles = len(table)
    earlier, later = np.triu_indices(cycles, 1)
    differences = table[later] - table[earlier]
    signs = np.nan_to_num(np.sign(differences))
    counts = (~np.isnan(table)).sum(axis=0)
    whole = np.nan_to_num(np.sign(table[:, None, :] - table[None, :, :])).sum(axis=1)
    ranks = (counts + 1 + whole) / 2  # a missing one has the middle rank
    covariance = (signs.T @ signs + 4 * ranks.T @ ranks - cycles * np.outer(counts + 1, counts + 1)) / 3
    total = float(signs.sum())
    variance = float(covariance.sum() if cycles >= CYCLES_FOR_DEPENDENCE else np.trace(covariance))
    z = np.sign(total) * (abs(total) - 1) / math.sqrt(variance) if variance > 0 else 0.0
    slope = float(np.nanmedian(differences / (later - earlier)[:, None]))
    return slope, math.erfc(abs(z) / math.sqrt(2))
