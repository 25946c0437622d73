"""The value of a binary model's predictions: an amount of money per cell of its confusion matrix, estimated from (sampled) labels.

Differs from :mod:`vigil.performance.metrics`: here an error counts by what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.performance.intervals import quantile
from vigil.spec.model import ConfusionValue, ModelSpec

VALUE = "value_per_prediction"


def values(score: Vector, label: Vector, worth: ConfusionValue, threshold: float) -> Vector:
    """Return what each row is worth: by whether it was called positive (score at or above the threshold) and what happened.

    >>> values(np.array([0.9, 0.9, 0.1]), np.array([1.0, 0.0, 1.0]), ConfusionValue(hit=5, false_alarm=-1, missed=-9), 0.5)
    array([ 5., -1., -9.])
    """
    called = score >= threshold
    of_called = np.where(label == 1, worth.hit, worth.false_alarm)
    return np.where(called, of_called, np.where(label == 1, worth.missed, worth.passed)).astype(np.float64)


def measure_value(labelled: pd.DataFrame, rows: int, spec: ModelSpec, *, version: str) -> tuple[Measurement, ...]:
    """Measure ``value_per_prediction`` of the whole window and of each segment value; nothing where no value is specified.

    The whole window's is judged against ``business.minimum_value`` where there is one; all else is shown.

    The mean is Hajek's with the jackknife's interval, as of a mean without bounds. Of the whole window, ``detail["total"]`` is the mean
    times the predictions of the window: what they were worth, with its ends.

    Args:
        labelled: as of :func:`vigil.performance.measure.measure_performance`.
        rows: predictions of the window and version.
    """
    worth = spec.business.value
    if worth is None:
        return ()
    score = labelled["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = labelled[(score >= 0) & (score <= 1)]
    score, label, chance = (usable[name].to_numpy(dtype=np.float64) for name in ("score", "label", "inclusion_probability"))
    value, weight = values(score, label, worth, spec.performance.decision_threshold), 1 / chance
    found = []
    for subject, inside in subjects_of(usable, spec):
        measured = mean_of(value[inside], weight[inside], spec.performance.confidence) if inside.sum() >= spec.labels.minimum else None
        mean, low, high = measured or (None, None, None)
        detail: dict[str, object] = {"unit": spec.business.unit}
        if subject == WHOLE and measured is not None:
            detail["total"] = {name: each * rows for name, each in zip(("value", "low", "high"), measured, strict=True)}
        threshold = spec.business.minimum_value if subject == WHOLE else None
        verdict, n = judged(measured, threshold), int(inside.sum())
        found.append(
            Measurement(
                Layer.BUSINESS,
                VALUE,
                mean,
                verdict,
                n,
                subject=subject,
                version=version,
                low=low,
                high=high,
                threshold=threshold,
                detail=detail,
            )
        )
    return tuple(found)


def judged(measured: tuple[float, float, float] | None, minimum: float | None) -> Verdict:
    """Breach where the whole interval is below the minimum, warning where the mean is."""
    if measured is None:
        return Verdict.NOT_ENOUGH_DATA
    mean, _, high = measured
    if minimum is None or mean >= minimum:
        return Verdict.OK
    return Verdict.BREACH if high < minimum else Verdict.WARNING


def mean_of(value: Vector, weight: Vector, confidence: float) -> tuple[float, float, float]:
    """Return the weighted mean and the ends of its jackknife interval; at least two values."""
    order = np.lexsort((weight, value))
    value, weight = value[order], weight[order]
    mean = cores.weighted_mean(value, weight)
    variance, df = cores.jackknife(cores.leave_one_out(value, weight))
    half = quantile(confidence, df) * math.sqrt(variance)
    return mean, mean - half, mean + half


def subjects_of(rows: pd.DataFrame, spec: ModelSpec) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield the whole and each value of the segment columns, with its rows."""
    yield WHOLE, np.ones(len(rows), dtype=bool)
    for column in spec.segments:
        names = rows[column].astype("string").fillna("(null)")
        for name in sorted(names.unique()):
            yield f"{column}={name}", (names == name).to_numpy(dtype=bool)
