"""What is measured: each function is one side of a comparison and runs alone in a fresh process, so that its peak memory is its own.

Each returns a function of no arguments, whose call is what is timed; what comes before (imports, opening files, a stored reference) is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import ibis

from benchmarks.data import START, categorical_names, numeric_names
from vigil.drift.measure import measure_drift
from vigil.profile.layout import layout_of
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import ModelSpec

Run = Callable[[], object]
LAYOUT_ROWS = 100_000  # rows of the first day that the scan's layout is made from, before the clock starts


def raw_scan(log: str, numeric: int, categorical: int, days: int) -> Run:
    """The engine reads the columns and does the least with them: the sum of each number, the greatest of each text."""
    sums = [f"sum({name})" for name in numeric_names(numeric)] + [f"max({name})" for name in categorical_names(categorical)]
    connection = _connect()
    return lambda: connection.raw_sql(f"SELECT {', '.join(sums)} FROM read_parquet('{log}')").fetchall()  # noqa: S608


def profile_by_day(log: str, numeric: int, categorical: int, days: int, segments: Sequence[str] = ()) -> Run:
    connection, spec = _connect(), _spec(numeric, categorical).model_copy(update={"segments": tuple(segments)})
    rows = connection.read_parquet(log)
    layout = layout_of(rows.limit(LAYOUT_ROWS), spec)
    starts = [START + timedelta(days=day) for day in range(days)]
    moment = rows.predicted_at
    return lambda: [profile_rows(rows.filter(moment >= start, moment < start + timedelta(days=1)), spec, layout) for start in starts]


def profile_by_segment(log: str, numeric: int, categorical: int, days: int) -> Run:
    """As :func:`profile_by_day`, of the whole and of each value of the first two categorical columns (3 and 5 values)."""
    return profile_by_day(log, numeric, categorical, days, segments=list(categorical_names(categorical))[:2])


def verdicts(reference: str, current: str, numeric: int, categorical: int) -> Run:
    """Both files to the verdicts of all features: layout, two profiles, PSI."""
    spec = _spec(numeric, categorical)

    def run() -> object:
        connection = _connect()
        before, after = connection.read_parquet(reference), connection.read_parquet(current)
        layout = layout_of(before, spec)
        then, now = (profile_rows(rows, spec, layout)["*", "*"] for rows in (before, after))
        return measure_drift(now, then, spec, importance={}, version="1")

    return run


def verdicts_stored(reference: str, current: str, numeric: int, categorical: int) -> Run:
    """The current file to verdicts, with the stored layout and profile of the reference, as every window is measured."""
    spec = _spec(numeric, categorical)
    before = _connect().read_parquet(reference)
    layout = layout_of(before, spec)
    stored = profile_rows(before, spec, layout)["*", "*"].to_json()

    def run() -> object:
        now = profile_rows(_connect().read_parquet(current), spec, layout)["*", "*"]
        return measure_drift(now, Profile.from_json(stored), spec, importance={}, version="1")

    return run


def evidently(reference: str, current: str, numeric: int, categorical: int) -> Run:
    """Evidently's DataDriftPreset with PSI for every column, from the same two files, without saving its HTML."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers, texts = list(numeric_names(numeric)), list(categorical_names(categorical))
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)

    def run() -> object:
        before, after = (
            Dataset.from_pandas(pd.read_parquet(path, columns=numbers + texts), data_definition=definition) for path in (reference, current)
        )
        return Report([DataDriftPreset(method="psi")]).run(after, before)

    return run


def _connect() -> Any:
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def _spec(numeric: int, categorical: int) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": "benchmark",
            "owner": "team",
            "task": "binary",
            "source": {"predictions": "*.parquet", "labels": "*.parquet"},
            "columns": {"time": "predicted_at"},
            "features": dict.fromkeys(numeric_names(numeric), "numeric") | dict.fromkeys(categorical_names(categorical), "categorical"),
            "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
            "training": {"trainer": "train:fit", "include_reference": False},
        }
    )
