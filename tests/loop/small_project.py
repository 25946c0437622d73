"""A small project whose loop can be foretold: one model, eight weeks, one planted data fault, one planted change of concept.

Week 2: an upstream rename (region A arrives as Z). From week 4 on, income works the other way round.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MODEL = "credit"
FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
ROWS = 800
FAULTY_WEEK, CHANGED_FROM = 2, 4
RETRAINED = CHANGED_FROM + 1  # lower performance in 2 of 3 weeks

PROJECT = "project: small\n"
SPEC = """\
model: credit
owner: risk@example.org
task: binary
source:
  predictions: data/predictions/*.parquet
  labels: data/labels/*.parquet
  reference: data/reference.parquet
features:
  income: numeric
  age: {type: numeric, minimum: 0, maximum: 120}
  region: categorical
segments: [region]
window: {days: 7}
quality: {minimum_rows: 100}
performance: {metric: roc_auc, tolerated_loss: 0.05}
training:
  trainer: trainer:train
  windows: 1
  include_reference: false
  holdout_windows: 1
  minimum_rows: 100
comparison: {promotion: PROMOTION, minimum_rows: 100, probation: {windows: 1, rollback: true}}
reports: {when: never}
"""
TRAINER = '''\
"""Logistic regression on three features."""

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(rows, spec, params):
    prepare = make_column_transformer((StandardScaler(), ["income", "age"]), (OneHotEncoder(handle_unknown="ignore"), ["region"]))
    model = make_pipeline(prepare, LogisticRegression())
    return model.fit(rows[list(spec.features)], rows["label"], logisticregression__sample_weight=rows["weight"])
'''


def week_start(week: int) -> datetime:
    return FIRST + timedelta(days=7 * week)


def as_of(week: int) -> str:
    """When a week is due: a day after its end."""
    return (week_start(week + 1) + timedelta(days=1)).isoformat()


def make_project(folder: Path, promotion: str = "automatic", project: str = PROJECT) -> Path:
    """Write the project, its trainer and its reference rows; no predictions yet."""
    (folder / "models").mkdir(parents=True)
    (folder / "data" / "predictions").mkdir(parents=True)
    (folder / "data" / "labels").mkdir()
    (folder / "vigil.yaml").write_text(project)
    (folder / "models" / "credit.yaml").write_text(SPEC.replace("PROMOTION", promotion))
    (folder / "trainer.py").write_text(TRAINER)
    rows = customers(week=-1, count=3000)
    rows.to_parquet(folder / "data" / "reference.parquet")
    return folder


def play_until_harm(folder: Path, project: str = PROJECT) -> Path:
    """Play all weeks up to the one that retrains, and look at those before it; `project` is what stands in vigil.yaml."""
    from flows.adopt import adopt

    make_project(folder, project=project)
    adopt(str(folder), MODEL, as_of=week_start(0).isoformat())
    summaries = []
    for week in range(RETRAINED + 1):
        play(folder, week)
        if week < RETRAINED:
            summaries.append(look_at(folder, week))
    (folder / "summaries.json").write_text(json.dumps(summaries))
    return folder


def copy_of(made: Path, folder: Path, promotion: str = "automatic") -> Path:
    """Copy what :func:`play_until_harm` made, with the promotion that its next weeks are looked at with."""
    shutil.copytree(made, folder)
    (folder / "models" / "credit.yaml").write_text(SPEC.replace("PROMOTION", promotion))
    return folder


def look_at(folder: Path, week: int = 0) -> dict[str, Any]:
    from flows.monitor import monitor

    return monitor(str(folder), MODEL, week_start(week).isoformat(), as_of(week))


def customers(week: int, count: int = ROWS) -> pd.DataFrame:
    """Return a week's customers with their outcome ``label``, seeded by the week."""
    rng = np.random.default_rng(1000 + week)
    income, age = rng.normal(50, 10, count), rng.uniform(20, 70, count)
    region = rng.choice(["A", "B", "C"], count)
    direction = -1.0 if week >= CHANGED_FROM else 1.0
    chance = 1 / (1 + np.exp(-(direction * (income - 50) / 5 + (region == "B") * 0.5)))
    start = week_start(week)
    return pd.DataFrame(
        {
            "prediction_id": [f"w{week}-{i}" for i in range(count)],
            "event_time": [start + timedelta(minutes=10 * i) for i in range(count)],
            "income": income,
            "age": age,
            "region": region,
            "label": (rng.uniform(size=count) < chance).astype(int),
        }
    )


def play(folder: Path, week: int) -> None:
    """Score one week with the champion of the moment; write its predictions and half of its labels."""
    from tasks.registry import Registry
    from vigil.challenger.fit import score
    from vigil.project import Project

    project = Project.open(folder)
    spec, champion = project.model(MODEL), project.store().champion(MODEL)
    assert champion is not None
    rows = customers(week)
    outcome = rows.pop("label")
    if week == FAULTY_WEEK:
        rows["region"] = rows["region"].replace("A", "Z")
    scores = score(Registry(project).load_model(MODEL, champion.version), rows, spec)
    log = rows.assign(model_version=champion.version, score=scores, latency_ms=1.5, error=pd.Series([None] * len(rows), dtype="str"))
    log.to_parquet(folder / "data" / "predictions" / f"{week:02}.parquet")
    chosen = np.random.default_rng(2000 + week).uniform(size=len(rows)) < 0.5
    labels = pd.DataFrame(
        {
            "prediction_id": rows["prediction_id"][chosen],
            "label": outcome[chosen],
            "observed_at": rows["event_time"][chosen] + timedelta(hours=12),
            "inclusion_probability": 0.5,
        }
    )
    labels.to_parquet(folder / "data" / "labels" / f"{week:02}.parquet")
