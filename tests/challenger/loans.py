"""Weeks of loans whose outcome stands in a feature, and models that know so much of it: for tests of what comes after training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.evaluation.look import Look, look_at
from vigil.window import Window
from vigil.workspace import Workspace

MODEL = "loans"
FIRST = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
ROWS = 200  # a week
SPEC = """\
model: loans
owner: risk
task: binary
source: {predictions: log.parquet, labels: labels.parquet}
columns: {latency_ms: null, error: null, inclusion_probability: null}
features: {truth: numeric}
window: {days: 7}
performance: {metric: METRIC, tolerated_loss: 0.1}
training: {trainer: "absent:train", include_reference: false, windows: 1, holdout_windows: 1}
comparison: COMPARISON
"""


class Knows:
    """A model that leans to the outcome by its knowledge: 0 says 0.5 to everything, 1 is always right."""

    classes_ = (0, 1)

    def __init__(self, knowledge: float) -> None:
        self.knowledge = knowledge

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        share = 0.5 + self.knowledge * (rows["truth"].to_numpy() - 0.5)
        return np.column_stack([1 - share, share])


def write_spec(folder: Path, comparison: str, metric: str = "brier") -> None:
    (folder / "models").mkdir(exist_ok=True)
    (folder / "vigil.yaml").write_text("project: loans\n")
    (folder / "models" / "loans.yaml").write_text(SPEC.replace("METRIC", metric).replace("COMPARISON", comparison))


def write_weeks(folder: Path, weeks: int) -> None:
    """Version 2 served all of them; its scores follow the outcome loosely. Labels come after an hour."""
    count, rng = ROWS * weeks, np.random.default_rng(1)
    week, place = np.divmod(np.arange(count), ROWS)
    label = (rng.random(count) < 0.5).astype(int)
    time = [FIRST.start + timedelta(days=7 * int(w), minutes=30 * int(p)) for w, p in zip(week, place, strict=True)]
    rows = pd.DataFrame({"prediction_id": [f"p{i}" for i in range(count)], "event_time": time, "truth": label.astype(float)})
    scores = np.clip(0.5 + 0.4 * (label - 0.5) + rng.normal(0, 0.1, count), 0, 1)
    rows.assign(model_version="2", score=scores).to_parquet(folder / "log.parquet")
    rows[["prediction_id"]].assign(label=label, observed_at=rows["event_time"] + timedelta(hours=1)).to_parquet(folder / "labels.parquet")


def look(work: Workspace, week: int) -> Look:
    """A look at a week, a day after its end."""
    window = FIRST.shifted(week)
    return look_at(work.source, work.store, work.spec, window, window.end + timedelta(days=1))
