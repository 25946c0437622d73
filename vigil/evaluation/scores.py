"""What the scores of a look's predictions tell together with the labels of the windows before: a bounded read of both.

Differs from :mod:`.measure`, which reads the look's own labels.
"""

from __future__ import annotations

import ibis
import numpy as np

from vigil.evaluation.look import Look
from vigil.measurement import Measurement
from vigil.performance.cores import Vector
from vigil.performance.label_free import label_free_measurement
from vigil.performance.proxy import Population, Seen, learn_proxy
from vigil.sources.labels import PROBABILITY
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec, Task

EARLIER_WINDOWS = 8  # before the one that is looked at, whose labels teach what a score means
ROWS = 20_000  # of the window's predictions, and of the earlier labels, at most: a fixed pseudo-random part of more


def label_free(source: ModelSource, spec: ModelSpec, look: Look) -> Measurement:
    """Estimate the metric from the window's scores, calibrated on the labels of the windows before that the same version scored."""
    seed = int(look.data_digest[:8], 16)
    return label_free_measurement(scores_of(source, spec, look), earlier_labels(source, spec, look), spec, version=look.version, seed=seed)


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
        score = chosen.select(score=chosen[spec.columns.score].cast("float64")).to_pandas()["score"].to_numpy()
    return np.asarray(score[_usable(score, spec)], dtype=np.float64)


def earlier_labels(source: ModelSource, spec: ModelSpec, look: Look) -> Seen:
    """Return score, label and weight of labelled rows of the :data:`EARLIER_WINDOWS` that the same version scored, known by the look."""
    seen = source.labelled([look.window.shifted(-back) for back in range(1, EARLIER_WINDOWS + 1)], look.as_of)
    seen = seen.filter(seen[spec.columns.version] == look.version)
    seen = some_of(seen, spec, ROWS)
    with source.reading_log():
        known = seen.select(score=seen[spec.columns.score].cast("float64"), label=seen["label"], chance=seen[PROBABILITY]).to_pandas()
    known = known[_usable(known["score"].to_numpy(), spec)]
    return known["score"].to_numpy(), known["label"].to_numpy(), 1 / known["chance"].to_numpy()


def some_of(rows: ibis.Table, spec: ModelSpec, limit: int) -> ibis.Table:
    """Return at most ``limit`` predictions, the same of the same rows whatever their order: those whose ids have the least hashes."""
    return rows.order_by(rows[spec.columns.id].cast("string").hash()).limit(limit)


def _usable(score: Vector, spec: ModelSpec) -> Vector:
    usable = np.isfinite(score)
    if spec.task is Task.BINARY:
        usable &= (score >= 0) & (score <= 1)
    return usable
