"""A specification, a prediction log and labels that are small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec

Write = Callable[[str, pd.DataFrame], Path]
Open = Callable[..., ModelSource]


def make_spec(**changes: Any) -> ModelSpec:
    """A binary model with one numeric and one categorical feature; ``changes`` replace whole keys."""
    whole: dict[str, Any] = {
        "model": "m",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
        "features": {"x": "numeric", "origin": "categorical"},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:fit"},
    }
    return ModelSpec.model_validate(whole | changes)


def predictions(**changes: Any) -> pd.DataFrame:
    """Four predictions, at 00:00 and 12:00 of the first and second of March 2013 (no time zone)."""
    frame = {
        "prediction_id": ["a", "b", "c", "d"],
        "event_time": pd.to_datetime(["2013-03-01 00:00", "2013-03-01 12:00", "2013-03-02 00:00", "2013-03-02 12:00"]),
        "model_version": ["1", "1", "1", "2"],
        "score": [0.1, 0.2, 0.3, 0.4],
        "latency_ms": [10.0, 20.0, 30.0, 40.0],
        "error": pd.Series([None, None, None, "timeout"], dtype="string"),
        "x": [1.0, 2.0, 3.0, 4.0],
        "origin": ["EWR", "JFK", "EWR", None],
    }
    return pd.DataFrame(frame | changes)


def labels(**changes: Any) -> pd.DataFrame:
    """A label for a, b and c, observed on the third of March, each chosen with probability one half."""
    frame = {
        "prediction_id": ["a", "b", "c"],
        "observed_at": pd.to_datetime(["2013-03-03"] * 3),
        "label": [0, 1, 1],
        "inclusion_probability": [0.5, 0.5, 0.5],
    }
    return pd.DataFrame(frame | changes)
