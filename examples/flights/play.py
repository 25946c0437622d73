"""The year, played: the champion of the moment scores flights as they depart, and their outcomes arrive a day after landing.

Time moves in spans, from one look at the model to the next. A span is scored by one version and becomes one file of
predictions; the labels that arrive in it become another. What is written already is left as it is, so that a killed play goes
on where it was, and a finished one writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from examples.flights.faults import as_they_arrive
from examples.flights.feed import FEATURES, write_whole
from vigil.spec.model import ModelSpec
from vigil.window import Window

LABELLED_SHARE = 0.2  # of the flights that land, a random fifth has its outcome looked up
SAMPLE_SEED = 2013
LABEL_DELAY = timedelta(days=1)  # from landing to the outcome being known here
FIRST = datetime(2013, 3, 1, tzinfo=UTC)  # until here the outcomes are known, and version 1 is trained on them
YEAR_END = datetime(2014, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """``[start, end)``: from the look at one window to the look at the next. Its flights are scored by one version."""

    window: Window  # the window that is looked at when the span ends
    start: datetime
    end: datetime

    @property
    def file(self) -> str:
        return f"{self.start.date().isoformat()}.parquet"


def spans(spec: ModelSpec, first: datetime = FIRST, end: datetime = YEAR_END) -> tuple[Span, ...]:
    """Return the spans of all windows from ``first`` that have been looked at by ``end``: a week that is not over is not looked at."""
    found: list[Span] = []
    for window in spec.window.between(first, end):
        if spec.as_of(window) <= end:
            found.append(Span(window, found[-1].end if found else window.start, spec.as_of(window)))
    return tuple(found)


def write_reference(folder: Path, flights: pd.DataFrame, spec: ModelSpec) -> None:
    """Write the labelled flights before ``FIRST``, all of them: a history that was looked up once."""
    path = folder / str(spec.source.reference)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    known = flights[(flights["event_time"] < FIRST) & flights["label"].notna()]
    write_whole(known[["prediction_id", "event_time", *FEATURES, "label"]], path)


def play(folder: Path, flights: pd.DataFrame, span: Span, champion: str, model: Any, frozen: Any) -> None:
    """Let a span pass: its flights are scored and logged, the outcomes that arrive in it become labels.

    Args:
        champion: the registry version of ``model``, which serves in the span.
        frozen: version 1, whose scores are kept beside the log, for the comparison at the end.
    """
    departed = flights[(flights["event_time"] >= span.start) & (flights["event_time"] < span.end)]
    rows = as_they_arrive(departed)[["prediction_id", "event_time", *FEATURES]]
    log, labels, side = (folder / "data" / name / span.file for name in ("predictions", "labels", "frozen"))
    for path in (log, labels, side):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not log.exists():
        write_whole(served(rows, champion, model), log)
    if not labels.exists():
        write_whole(arriving_labels(flights, span), labels)
    if not side.exists():
        scores = frozen.predict_proba(rows[list(FEATURES)])[:, 1]
        write_whole(rows[["prediction_id", "event_time"]].assign(score=scores), side)


def served(rows: pd.DataFrame, champion: str, model: Any) -> pd.DataFrame:
    """Score ``rows`` as a service would, one request for the departures of four hours, and return the log with each request's wall time."""
    scores = np.empty(len(rows))
    latency_ms = np.empty(len(rows))
    features = rows[list(FEATURES)]
    with threadpool_limits(limits=1):  # a request is served by one core
        for positions in rows.groupby(rows["event_time"].dt.floor("4h")).indices.values():
            request = features.iloc[positions]
            began = time.perf_counter()
            scores[positions] = model.predict_proba(request)[:, 1]
            latency_ms[positions] = 1000 * (time.perf_counter() - began)
    none = pd.Series(None, index=rows.index, dtype="str")
    return rows.assign(model_version=champion, score=scores, latency_ms=latency_ms, error=none)


def arriving_labels(flights: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Return the labels that arrive after the span's start and by its end: a seeded sample of what landed a day before."""
    observed_at = flights["landed_at"] + LABEL_DELAY
    played = (flights["event_time"] >= FIRST) & flights["label"].notna()
    arriving = flights[played & (observed_at > span.start) & (observed_at <= span.end)]
    chosen = arriving[is_sampled(arriving["prediction_id"])]
    return pd.DataFrame(
        {
            "prediction_id": chosen["prediction_id"],
            "label": chosen["label"].astype("int8"),
            "observed_at": observed_at[chosen.index],
            "inclusion_probability": LABELLED_SHARE,
        }
    ).sort_values(["observed_at", "prediction_id"], ignore_index=True)


def is_sampled(prediction_ids: pd.Series) -> np.ndarray:
    """Tell which flights are in the labelled sample: by a keyed hash of the id, so in any order and any portion the same ones."""
    hashed = pd.util.hash_array(prediction_ids.to_numpy(dtype=object), hash_key=f"{SAMPLE_SEED:016d}", categorize=False)
    return hashed < np.uint64(LABELLED_SHARE * 2**64)


def frozen_scores(folder: Path) -> pd.DataFrame:
    """Return version 1's scores of all flights played so far."""
    return _read_all(folder / "data" / "frozen", ["prediction_id", "score"])


def served_scores(folder: Path) -> pd.DataFrame:
    """Return the scores that were served, from the prediction log."""
    return _read_all(folder / "data" / "predictions", ["prediction_id", "score", "model_version"])


def _read_all(folder: Path, columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path, columns=list(columns)) for path in sorted(folder.glob("*.parquet"))], ignore_index=True)
