"""A small project with a real MLflow registry on SQLite, for tests of the tasks that register and load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.linear_model import LogisticRegression

from vigil.challenger.candidate import ADOPTED, Candidate
from vigil.project import Project
from vigil.spec.model import ModelSpec
from vigil.spec.project import ProjectSpec

SPEC = ModelSpec.model_validate(
    {
        "model": "flight-delay",
        "owner": "ops@example.org",
        "description": "Will this flight arrive late?",
        "task": "binary",
        "source": {"predictions": "predictions/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
        "features": {"wind": "numeric", "carrier": "categorical"},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:train", "params": {"C": 0.5}, "seed": 7},
    }
)
ROWS = pd.DataFrame({"wind": [0.0, 1.0, 2.0, 3.0], "carrier": ["UA", "DL", "UA", "DL"], "label": [0, 0, 1, 1], "tail_number": "N1"})
MODEL = LogisticRegression().fit(ROWS[["wind"]], ROWS["label"])
DIGEST = "0123456789abcdef" * 4


def project(folder: Path, **mlflow: Any) -> Project:
    return Project(folder, ProjectSpec.model_validate({"mlflow": mlflow}), {SPEC.model: SPEC})


def candidate(decision_id: str = ADOPTED, **changes: Any) -> Candidate:
    known: dict[str, Any] = {
        "model": MODEL,
        "decision_id": decision_id,
        "example": ROWS,
        "training_digest": DIGEST,
        "lineage": {"trained_on": ["w1", "w2"], "holdout": ["w4"], "excluded": {"w3": "data quality failed"}},
        "metrics": {"holdout_roc_auc": 0.75},
        "importance": {"wind": 0.9, "carrier": 0.1},
        "layout": '{"layout": 1}',
        "profile": '{"profile": 1}',
        "baseline": 0.75,
        "parent": None,
        "code_version": "0.1.0",
    }
    return Candidate(**{**known, **changes})
