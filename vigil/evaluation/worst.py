"""The worst segments of a window that was looked at: its labelled rows, and those of the windows before, read again and searched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from vigil.performance.segments import Segment, worst_segments
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec, Task
from vigil.store.records import Evaluation
from vigil.window import Window

BEFORE = 4  # windows that the change is measured against; convention


def worst_of(source: ModelSource, spec: ModelSpec, evaluation: Evaluation, as_of: datetime) -> tuple[Segment, ...]:
    """Search the labels known by ``as_of`` of the window, scored by the version that was looked at, against the four windows before.

    The windows before count whichever version scored them: a change may come with a version.
    """
    now = _rows(source, spec, [evaluation.window], as_of)
    now = now[now["version"] == evaluation.version].drop(columns="version")
    before = _rows(source, spec, [evaluation.window.shifted(-back) for back in range(1, BEFORE + 1)], as_of)
    return worst_segments(now, before, spec)


def _rows(source: ModelSource, spec: ModelSpec, windows: Sequence[Window], as_of: datetime) -> pd.DataFrame:
    rows = source.labelled(windows, as_of)
    columns = {"score": rows[spec.columns.score].cast("float64"), "version": rows[spec.columns.version]}
    wanted = columns | {name: rows[name] for name in ("label", "inclusion_probability", *spec.segments)}
    with source.reading_log():
        frame: pd.DataFrame = rows.select(**wanted).to_pandas()
    usable = frame["score"].between(0, 1) if spec.task is Task.BINARY else frame["score"].abs() < float("inf")
    kept: pd.DataFrame = frame[usable]
    return kept
