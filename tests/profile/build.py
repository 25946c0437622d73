"""Specifications and tables that are small enough to count by hand, and a profile counted by numpy instead of an engine."""

from __future__ import annotations

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


def counted(values: Sequence[float | None] | np.ndarray, edges: Sequence[float], scale: Scale) -> NumericSummary:
    """The summary of ``values``, by numpy; as in the engines, each step of the fixed point is computed in float64."""
    given = [value for value in values if value is not None]
    numbers = np.array(given, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    far, steps = FIXED_POINT * scale.unit, FIXED_POINT / scale.unit
    z = np.floor(np.clip(finite, scale.center - far, scale.center + far) * steps - scale.center * steps + 0.5)
    return NumericSummary(
        edges=tuple(edges),
        scale=scale,
        counts=tuple(np.bincount(np.searchsorted(np.array(edges), finite, side="left"), minlength=len(edges) + 1).tolist()),
        nulls=len(values) - len(given),
        nans=int(np.isnan(numbers).sum()),
        plus_infs=int((numbers == np.inf).sum()),
        minus_infs=int((numbers == -np.inf).sum()),
        minimum=float(finite.min()) + 0.0 if finite.size else None,
        maximum=float(finite.max()) + 0.0 if finite.size else None,
        total=sum(int(step) for step in z.tolist()),
        squares=sum(int(step) for step in np.floor(z * z / FIXED_POINT + 0.5).tolist()),
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
