"""What the scores of a look's predictions tell together with the labels of the windows before: a bounded read of both.

Differs from :mod:`.measure`, which reads the look's own labels.
"""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd

from vigil.evaluation.earlier import earlier_labelled
from vigil.evaluation.look import Look
from vigil.evaluation.multivariate import encoded, feature_columns
from vigil.measurement import Measurement
from vigil.performance.cores import Vector
from vigil.performance.label_free import label_free_measurement
from vigil.performance.proxy import Population, Seen, learn_proxy
from vigil.performance.residuals import Past, residual_measurement
from vigil.sources.labels import PROBABILITY
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, ModelSpec, Task

ROWS = 20_000  # of the window's predictions, and of the earlier labels, at most: a fixed pseudo-random part of more


def label_free(source: ModelSource, spec: ModelSpec, look: Look) -> Measurement:
    """Estimate the metric of the window without its labels, from those of the windows before that the same version scored."""
    seed = int(look.data_digest[:8], 16)
    if spec.task is Task.REGRESSION:
        return _residual(source, spec, look, seed)
    return label_free_measurement(scores_of(source, spec, look), earlier_labels(source, spec, look), spec, version=look.version, seed=seed)


def _residual(source: ModelSource, spec: ModelSpec, look: Look, seed: int) -> Measurement:
    rows, past = source.predictions(look.window), earlier_labelled(source, spec, look)
    now = _with_features(source, spec, rows.filter(rows[spec.columns.version] == look.version))
    then = _with_features(source, spec, past, label=past["label"], weight=1 / past[PROBABILITY])
    categorical = [feature.type is FeatureType.CATEGORICAL for feature in spec.features.values()]
    names = [f"f{i}" for i in range(len(categorical))]
    x = encoded(pd.concat([then[names], now[names]], ignore_index=True), categorical)
    score, label, weight = (then[name].to_numpy(dtype=np.float64) for name in ("score", "label", "weight"))
    known = Past(x[: len(then)], score, label, weight)
    return residual_measurement(x[len(then) :], now["score"].to_numpy(), known, spec, version=look.version, seed=seed)


def _with_features(source: ModelSource, spec: ModelSpec, rows: ibis.Table, **more: ibis.Value) -> pd.DataFrame:
    """Features, usable score and what else is named of at most :data:`ROWS` of the rows."""
    chosen = some_of(rows.select(spec.columns.id, **feature_columns(rows, spec), score=_score(rows, spec), **more), spec, ROWS)
    with source.reading_log():
        frame: pd.DataFrame = chosen.drop(spec.columns.id).to_pandas()
    usable: pd.DataFrame = frame[_usable(frame["score"].to_numpy(), spec)]
    return usable


def population_of(source: ModelSource, spec: ModelSpec, look: Look) -> Population | None:
    """Return the window's scores with what earlier labels let expect; None where it is not asked for, or nothing can be expected."""
    if spec.performance.prediction_powered is None:
        return None
    proxy = learn_proxy(spec.task, earlier_labels(source, spec, look))
    return None if proxy is None else Population(scores_of(source, spec, look), proxy)


def scores_of(source: ModelSource, spec: ModelSpec, look: Look) -> Vector:
    """Return the usable scores of the looked-at version's predictions in the window, at most :data:`ROWS`."""
    rows = source.predictions(look.window)
    rows = rows.filter(rows[spec.columns.version] == look.version)
    chosen = some_of(rows, spec, ROWS)
    with source.reading_log():
        score = chosen.select(score=_score(chosen, spec)).to_pandas()["score"].to_numpy()
    return np.asarray(score[_usable(score, spec)], dtype=np.float64)


def earlier_labels(source: ModelSource, spec: ModelSpec, look: Look) -> Seen:
    """Return score, label and weight of the labelled rows of the windows before, at most :data:`ROWS`."""
    seen = some_of(earlier_labelled(source, spec, look), spec, ROWS)
    with source.reading_log():
        known = seen.select(score=_score(seen, spec), label=seen["label"], chance=seen[PROBABILITY]).to_pandas()
    known = known[_usable(known["score"].to_numpy(), spec)]
    return known["score"].to_numpy(), known["label"].to_numpy(), 1 / known["chance"].to_numpy()


def some_of(rows: ibis.Table, spec: ModelSpec, limit: int) -> ibis.Table:
    """Return at most ``limit`` predictions, the same of the same rows whatever their order: those whose ids have the least hashes."""
    return rows.order_by(rows[spec.columns.id].cast("string").hash()).limit(limit)


def _score(rows: ibis.Table, spec: ModelSpec) -> Any:
    return rows[spec.columns.score].cast("float64")


def _usable(score: Vector, spec: ModelSpec) -> Vector:
    usable = np.isfinite(score)
    if spec.task is Task.BINARY:
        usable &= (score >= 0) & (score <= 1)
    return usable
