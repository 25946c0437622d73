"""What a loss is due to, measured where a window's performance is beyond its limit: bounded samples of labelled rows of both sides.

Differs from :mod:`vigil.decision.kind`, which reads these measurements and decides. The side of before are the version's own sound
windows, so that neither its training rows nor the model itself need be at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vigil.decision.evidence import history_reach, past_window
from vigil.decision.kind import CALIBRATED, CALIBRATION_P_VALUE, HARDER, POPULATION, RECALIBRATED, RELATION, REMAINING, SOUND_WINDOWS, sides
from vigil.drift.multivariate import FEWEST_ROWS, domain_probabilities
from vigil.errors import NotEnoughData
from vigil.evaluation.look import Look, evaluation_of
from vigil.evaluation.multivariate import encoded, feature_columns
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.decomposition import Side, decompose, shared_after, shared_before
from vigil.performance.measure import MINIMUM_PER_CLASS
from vigil.performance.metrics import Estimate, estimate
from vigil.performance.recalibration import calibration_p_value, recalibrated
from vigil.sources.labels import LABEL, PROBABILITY
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, Metric, ModelSpec, Task
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.window import Window


def kind_measurements(
    source: ModelSource, store: Store, spec: ModelSpec, look: Look, found: Sequence[Measurement]
) -> tuple[Measurement, ...]:
    """Measure what the loss of a window beyond its limit is due to; nothing where it is within, or where it is not asked for.

    Of the harmed windows together (:func:`vigil.decision.kind.sides`): ``calibration_p_value``, and ``recalibrated``, the metric as a
    recalibration would leave it; the latter not where only the order of scores counts. Against the sound windows: ``loss_harder_cases``,
    ``loss_relation``, ``loss_population`` and ``loss_remaining`` (the last two together), positive = worse, with intervals at
    ``performance.confidence``; ``not_enough_data`` with the reason where a side has too few labels. All are shown, none is judged.

    Args:
        found: the look's own measurements of performance.
    """
    limit, current = spec.policy.kind_rows, past_window(spec, evaluation_of(look, quality_passed=True), found)
    if limit is None or current.performance is None or current.performance.verdict not in (Verdict.WARNING, Verdict.BREACH):
        return ()
    first = look.window.shifted(-history_reach(spec)).start
    history = history_of(store, spec, start=first, end=look.window.start, as_of=look.as_of)
    known = store.measurements([past.evaluation_id for past in history])
    before, after = sides([current, *(past_window(spec, past, known[past.evaluation_id]) for past in reversed(history))], spec)
    if not after:
        return ()
    now, then = (labelled_sample(source, spec, windows, look, limit) for windows in (after, before))
    return measure_kind(now, then, spec, version=look.version)


def measure_kind(now: pd.DataFrame, then: pd.DataFrame, spec: ModelSpec, *, version: str) -> tuple[Measurement, ...]:
    """Measure what the loss from ``then`` to ``now`` is due to: the measurements of :func:`kind_measurements`, from rows.

    Args:
        now, then: columns ``f0``, ``f1``, ... (the features in the specification's order, float64 or text), ``score`` (usable), ``label``
            and ``w``, one over the row's inclusion probability; in a fixed order.
    """
    return (*_of_calibration(now, spec, version), *_of_parts(now, then, spec, version))


def labelled_sample(source: ModelSource, spec: ModelSpec, windows: Sequence[Window], look: Look, limit: int) -> pd.DataFrame:
    """At most ``limit`` labelled rows that the version scored, the same ones every time, in no order: moment, score, label, w, features."""
    rows = source.labelled(windows, look.as_of)
    rows = rows.filter(rows[spec.columns.version].cast("string") == look.version)
    features = feature_columns(rows, spec)
    place = (rows[spec.columns.id].cast("string") + f"|{spec.training.seed}").hash()
    scored = {
        "moment": rows[spec.columns.time],
        "score": rows[spec.columns.score].cast("float64"),
        "label": rows[LABEL],
        "chance": rows[PROBABILITY],
        "place": place,
    }
    with source.reading_log():
        chosen = rows.select(key=rows[spec.columns.id].cast("string"), **scored, **features).order_by(["place", "key"]).limit(limit)
        frame: pd.DataFrame = chosen.to_pandas()
    usable = frame["score"].between(0, 1) if spec.task is Task.BINARY else frame["score"].abs() < np.inf
    kept: pd.DataFrame = frame[usable].drop(columns=["key", "place"]).assign(w=1 / frame["chance"]).reset_index(drop=True)
    return kept


def _of_calibration(now: pd.DataFrame, spec: ModelSpec, version: str) -> tuple[Measurement, ...]:
    if _too_few(now, spec):
        return ()
    binary, metric = spec.task is Task.BINARY, spec.performance.metric
    score, label, w = _vectors(now)
    found = [_measurement(CALIBRATION_P_VALUE, calibration_p_value(score, label, w, binary=binary), len(now), version, CALIBRATED)]
    if Metric.ROC_AUC not in (metric, spec.compared_on):
        cured = recalibrated(score, label, w, np.random.default_rng(spec.training.seed), binary=binary)
        try:
            value = estimate(metric, cured, label, w, confidence=spec.performance.confidence, scoring=spec.performance.scoring)
        except NotEnoughData:  # recalibrated, nothing is called positive
            return tuple(found)
        found.append(_measurement(RECALIBRATED, value, len(now), version, CALIBRATED))
    return tuple(found)


def _of_parts(now: pd.DataFrame, then: pd.DataFrame, spec: ModelSpec, version: str) -> tuple[Measurement, ...]:
    because = None
    if spec.performance.metric is Metric.CALIBRATION_ERROR:
        because = "a calibration error is of bins, not of rows"
    elif _too_few(now, spec) or _too_few(then, spec):
        needed = max(spec.labels.minimum, FEWEST_ROWS)
        classes = f", {MINIMUM_PER_CLASS} of each class," if spec.task is Task.BINARY else ""
        because = f"it needs {needed} labels{classes} of harmed and of sound windows of the version, got {len(now)} and {len(then)}"
    if because is not None:
        return _unknown(because, len(now), version)
    rng, is_category = np.random.default_rng(spec.training.seed), [f.type is FeatureType.CATEGORICAL for f in spec.features.values()]
    names = [f"f{i}" for i in range(len(is_category))]
    x = encoded(pd.concat([now[names], then[names]], ignore_index=True), is_category)
    of_now = domain_probabilities(x[: len(now)], x[len(now) :], is_category, np.concatenate([now["w"], then["w"]]), rng)
    sides_of = Side(*_vectors(then), shared_before(of_now[len(now) :])), Side(*_vectors(now), shared_after(of_now[: len(now)]))
    try:
        found = decompose(spec.performance.metric, *sides_of, rng, scoring=spec.performance.scoring, confidence=spec.performance.confidence)
    except NotEnoughData:
        return _unknown("the harmed and the sound windows share too few cases", len(now), version)
    parts = {HARDER: found.harder, RELATION: found.relation, POPULATION: found.population, REMAINING: found.remaining}
    return tuple(_measurement(name, part, len(now) + len(then), version, SOUND_WINDOWS) for name, part in parts.items())


def _unknown(because: str, n: int, version: str) -> tuple[Measurement, ...]:
    known: dict[str, Any] = {"version": version, "reference": SOUND_WINDOWS, "detail": {"because": because}}
    names = (HARDER, RELATION, POPULATION, REMAINING)
    return tuple(Measurement(Layer.PERFORMANCE, name, None, Verdict.NOT_ENOUGH_DATA, n, **known) for name in names)


def _too_few(rows: pd.DataFrame, spec: ModelSpec) -> bool:
    if len(rows) < max(spec.labels.minimum, FEWEST_ROWS):
        return True
    positives = int((rows["label"] == 1).sum())
    return spec.task is Task.BINARY and min(positives, len(rows) - positives) < MINIMUM_PER_CLASS


def _vectors(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score, label, w = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "label", "w"))
    return score, label, w


def _measurement(metric: str, found: Estimate | float, n: int, version: str, reference: str) -> Measurement:
    value, low, high = found if isinstance(found, Estimate) else (found, None, None)
    return Measurement(Layer.PERFORMANCE, metric, value, Verdict.OK, n, version=version, reference=reference, low=low, high=high)
