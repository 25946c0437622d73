"""One small specification that the tests of the challenger share."""

from __future__ import annotations

from typing import Any

from vigil.spec.model import ModelSpec

SPEC: dict[str, Any] = {
    "model": "delay",
    "owner": "ops",
    "task": "binary",
    "source": {"predictions": "predictions/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
    "features": {"wind": "numeric", "carrier": "categorical"},
    "window": {"days": 7, "anchor": "2013-03-04"},
    "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
    "training": {"trainer": "trainer:train", "windows": 3, "holdout_windows": 2, "minimum_rows": 10},
    "comparison": {"minimum_rows": 20},
}


def spec_of(**changes: Any) -> ModelSpec:
    """Return the specification; sections are merged with the given ones, other keys and the features replaced."""
    merged = {
        key: {**SPEC[key], **value} if isinstance(value, dict) and key in SPEC and key != "features" else value
        for key, value in changes.items()
    }
    return ModelSpec.model_validate({**SPEC, **merged})
