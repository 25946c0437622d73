"""Verdicts under no drift and under drift, over many seeded windows: how often vigil cries wolf, and how often it sees one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from tests.profile.build import counted, make_spec
from vigil.drift.measure import measure_drift
from vigil.measurement import Verdict
from vigil.profile.layout import BINS, Layout, edges_at, scale_at
from vigil.profile.profile import CategoricalSummary, NumericSummary, Profile

WINDOWS = 100
PROMISED = int(binom.ppf(0.999, WINDOWS, 0.01))  # more than these happen in 1 of 1,000 runs at the rate itself; the seed is fixed
NUMERIC = {f"x{i}": "numeric" for i in range(15)}
CATEGORICAL = {f"c{i}": "categorical" for i in range(5)}
LEVELS = 60  # 50 of them counted one by one, the rest together
ZIPF = np.array([1 / rank for rank in range(1, LEVELS + 1)]) / sum(1 / rank for rank in range(1, LEVELS + 1))
METHODS = [("psi", "psi"), ("ks", "chi_square"), ("wasserstein", "jensen_shannon")]

Columns = dict[str, np.ndarray]


@pytest.mark.parametrize(("numeric", "categorical"), METHODS)
def test_windows_without_drift_breach_no_more_often_than_promised(numeric: str, categorical: str) -> None:
    """20 features of which none drifts: a breach of any in no more windows than the false discovery rate of 1 % allows.

    The default method at three sizes, in more windows: see ``test_calibration_at_scale``.
    """
    assert windows_with_a_breach(200, numeric, categorical) <= PROMISED


@pytest.mark.parametrize(("numeric", "categorical"), METHODS[:2])
def test_evidence_alone_holds_the_rate(numeric: str, categorical: str) -> None:
    """With thresholds near 0 only the p-values stand between chance and a breach."""
    assert windows_with_a_breach(2_000, numeric, categorical, **{numeric: 1e-9, categorical: 1e-9}) <= PROMISED


@pytest.mark.parametrize(("numeric", "categorical"), METHODS[:2])
def test_a_shift_of_psi_a_quarter_in_one_of_twenty_features_is_found(numeric: str, categorical: str) -> None:
    """At 2,000 rows, in at least 95 % of windows. A normal feature that moves by d standard deviations has PSI d**2; 0.5**2 = 0.25."""
    assert windows_with_a_breach(2_000, numeric, categorical, shift=0.5, feature="x0") >= 0.95 * WINDOWS


def windows_with_a_breach(
    rows: int, numeric: str, categorical: str, *, shift: float = 0.0, feature: str | None = None, **thresholds: float
) -> int:
    """Count the windows in which any feature breaches, or ``feature``; x0 is shifted by ``shift`` standard deviations."""
    spec = make_spec(NUMERIC | CATEGORICAL, drift={"numeric": numeric, "categorical": categorical, **thresholds})
    reference, windows = simulated(rows, shift)
    found = 0
    for window in windows:
        measured = measure_drift(window, reference, spec, importance={}, version="1")
        breaches = {m.subject for m in measured if m.verdict is Verdict.BREACH and m.subject != "*"}
        found += bool(breaches) if feature is None else feature in breaches
    return found


@cache
def simulated(rows: int, shift: float) -> tuple[Profile, tuple[Profile, ...]]:
    """A reference of 10,000 rows and the windows, from the same source."""
    rng = np.random.default_rng([rows, int(100 * shift)])
    values, levels = draw(rng, 10_000, 0.0)
    points = {name: np.quantile(x, np.arange(1, BINS) / BINS).tolist() for name, x in values.items()}
    layout = Layout(
        numeric={name: edges_at(q, values[name].min(), values[name].max(), whole=False) for name, q in points.items()},
        categorical=dict.fromkeys(CATEGORICAL, tuple(f"l{i}" for i in range(50))),
        scales={name: scale_at(q, values[name].min(), values[name].max()) for name, q in points.items()},
        tails=dict.fromkeys(CATEGORICAL, tuple(f"l{i}" for i in range(50, LEVELS))),
    )
    numeric = {name: counted(x, layout.numeric[name], layout.scales[name]) for name, x in values.items()}
    reference = Profile(layout.digest, 10_000, numeric, categories(layout, levels))
    return reference, tuple(window(rng, rows, shift, layout) for _ in range(WINDOWS))


def window(rng: np.random.Generator, rows: int, shift: float, layout: Layout) -> Profile:
    """A window's counts; its moments are left out, no verdict rests on them."""
    values, levels = draw(rng, rows, shift)
    numeric = {}
    for name, x in values.items():
        edges = layout.numeric[name]
        counts = np.bincount(np.searchsorted(np.array(edges), x, side="left"), minlength=len(edges) + 1)
        numeric[name] = NumericSummary(edges, layout.scales[name], tuple(counts.tolist()))
    return Profile(layout.digest, rows, numeric, categories(layout, levels))


def draw(rng: np.random.Generator, rows: int, shift: float) -> tuple[Columns, Columns]:
    """Five normal, five lognormal and five Poisson features; five categories of 60 levels, from common to rare."""
    kinds = [rng.normal, rng.lognormal, lambda size: rng.poisson(4.0, size).astype(float)]
    values = {name: kinds[i % 3](size=rows) for i, name in enumerate(NUMERIC)}
    values["x0"] += shift
    return values, {name: rng.multinomial(rows, ZIPF) for name in CATEGORICAL}


def categories(layout: Layout, levels: Columns) -> dict[str, CategoricalSummary]:
    return {
        name: CategoricalSummary(layout.categorical[name], tuple(counts[:50].tolist()), other=int(counts[50:].sum()))
        for name, counts in levels.items()
    }
