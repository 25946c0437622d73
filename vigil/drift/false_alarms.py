"""How often verdicts of drift cry wolf where nothing drifts: computed from the specification, before any data.

Differs from :mod:`.multiplicity`, which adjusts the p-values of one window: here its promise is added up over a year.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vigil.spec.model import ModelSpec

DAYS_OF_A_YEAR = 365.25


@dataclass(frozen=True)
class FalseAlarms:
    """What is expected in a year without drift, at most: windows with a false feature alarm, and false feature alarms in them."""

    windows_per_year: float
    windows: float
    features: float


def expected_false_alarms(spec: ModelSpec) -> FalseAlarms:
    """Return what the specification promises for a year of windows in which nothing drifts.

    With W = 365.25 / days windows a year, m features and the false discovery rate q: ``W * q`` windows with any false alarm (where
    all hypotheses are true the false discovery rate is the chance of any rejection), also for positively dependent features; and
    ``W * E[V]`` false feature alarms, E[V] of :func:`expected_rejections`, for independent ones. Both are upper ends: a feature
    alarms only where its statistic is over its threshold too. The prediction is tested apart, at q, and is not counted.

    The expectation is over references as well as windows. One reference serves many windows, so with far more rows in a window than
    in the reference a year's false evidence comes in a run or not at all: it is the threshold that then stands against it.
    """
    windows_per_year, q = DAYS_OF_A_YEAR / spec.window.days, spec.drift.false_discovery_rate
    return FalseAlarms(windows_per_year, windows_per_year * q, windows_per_year * expected_rejections(len(spec.features), q))


def expected_rejections(tests: int, rate: float) -> float:
    """Return E[V]: how many of m independent tests Benjamini-Hochberg at rate q rejects on average where none should be.

    ``sum over k of k * P(V = k)``, ``P(V = k) = C(m, k) (k q / m)^k (1 - k q / m)^(m - k - 1) (1 - q)``: k p-values lie below k q / m,
    and of the others none crosses the line beyond (the ballot theorem). At least q, and below ``q / (1 - q)^2`` however many
    tests. Source: Finner & Roters 2002, doi:10.1214/aos/1015362191.

    >>> round(expected_rejections(1, 0.05), 9)
    0.05
    >>> round(expected_rejections(2, 0.1), 9)  # P(V = 2) = 0.1^2; P(V = 1) = 2 * 0.05 * 0.9
    0.11
    """
    if not (tests >= 1 and 0 < rate < 1):
        raise ValueError(f"expected at least one test and a rate between 0 and 1, got {tests} and {rate}")
    return math.fsum(k * _rejects_exactly(k, tests, rate) for k in range(1, tests + 1))


def _rejects_exactly(k: int, m: int, q: float) -> float:
    line = k * q / m
    log_choose = math.lgamma(m + 1) - math.lgamma(k + 1) - math.lgamma(m - k + 1)
    return math.exp(log_choose + k * math.log(line) + (m - k - 1) * math.log1p(-line)) * (1 - q)
