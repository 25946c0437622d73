"""Specifications and tables that are small enough to count by hand, and a profile counted by numpy instead of an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from vigil.profile.layout import Layout, Scale
from vigil.profile.profile import FIXED_POINT, CategoricalSummary, NumericSummary, Profile
from vigil.spec.model import ModelSpec


def make_spec(features: Mapping[str, Any], **changes: Any) -> ModelSpec:
    """A binary model with these features; ``changes`` replace whole keys."""
    whole: dict[str, Any] = {
        "model": "m",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
        "features": dict(features),
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:fit", "include_reference": False},
    }
    return ModelSpec.model_validate(whole | changes)


def table(**columns: Any) -> ibis.Table:
    """An Ibis table on DuckDB; a column is a list or a pyarrow array."""
    return ibis.memtable(pa.table(columns))


def layout_with(edges: Mapping[str, Sequence[float]], levels: Mapping[str, Sequence[str]] | None = None) -> Layout:
    """A layout with these edges and categories, unit 1 around 0, and no tail."""
    levels = levels or {}
    return Layout(
        numeric={name: tuple(values) for name, values in edges.items()},
        categorical={name: tuple(values) for name, values in levels.items()},
        scales={name: Scale(0.0, 1.0) for name in edges},
        tails=dict.fromkeys(levels, ()),
    )


def counted(values: Sequence[float | None], edges: Sequence[float], scale: Scale) -> NumericSummary:
    """The summary of ``values``, by numpy."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    steps = [_steps(value, scale) for value in finite.tolist()]
    return NumericSummary(
        edges=tuple(edges),
        scale=scale,
        counts=tuple(np.bincount(np.searchsorted(np.array(edges), finite, side="left"), minlength=len(edges) + 1).tolist()),
        nulls=sum(value is None for value in values),
        nans=sum(value is not None and math.isnan(value) for value in values),
        plus_infs=int((numbers == np.inf).sum()),
        minus_infs=int((numbers == -np.inf).sum()),
        minimum=float(finite.min()) if finite.size else None,
        maximum=float(finite.max()) if finite.size else None,
        total=sum(steps),
        squares=sum(math.floor(float(step) * float(step) / FIXED_POINT + 0.5) for step in steps),
    )


def profile_of(layout: Layout, numeric: Mapping[str, Sequence[int]], categorical: Mapping[str, Sequence[int]] | None = None) -> Profile:
    """A profile with these counts: per bin for a number; per level, then other, then unseen for a category."""
    categorical = categorical or {}
    sizes = [sum(counts) for counts in [*numeric.values(), *categorical.values()]]
    return Profile(
        layout=layout.digest,
        rows=max(sizes),
        numeric={name: NumericSummary(layout.numeric[name], layout.scales[name], tuple(counts)) for name, counts in numeric.items()},
        categorical={
            name: CategoricalSummary(layout.categorical[name], tuple(counts[:-2]), other=counts[-2], unseen=counts[-1])
            for name, counts in categorical.items()
        },
    )


def _steps(value: float, scale: Scale) -> int:
    """Whole steps of the fixed point, in float64 as the engines compute."""
    near = min(max(value, scale.center - FIXED_POINT * scale.unit), scale.center + FIXED_POINT * scale.unit)
    steps = FIXED_POINT / scale.unit
    return math.floor(near * steps - scale.center * steps + 0.5)
