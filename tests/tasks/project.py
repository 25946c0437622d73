"""A project on disk with one model, rows of a reference and of one week, and its first version in a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.evaluation.look import Look, evaluation_of, look_at
from vigil.measurement import Measurement
from vigil.profile.reference import reference_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.records import Version
from vigil.window import Window
from vigil.workspace import Workspace

WINDOW = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
AS_OF = WINDOW.end + timedelta(days=1)
FEATURES: dict[str, Any] = {"amount": "numeric", "age": {"type": "numeric", "method": "ks"}, "plan": "categorical"}


def spec_of(**changes: Any) -> ModelSpec:
    """A binary model of three features; ``changes`` replace whole keys."""
    whole: dict[str, Any] = {
        "model": "churn",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
        "features": FEATURES,
        "window": {"days": 7},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.05},
        "training": {"trainer": "trainer:train"},
    }
    return ModelSpec.model_validate(whole | changes)


def customers(count: int, seed: int) -> pd.DataFrame:
    """Rows of the features: amount normal (100, 20), age uniform [20, 70), plan a, b or c."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"amount": rng.normal(100, 20, count), "age": rng.uniform(20, 70, count), "plan": rng.choice(["a", "b", "c"], count)}
    )


def scored(count: int, seed: int = 1, **changes: Any) -> pd.DataFrame:
    """A week's predictions of version 1, with the true ``label`` (1 with the score's probability)."""
    rng = np.random.default_rng(seed + 100)
    score = rng.uniform(size=count)
    rows = customers(count, seed).assign(
        prediction_id=[f"p{i:05}" for i in range(count)],
        event_time=pd.date_range(WINDOW.start, WINDOW.end, periods=count + 1)[:-1].as_unit("us"),
        model_version="1",
        score=score,
        latency_ms=1.0,
        error=pd.Series([None] * count, dtype="str"),
        label=(rng.uniform(size=count) < score).astype(int),
    )
    return rows.assign(**changes)


def write_files(folder: Path, rows: pd.DataFrame, reference: pd.DataFrame | None = None) -> None:
    """Write the log, all labels, and the reference."""
    for name in ("log", "labels"):
        (folder / name).mkdir(exist_ok=True)
    known = pd.DataFrame({"prediction_id": rows["prediction_id"], "label": rows["label"], "inclusion_probability": 1.0})
    known.assign(observed_at=pd.Timestamp(WINDOW.end).as_unit("us")).to_parquet(folder / "labels" / "0.parquet")
    rows.drop(columns="label").to_parquet(folder / "log" / "0.parquet")
    (customers(2000, seed=0).assign(label=0) if reference is None else reference).to_parquet(folder / "reference.parquet")


def version_of_reference(source: ModelSource, spec: ModelSpec, **training: Any) -> Version:
    """Version 1, trained on the reference rows."""
    rows = source.reference_rows().select(*spec.features)
    layout, profile = reference_of(rows, rows.mutate(**{spec.columns.score: 0.5}), spec)
    return Version(
        model=spec.model,
        version="1",
        registered_at=WINDOW.start,
        spec_hash=spec.hash,
        metric=spec.performance.metric.value,
        baseline=None,
        importance={},
        training={"trained_on": [], "include_reference": True} | training,
        layout=layout.to_json(),
        profile=profile.to_json(),
    )


def adopted_project(folder: Path, rows: pd.DataFrame, **changes: Any) -> Workspace:
    """A project whose store knows version 1."""
    spec = spec_of(**changes)
    write_files(folder, rows)
    (folder / "models").mkdir()
    (folder / "vigil.yaml").write_text("project: p\n")
    (folder / "models" / "churn.yaml").write_text(json.dumps(spec.model_dump(mode="json", exclude_unset=True)))
    work = Workspace.open(folder, spec.model)
    work.store.save_version(version_of_reference(work.source, spec))
    return work


def look_of(work: Workspace, measurements: tuple[Measurement, ...] | None = None) -> Look:
    """A look at the week; with ``measurements`` it is in the store."""
    look = look_at(work.source, work.store, work.spec, WINDOW, AS_OF)
    if measurements is not None:
        work.store.record_evaluation(evaluation_of(look, quality_passed=True), measurements)
    return look
