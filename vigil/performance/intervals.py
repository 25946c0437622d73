"""Confidence intervals from an estimate and its variance, each on the scale where the estimate is nearly normal.

All take ``df``, the degrees of freedom of the variance, and use Student's t: with few effective labels the variance
itself is uncertain. Bare cores: they expect finite numbers and ``0.5 < confidence < 1``.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

Interval = tuple[float, float]


def quantile(confidence: float, df: float) -> float:
    """The two-sided Student quantile; fewer than one degree of freedom counts as one."""
    return float(stdtrit(max(df, 1.0), (1 + confidence) / 2))


def log_interval(value: float, variance: float, df: float, confidence: float) -> Interval:
    """``value * exp(-+ t * se / value)``, for means of losses: positive, skewed to the right.

    A loss of 0 has the interval (0, 0): no row had any loss, and nothing bounds the size of those not seen.

    >>> [round(end, 3) for end in log_interval(0.5, 0.0025, 1e9, 0.95)]
    [0.411, 0.608]
    """
    if value <= 0:
        return value, value
    half = min(quantile(confidence, df) * math.sqrt(variance) / value, 600.0)  # finite, however little is known
    return value * math.exp(-half), value * math.exp(half)


def skewed_interval(value: float, variance: float, skewness: float, df: float, confidence: float) -> Interval:
    """Hall's interval, ``value - se * g(+-t)`` with ``g(x) = 3/a ((1 + a (x - a/6))^(1/3) - 1)``, ``a`` the estimate's skewness.

    For a mean that is at least 0 and more skewed than the log scale takes away, as that of squared errors; not below 0.
    Hall 1992, doi:10.1111/j.2517-6161.1992.tb01876.x. Without skewness it is ``value -+ t * se``.

    >>> [round(end, 3) for end in skewed_interval(1.0, 0.01, 0.3, 1e9, 0.95)]
    [0.837, 1.265]
    """
    t, se = quantile(confidence, df), math.sqrt(variance)

    def corrected(x: float) -> float:
        return 3 / skewness * (float(np.cbrt(1 + skewness * (x - skewness / 6))) - 1) if abs(skewness) > 1e-9 else x

    return max(value - se * corrected(t), 0.0), value - se * corrected(-t)


def logit_interval(value: float, variance: float, df: float, confidence: float) -> Interval:
    """``logistic(logit(value) -+ t * se / (value (1 - value)))``, for an AUC strictly between 0 and 1.

    Pepe 2003, The Statistical Evaluation of Medical Tests, 5.2; it covers better than the plain interval near 1.
    """
    half = quantile(confidence, df) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    return _logistic(centre - half), _logistic(centre + half)


def wilson_interval(share: float, size: float, df: float, confidence: float) -> Interval:
    """Wilson's score interval for a share of ``size`` (effective) rows; not empty at 0 and 1.

    Wilson 1927, doi:10.1080/01621459.1927.10502953; with an effective size for unequal weights as Franco, Little, Louis &
    Slud 2019, doi:10.1093/jssam/smy019.

    >>> [round(end, 3) for end in wilson_interval(0.0, 100.0, 1e9, 0.95)]
    [0.0, 0.037]
    """
    z2 = quantile(confidence, df) ** 2
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = math.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
