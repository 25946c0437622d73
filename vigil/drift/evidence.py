"""Evidence of drift beyond chance: p-values from the counts that a profile holds.

Differs from :mod:`.statistics`, which says how large a drift is: with many rows a tiny drift has overwhelming evidence,
with few rows a large one has none. A verdict needs both. The rows of a window are taken as independent of each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, kolmogorov, ndtr

from vigil.drift.statistics import Floats, ks, same_bins

POOLED_BELOW = 5.0  # expected count under which the chi-square approximation is poor; Cochran 1954, doi:10.2307/3001616


def chi_square_p(reference: ArrayLike, current: ArrayLike) -> float:
    """p-value of Pearson's two-sample chi-square test: do both sides draw from the same shares?

    ``sum((observed - expected)**2 / expected)`` over the 2 x B table, against chi-square with B - 1 degrees of freedom. Bins
    where either side expects fewer than :data:`POOLED_BELOW` are pooled into one first (the choice sees only the sum of
    both sides, so the test stays valid). In ``[0, 1]``, smaller = more evidence; 1 where fewer than two bins are left.
    Where even the pooled bin is expected less often, it errs to the small side: with one category of 1 in 2,000 beside two of a half each,
    and 10,000 rows beside 200, 4 % of simulated p-values are below 0.01 (0.4 % with V over its threshold, which a verdict needs too).
    Cannot see drift that cancels within the pooled bins. Source: Pearson 1900, doi:10.1080/14786440009463897.

    >>> round(chi_square_p([50, 50], [80, 20]), 7)  # chi2 = 4 * 15**2 / 65 + ... = 1800 / 91 with 1 degree of freedom
    8.7e-06
    """
    p, q = same_bins(reference, current)
    smaller = min(p.sum(), q.sum()) / (p.sum() + q.sum())
    rare = (p + q) * smaller < POOLED_BELOW
    return _chi_square_p(_pooled(p, rare), _pooled(q, rare))


def ks_p(reference: ArrayLike, current: ArrayLike) -> float:
    """p-value of the two-sample Kolmogorov-Smirnov test, from the distance at the bins' edges. Bins are in order.

    ``K(sqrt(n * m / (n + m)) * D)``, K the survival function of Kolmogorov's distribution. The distance at the edges is never
    above that of the raw rows and ties only lower it, so the p-value errs to the large side: it never claims evidence that
    the rows do not have. In ``[0, 1]``, smaller = more evidence. Source: Smirnov 1948, doi:10.1214/aoms/1177730256.

    >>> round(ks_p([50, 50], [80, 20]), 6)  # D = 0.3, effective n = 50: 2 * (exp(-9) - exp(-36) + ...)
    0.000247
    """
    p, q = same_bins(reference, current)
    n, m = p.sum(), q.sum()
    return float(kolmogorov(np.sqrt(n * m / (n + m)) * ks(p, q)))


def correlation_change_p(reference: float, reference_n: int, current: float, n: int) -> float:
    """p-value of the difference of two correlations in [-1, 1], of at least 4 rows each, by Fisher's transformation.

    ``z = (atanh(r) - atanh(s)) / sqrt(1 / (n - 3) + 1 / (m - 3))`` against a standard normal, both sides. In ``[0, 1]``, smaller = more
    evidence. Exact for large samples of normal pairs; heavy tails make it too small. Source: Fisher 1921, Metron 1, 3-32.

    >>> round(correlation_change_p(0.0, 103, 0.2, 103), 6)  # atanh(0.2) / sqrt(0.02) = 1.433536
    0.151705
    """
    if reference == current:
        return 1.0
    with np.errstate(divide="ignore"):  # a correlation of 1 lies infinitely far from any other
        apart = abs(np.arctanh(reference) - np.arctanh(current))
    return float(2 * ndtr(-apart / np.sqrt(1 / (reference_n - 3) + 1 / (n - 3))))


def _pooled(counts: Floats, rare: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    return np.append(counts[~rare], counts[rare].sum())


def _chi_square_p(p: Floats, q: Floats) -> float:
    held = p + q > 0
    if held.sum() < 2:
        return 1.0
    table = np.stack([p[held], q[held]])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(chdtrc(held.sum() - 1, ((table - expected) ** 2 / expected).sum()))
