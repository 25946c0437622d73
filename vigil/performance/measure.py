"""Performance measurements of one window and version: the metric of the specification, judged; the others, shown.

Differs from :mod:`vigil.performance.metrics`, which knows no threshold, and from :mod:`vigil.performance.maturity` (how many of the
expected labels are here).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.errors import NotEnoughData
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.baseline import BASELINE_WINDOWS, UNBEATEN, Baseline
from vigil.performance.cores import effective_size
from vigil.performance.maturity import Maturity
from vigil.performance.metrics import Estimate, estimate
from vigil.performance.own import OwnFunction, own_estimate
from vigil.performance.powered import prediction_powered, supports
from vigil.performance.proxy import Population
from vigil.spec.model import Metric, ModelSpec, Task

NULL_SEGMENT = "(null)"  # as in vigil.profile.scan
Mask = npt.NDArray[np.bool_]

MINIMUM_PER_CLASS = 10  # of each class, for every binary metric: events per variable, Peduzzi et al. 1996; a convention
POWERED = "prediction_powered_"  # of the metric's name, where it is shown beside the one from labels alone


def measure_performance(
    labelled: pd.DataFrame,
    spec: ModelSpec,
    *,
    version: str,
    baseline: float | None,
    maturity: Maturity | None = None,
    own: Mapping[str, OwnFunction] | None = None,
    population: Population | None = None,
) -> tuple[Measurement, ...]:
    """Measure the labelled rows of one window and version.

    The metric of ``spec.performance`` for the whole window, judged against the baseline less the tolerated loss; the task's other
    metrics, shown; and all of them for each segment value, shown. Shown is: threshold None, verdict ok.
    The intervals of a metric hold together over all segments with the confidence of the specification (Bonferroni).
    Fewer rows than ``spec.labels.minimum``, or of a class fewer than 10, is ``not_enough_data`` with value None.

    A prediction without a usable score (null, NaN, infinite, for a binary task outside [0, 1]) has failed: it is left out,
    and counted in ``detail["failed"]``.

    A window whose labels are not mature (``maturity`` below ``spec.labels.maturity``) is ``not_enough_data`` too: what the labels so
    far say stands in ``detail["provisional"]``, and nothing is decided by it.

    With a population the metrics of the whole window are measured by prediction-powered estimates too, shown under names that begin with
    :data:`POWERED`. Where ``performance.prediction_powered`` is ``decides``, the judged one is such an estimate, and the one from labels
    alone stands in ``detail["labels_alone"]``.

    Args:
        labelled: columns ``score``, ``label``, ``inclusion_probability`` and the segment columns; any order. A column ``stratum``,
            where there is one, says which rows were drawn from one stratum of a plan (null: from none).
        baseline: the version's own performance at its registration; None: nothing is judged, all is shown.
        maturity: how many of the expected labels are here; None: not measured.
        own: the project's own metrics by name, shown for the whole window.
        population: the scores of all predictions of the window and version; None: labels alone are looked at.
    """
    score = labelled["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(score)
    if spec.task is Task.BINARY:
        usable &= (score >= 0) & (score <= 1)
    metric = spec.performance.metric
    threshold = None if baseline is None else tolerated_limit(metric, baseline, spec.performance.tolerated_loss)
    decides = population if spec.performance.prediction_powered == "decides" else None
    found = [_measure(labelled, usable, metric, spec, version=version, subject=WHOLE, threshold=threshold, population=decides)]
    others = [other for other in Metric if spec.task in other.tasks and other is not metric]
    if spec.performance.quantile is None:
        others = [other for other in others if other is not Metric.PINBALL]
    found.extend(_measure(labelled, usable, other, spec, version=version, subject=WHOLE, threshold=None) for other in others)
    if population is not None:
        shown = [each for each in (metric, *others) if supports(each) and (each is not metric or decides is None)]
        powered = [
            _measure(labelled, usable, each, spec, version=version, subject=WHOLE, threshold=None, population=population) for each in shown
        ]
        found.extend(replace(each, metric=POWERED + each.metric) for each in powered)
    segments = tuple(_segments(labelled, spec.segments))
    together = 1 - (1 - spec.performance.confidence) / max(len(segments), 1)
    found.extend(
        _measure(labelled[rows], usable[rows], each, spec, version=version, subject=subject, threshold=None, confidence=together)
        for subject, rows in segments
        for each in (metric, *others)
    )
    found.extend(_measure_own(labelled[usable], name, function, spec, version=version) for name, function in sorted((own or {}).items()))
    if maturity is None:
        return tuple(found)
    if maturity.immature(spec):
        found = [_provisional(measurement, maturity) for measurement in found]
    return (*found, maturity.measurement(spec, version))


def tolerated_limit(metric: Metric, baseline: float, tolerated_loss: float) -> float:
    """Return the value that is still tolerated: the baseline made worse by the tolerated loss."""
    return baseline - tolerated_loss if metric.larger_is_better else baseline + tolerated_loss


def judged_by(baseline: Baseline, found: Measurement, spec: ModelSpec) -> Measurement:
    """Return a measurement of the judged metric, judged by a baseline whatever it was judged by; it says what that rests on."""
    metric = spec.performance.metric
    threshold = tolerated_limit(metric, baseline.value, spec.performance.tolerated_loss)
    verdict = found.verdict
    if found.value is not None and found.low is not None and found.high is not None:
        verdict = judge(metric, Estimate(found.value, found.low, found.high), threshold)
    rests_on = {} if baseline.windows is None else {BASELINE_WINDOWS: baseline.windows, UNBEATEN: baseline.unbeaten}
    return replace(found, threshold=threshold, verdict=verdict, detail={**found.detail, **rests_on})


def judge(metric: Metric, found: Estimate, threshold: float | None) -> Verdict:
    """Breach where the whole interval is worse than the threshold, warning where the value is; without threshold ok."""
    if threshold is None:
        return Verdict.OK
    best, value = (found.high, found.value) if metric.larger_is_better else (-found.low, -found.value)
    limit = threshold if metric.larger_is_better else -threshold
    if best < limit:
        return Verdict.BREACH
    return Verdict.WARNING if value < limit else Verdict.OK


def _measure(
    labelled: pd.DataFrame,
    usable: Mask,
    metric: Metric,
    spec: ModelSpec,
    *,
    version: str,
    subject: str,
    threshold: float | None,
    confidence: float | None = None,
    population: Population | None = None,
) -> Measurement:
    confidence = confidence or spec.performance.confidence
    rows = labelled[usable]
    score, label = rows["score"].to_numpy(dtype=np.float64), rows["label"].to_numpy(dtype=np.float64)
    weight = 1 / rows["inclusion_probability"].to_numpy(dtype=np.float64)
    detail: dict[str, Any] = {"effective_n": effective_size(np.sort(weight)), "failed": int(len(labelled) - len(rows))}
    enough = len(rows) >= spec.labels.minimum
    if spec.task is Task.BINARY:
        positives = int(np.sum(label == 1))
        detail |= {"positives": positives, "negatives": len(rows) - positives}
        enough = enough and min(positives, len(rows) - positives) >= MINIMUM_PER_CLASS
    stratum = None if "stratum" not in rows or rows["stratum"].isna().any() else rows["stratum"].to_numpy(dtype=np.int64)
    options: dict[str, Any] = {"confidence": confidence, "scoring": spec.performance.scoring, "stratum": stratum}
    found = None
    with suppress(NotEnoughData):  # nothing was called positive, or all labels are 0
        if enough and population is not None:
            found, alone, believed = prediction_powered(metric, score, label, weight, population, **options)
            detail |= {"labels_alone": alone._asdict(), "proxy_weight": believed, "predictions": len(population.score)}
        elif enough:
            found = estimate(metric, score, label, weight, **options)
    return Measurement(
        layer=Layer.PERFORMANCE,
        metric=metric.value,
        subject=subject,
        version=version,
        value=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        n=len(rows),
        threshold=threshold,
        verdict=judge(metric, found, threshold) if found else Verdict.NOT_ENOUGH_DATA,
        detail=detail,
    )


def _measure_own(rows: pd.DataFrame, name: str, function: OwnFunction, spec: ModelSpec, *, version: str) -> Measurement:
    found = None
    if len(rows) >= spec.labels.minimum:
        columns = ("score", "label", "inclusion_probability")
        score, label, chance = (rows[column].to_numpy(dtype=np.float64) for column in columns)
        found = own_estimate(name, function, score, label, 1 / chance, confidence=spec.performance.confidence)
    low, high = (found.low, found.high) if found else (None, None)
    verdict = Verdict.OK if found else Verdict.NOT_ENOUGH_DATA
    value = found.value if found else None
    return Measurement(Layer.PERFORMANCE, name, value, verdict, len(rows), version=version, low=low, high=high)


def _provisional(measurement: Measurement, maturity: Maturity) -> Measurement:
    said = {"provisional": {"value": measurement.value, "low": measurement.low, "high": measurement.high}, "maturity": maturity.value}
    changes: dict[str, Any] = {
        "value": None,
        "low": None,
        "high": None,
        "verdict": Verdict.NOT_ENOUGH_DATA,
        "detail": {**measurement.detail, **said},
    }
    return replace(measurement, **changes)


def _segments(labelled: pd.DataFrame, columns: tuple[str, ...]) -> Iterator[tuple[str, Mask]]:
    """Yield ``column=value`` and its rows, in the order of the columns and then of the values; nulls are ``column=(null)``."""
    for column in columns:
        names = labelled[column].astype("string").fillna(NULL_SEGMENT)
        for name in sorted(names.unique()):
            yield f"{column}={name}", (names == name).to_numpy(dtype=bool)
