"""Evidently computes the same numbers where it uses the same bins: the picture and the decision tell one story."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vigil.drift.statistics import jensen_shannon, psi, wasserstein, wasserstein_binning_error


@pytest.fixture(scope="module")
def evidently() -> dict[str, object]:
    """Evidently's statistics, imported once (it takes seconds): name -> function of (reference, current, type, threshold)."""
    from evidently.legacy.calculations.stattests import jensenshannon, psi, wasserstein_distance_norm

    return {
        "psi": psi._psi,
        "jensen_shannon": jensenshannon._jensenshannon,
        "wasserstein": wasserstein_distance_norm._wasserstein_distance_norm,
    }


def category_samples(seed: int) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    names = np.array([f"k{i}" for i in range(8)])
    reference, current = rng.dirichlet(np.full(8, 2.0)), rng.dirichlet(np.full(8, 2.0))
    return pd.Series(rng.choice(names, 3_000, p=reference)), pd.Series(rng.choice(names[:7], 700, p=current[:7] / current[:7].sum()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "ours"), [("psi", psi), ("jensen_shannon", jensen_shannon)])
def test_categories_give_evidentlys_value(evidently: dict, name: str, ours: object, seed: int) -> None:
    """To 1e-12, also where a category of the reference is gone (a share of 0)."""
    from evidently.legacy.core import ColumnType

    reference, current = category_samples(seed)
    names = sorted(set(reference) | set(current))
    counts = [[int((side == level).sum()) for level in names] for side in (reference, current)]
    theirs, _ = evidently[name](reference, current, ColumnType.Categorical, 0.1)
    assert ours(*counts) == pytest.approx(theirs, abs=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "ours"), [("psi", psi), ("jensen_shannon", jensen_shannon)])
def test_numbers_give_evidentlys_value_in_its_bins(evidently: dict, name: str, ours: object, seed: int) -> None:
    """Evidently cuts both samples together by Sturges' rule; counted there, the values are equal to 1e-12."""
    from evidently.legacy.core import ColumnType

    rng = np.random.default_rng(seed)
    reference, current = pd.Series(rng.normal(size=2_000)), pd.Series(rng.normal(0.3, 1.1, 500))
    bins = np.histogram_bin_edges(np.concatenate([reference, current]), bins="sturges")
    theirs, _ = evidently[name](reference, current, ColumnType.Numerical, 0.1)
    assert ours(np.histogram(reference, bins)[0], np.histogram(current, bins)[0]) == pytest.approx(theirs, abs=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(5))
def test_wasserstein_is_within_its_stated_error_of_evidentlys(evidently: dict, seed: int) -> None:
    """In reference standard deviations on both sides; the window stays inside the reference's range."""
    from evidently.legacy.core import ColumnType

    rng = np.random.default_rng(seed)
    reference, current = pd.Series(rng.uniform(0, 10, 2_000)), pd.Series(rng.uniform(2, 8, 500))
    edges = np.quantile(reference, np.arange(1, 20) / 20)
    p, q = (np.bincount(np.searchsorted(edges, side), minlength=20) for side in (reference, current))
    unit = {"low": reference.min(), "high": reference.max(), "std": float(np.std(reference))}
    theirs, _ = evidently["wasserstein"](reference, current, ColumnType.Numerical, 0.1)
    assert abs(wasserstein(p, q, edges.tolist(), **unit) - theirs) <= wasserstein_binning_error(p, q, edges.tolist(), **unit)
