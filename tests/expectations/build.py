"""A model with one column of each kind, a hundred rows of it that nothing is wrong with, and what is asked in the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.validate import validate_window
from vigil.measurement import Measurement, Verdict
from vigil.profile.layout import Layout, layout_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.window import Window

WINDOW = Window(datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC))
ROWS = 100


def make_spec(**changes: Any) -> ModelSpec:
    """A binary model; ``changes`` replace whole keys."""
    whole: dict[str, Any] = {
        "model": "late",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"},
        "features": {
            "temp": {"type": "numeric", "minimum": -40, "maximum": 130},
            "dewp": "numeric",
            "carrier": "categorical",
        },
        "quality": {"tolerated_null_share": 0.02, "tolerated_unseen_share": 0.02, "minimum_rows": 10},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:fit"},
        "window": {"days": 7},
    }
    return ModelSpec.model_validate(whole | changes)


def with_expectation(name: str, arguments: Mapping[str, Any], **more: Any) -> ModelSpec:
    """The model with one expectation of its own."""
    return make_spec(quality={"expectations": [{"expectation": name, "arguments": dict(arguments), **more}]})


def good_rows(count: int = ROWS, **changes: Any) -> pd.DataFrame:
    """Rows i = 0, 1, ...: id ``p000``, ..., a minute apart from the window's start; temp 60, dewp 50, carriers AA, B6, DL in turn."""
    frame = {
        "prediction_id": [f"p{i:03}" for i in range(count)],
        "event_time": pd.date_range(WINDOW.start, periods=count, freq="min").as_unit("us"),
        "model_version": ["1"] * count,
        "score": [0.5] * count,
        "latency_ms": [10.0] * count,
        "error": pd.Series([None] * count, dtype="str"),
        "temp": [60.0] * count,
        "dewp": [50.0] * count,
        "carrier": (["AA", "B6", "DL"] * count)[:count],
    }
    return pd.DataFrame(frame | changes)


def changed(column: str, values: Mapping[int, Any] | Any, count: int = ROWS) -> pd.DataFrame:
    """Good rows with other values in some rows of a column (a mapping from the row's number)."""
    rows = good_rows(count)
    cells = rows[column].astype(object)
    for row, value in values.items():
        cells[row] = value
    rows[column] = cells.infer_objects()
    return rows


def source_of(folder: Path, rows: pd.DataFrame | Sequence[pd.DataFrame], spec: ModelSpec) -> ModelSource:
    """Write a prediction log, in as many files as frames are given, and open it."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate([rows] if isinstance(rows, pd.DataFrame) else rows):
        frame.to_parquet(folder / "log" / f"{number}.parquet", index=False)
    return ModelSource(folder, spec)


def layout_of_good_rows(folder: Path, spec: ModelSpec, **changes: Any) -> Layout:
    """The layout of a reference that is as good rows are."""
    good_rows(label=[0] * ROWS, **changes).to_parquet(folder / "reference.parquet", index=False)
    good_rows().to_parquet(folder / "any.parquet", index=False)
    opened = ModelSource(folder, spec.model_copy(update={"source": spec.source.model_copy(update={"predictions": "any.parquet"})}))
    return layout_of(opened.reference_rows(), spec)


class Checked:
    """The measurements of one validation, by metric (without ``expect_column_values_to_``) and subject."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.all = tuple(measurements)
        self.by_key = {(m.metric, m.subject): m for m in measurements}

    def __getitem__(self, key: tuple[str, str]) -> Measurement:
        return self.by_key[key]

    def faults(self) -> dict[tuple[str, str], Verdict]:
        """Everything that is neither ok nor unmeasured."""
        return {key: m.verdict for key, m in self.by_key.items() if m.verdict in (Verdict.BREACH, Verdict.WARNING)}


def check(folder: Path, rows: pd.DataFrame | Sequence[pd.DataFrame], spec: ModelSpec | None = None) -> Checked:
    """Validate a window of ``rows`` against the layout of good rows."""
    spec = spec or make_spec()
    return Checked(validate_window(source_of(folder, rows, spec), WINDOW, spec, layout_of_good_rows(folder, spec)))
