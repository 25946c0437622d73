"""Verdicts over 1,000 seeded windows of 20 features at each size, drawn as counts: a window of 200,000 rows costs what one of 200 does.

Differs from :mod:`tests.drift.test_calibration`, which draws rows of many shapes and methods against one reference: here each
window has a reference of its own, so that what is promised over references is what is counted.

Counts instead of rows, because they have the same distribution. Given the chances of the bins, the counts of n independent rows
are multinomial, whatever the rows. A numeric feature's edges are every 500th of its reference's 10,000 sorted values. With F the
continuous distribution of both sides, F of those values are the order statistics of 10,000 uniform ones, and the gaps between every
500th are Dirichlet(500, ..., 500) (the last, beyond the 9,500th, Dirichlet 501; Wilks 1962, 8.7): these are the chances of the bins,
and the reference itself has 500 rows in each. So its sampling noise is in the edges. (The engine's quantiles interpolate, which moves
an edge by less than one row of the 500.) Categories are fixed before anything is
drawn, so there both sides are multinomial.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom, norm

from tests.profile.build import layout_with, make_spec, profile_of
from vigil.drift.false_alarms import expected_false_alarms
from vigil.drift.measure import measure_drift
from vigil.profile.layout import BINS
from vigil.profile.profile import Profile

WINDOWS = 1_000
REFERENCE_ROWS = 10_000
RATE = 0.01
PROMISED = int(binom.ppf(0.999, WINDOWS, RATE))  # 21: more than these happen in 1 of 1,000 runs at the rate itself; the seed is fixed
NUMERIC, CATEGORICAL = [f"x{i}" for i in range(15)], [f"c{i}" for i in range(5)]
SPEC = make_spec(dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(CATEGORICAL, "categorical"))
LEVELS = 12
ZIPF = np.array([1 / rank for rank in range(1, LEVELS + 1)]) / sum(1 / rank for rank in range(1, LEVELS + 1))
LAYOUT = layout_with(
    {name: [float(edge) for edge in range(1, BINS)] for name in NUMERIC}, {name: [f"l{i}" for i in range(LEVELS)] for name in CATEGORICAL}
)
GAPS = np.append(np.full(BINS - 1, REFERENCE_ROWS / BINS), REFERENCE_ROWS / BINS + 1)


@pytest.mark.parametrize("rows", [200, 2_000, 200_000])
def test_windows_without_drift_breach_no_more_often_than_promised(rows: int) -> None:
    """With the default thresholds; every feature is judged in every window."""
    assert {len(window) for window in judged(rows)} == {20}
    assert sum(any(over and beyond for over, beyond in window.values()) for window in judged(rows)) <= PROMISED


@pytest.mark.parametrize("rows", [200, 2_000, 200_000])
def test_the_promise_of_check_holds_by_evidence_alone(rows: int) -> None:
    """Without any threshold only the p-values stand between chance and an alarm: what `vigil check` prints, at 1,000 windows."""
    found = [sum(beyond for _, beyond in window.values()) for window in judged(rows)]
    assert sum(map(bool, found)) <= PROMISED
    promised = expected_false_alarms(SPEC)
    per_window = promised.features / promised.windows_per_year
    error = 4 * math.sqrt(per_window * (1 + 2 * RATE) / WINDOWS)  # alarms are near a Poisson count, here and there two at once
    assert sum(found) / WINDOWS <= per_window + error


def test_a_shift_of_psi_a_quarter_in_one_of_twenty_features_is_found() -> None:
    """In at least 95 % of windows at 2,000 rows. A normal feature that moves by d standard deviations has PSI d**2; 0.5**2 = 0.25."""
    assert sum(all(window["x0"]) for window in judged(2_000, shift=0.5, windows=300)) >= 0.95 * 300


@cache
def judged(rows: int, *, shift: float = 0.0, windows: int = WINDOWS) -> tuple[dict[str, tuple[bool, bool]], ...]:
    """Say of each window and feature: is the statistic over its threshold, is the evidence beyond chance? A breach is both."""
    rng = np.random.default_rng([rows, int(100 * shift)])
    pairs = (pair(rng, rows, shift) for _ in range(windows))
    return tuple(
        {
            m.subject: (m.value > m.threshold, m.detail["p_adjusted"] < RATE)
            for m in measure_drift(window, reference, SPEC, importance={}, version="1")
            if m.threshold is not None and m.subject in SPEC.features and m.value is not None
        }
        for window, reference in pairs
    )


def pair(rng: np.random.Generator, rows: int, shift: float) -> tuple[Profile, Profile]:
    """A window and the reference that it is compared with."""
    chances = rng.dirichlet(GAPS, len(NUMERIC))
    if shift:
        chances[0] = moved(chances[0], shift)
    now = dict(zip(NUMERIC, rng.multinomial(rows, chances).tolist(), strict=True))
    then = dict.fromkeys(NUMERIC, [REFERENCE_ROWS // BINS] * BINS)
    sides = [{name: [*rng.multinomial(n, ZIPF).tolist(), 0, 0] for name in CATEGORICAL} for n in (rows, REFERENCE_ROWS)]
    return profile_of(LAYOUT, now, sides[0]), profile_of(LAYOUT, then, sides[1])


def moved(chances: np.ndarray, shift: float) -> np.ndarray:
    """The chances of the same bins after a standard normal has moved by ``shift``."""
    edges = norm.ppf(np.minimum(np.concatenate([[0.0], np.cumsum(chances)]), 1.0))
    return np.array([norm.cdf(high - shift) - norm.cdf(low - shift) for low, high in pairwise(edges)])
