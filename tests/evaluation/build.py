"""A model of two features with two days of predictions, a file each, and one call that looks at a day as the monitor flow does."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.validate import validate_window
from vigil.evaluation.look import Look, evaluation_of, look_at, quarantined
from vigil.evaluation.measure import drift_of, health_of, performance_of, profiles_of, quality_passed, version_of
from vigil.measurement import Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.profile.reference import reference_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.records import PromotionKind, Version
from vigil.window import Window
from vigil.workspace import Workspace, open_source

MODEL = "m"
FIRST = Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC))
SECOND = FIRST.shifted(1)
ROWS = 300
FEATURES: dict[str, Any] = {"amount": "numeric", "plan": "categorical"}
_MADE = tempfile.TemporaryDirectory(prefix="vigil-tests-made-")


def spec_of(**changes: Any) -> ModelSpec:
    """A binary model; ``changes`` replace whole keys."""
    whole: dict[str, Any] = {
        "model": MODEL,
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
        "features": FEATURES,
        "quality": {"minimum_rows": 100},
        "drift": {"minimum_rows": 100},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.05},
        "training": {"trainer": "trainer:train"},
    }
    return ModelSpec.model_validate(whole | changes)


def customers(count: int, seed: int) -> pd.DataFrame:
    """Rows of the features: amount normal (100, 20), plan a, b or c."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"amount": rng.normal(100, 20, count), "plan": rng.choice(["a", "b", "c"], count)})


def day_of(window: Window = FIRST, count: int = ROWS, **changes: Any) -> pd.DataFrame:
    """A day's predictions of version 1, a minute apart, as drawn as the reference; ``changes`` replace columns."""
    name = f"{window.start:%m%d}"
    rows = customers(count, seed=window.start.day).assign(
        prediction_id=[f"{name}-{i:05}" for i in range(count)],
        event_time=pd.date_range(window.start, periods=count, freq="min").as_unit("us"),
        model_version="1",
        score=np.random.default_rng(7).uniform(size=count),
        latency_ms=1.0,
        error=pd.Series([None] * count, dtype="str"),
    )
    return rows.assign(**changes)


def write(work: Workspace, window: Window, rows: pd.DataFrame | pa.Table, **options: Any) -> Path:
    """Write a day's file anew."""
    path = work.project.folder / "log" / f"{window.start:%m%d}.parquet"
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    pq.write_table(table, path, **options)
    return path


def make_work(folder: Path, *, renamed: Mapping[str, str] | None = None, **changes: Any) -> Workspace:
    """A project with both days, all their labels, and version 1, which was trained on the reference. ``renamed``: features.

    Each kind is made once a process and copied.
    """
    kind = hashlib.sha256(repr((renamed, sorted(changes.items()))).encode()).hexdigest()
    made = Path(_MADE.name) / kind
    if not made.exists():
        _make(made, renamed or {}, changes)
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return Workspace.open(folder, MODEL)


def _make(folder: Path, names: Mapping[str, str], changes: Mapping[str, Any]) -> None:
    features = {names.get(name, name): kind for name, kind in FEATURES.items()}
    spec = spec_of(**{"features": features} | dict(changes))
    for name in ("log", "labels", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "vigil.yaml").write_text("project: p\n")
    (folder / "models" / f"{MODEL}.yaml").write_text(json.dumps(spec.model_dump(mode="json", exclude_unset=True)))
    scored = customers(3000, seed=0).assign(label=0, score=np.random.default_rng(6).uniform(size=3000))
    scored.rename(columns=names).to_parquet(folder / "reference.parquet")
    work = Workspace.open(folder, MODEL)
    for window in (FIRST, SECOND):
        rows = day_of(window).rename(columns=names)
        write(work, window, rows)
        label = (np.random.default_rng(8).uniform(size=len(rows)) < rows["score"]).astype(int)
        labels = pd.DataFrame({"prediction_id": rows["prediction_id"], "label": label, "inclusion_probability": 1.0})
        labels.assign(observed_at=pd.Timestamp(window.end).as_unit("us")).to_parquet(folder / "labels" / f"{window.start:%m%d}.parquet")
    work.store.save_version(_version(work.source, spec))
    work.store.move_champion(MODEL, "1", expected_token=0, kind=PromotionKind.ADOPTED, by="t", reason="first", at=FIRST.start)
    work.store.close()


def _version(source: ModelSource, spec: ModelSpec) -> Version:
    rows = source.reference_rows()
    layout, profile = reference_of(rows.select(*spec.features), rows.select(*spec.features, "score"), spec)
    return Version(MODEL, "1", FIRST.start, spec.hash, "roc_auc", 0.5, {}, {}, layout.to_json(), profile.to_json())


@dataclass(frozen=True)
class Seen:
    """What one look found."""

    look: Look
    new: bool
    measured: Mapping[tuple[str, str], Measurement]

    @property
    def faults(self) -> set[tuple[str, str]]:
        """Metric (without ``expect_``) and subject of every breached check of data quality."""
        return {
            (metric.removeprefix("expect_").removeprefix("column_values_to_"), subject)
            for (metric, subject), m in self.measured.items()
            if m.layer == "data_quality" and m.verdict is Verdict.BREACH
        }

    def __getitem__(self, key: tuple[str, str]) -> Measurement:
        return self.measured[key]


def examine(work: Workspace, window: Window = FIRST, as_of: datetime | None = None) -> Seen:
    """Look at a window a day after its end: expectations, profile, drift, performance, health, record."""
    again = Workspace.open(work.project.folder, MODEL)
    source, store, spec = open_source(again.project, again.spec), again.store, again.spec
    look = look_at(source, store, spec, window, as_of or window.end + timedelta(days=1))
    if store.evaluation(look.evaluation_id) is not None:
        return Seen(look, False, {(m.metric, m.subject): m for m in store.measurements([look.evaluation_id])[look.evaluation_id]})
    measured = validate_window(source, window, spec, Layout.from_json(version_of(store, look).layout))
    measured += (quarantined(look, spec),)
    if quality_passed(measured):
        profiles_of(source, store, spec, look)
        measured += drift_of(source, store, spec, look) + performance_of(source, store, spec, look) + health_of(source, spec, look)
    record = evaluation_of(look, quality_passed=quality_passed(measured))
    new = store.record_evaluation(record, measured)
    stored = store.measurements([look.evaluation_id])[look.evaluation_id]
    return Seen(look, new, {(m.metric, m.subject): m for m in stored})
