"""Where a model is worst: a bounded search over values of the segment columns and pairs of them, with a test that holds over all of it.

Differs from :mod:`vigil.performance.measure`, which measures the values of each column whether or not anything is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.performance import cores
from vigil.performance.intervals import quantile
from vigil.performance.metrics import parts_of
from vigil.spec.model import Metric, ModelSpec, Task

VALUES = 20  # of a column, the most frequent: bounds the search to 20 a column and 400 a pair
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """A segment that is worse than the rest.

    Attributes:
        name: ``column=value``, or two of them joined by `` & ``.
        rows: labelled rows of the window in it; ``share``: of the window's weight.
        loss, loss_before: mean loss in the window and in the rows before; None where there were none before.
        worse_by: mean loss in the segment less that of the rest; ``low``, ``high``: its interval, which holds for all searched at once.
        explains: the part of the window's total change of loss that comes from this segment; None without a change beyond
            chance.
    """

    name: str
    rows: int
    share: float
    loss: float
    loss_before: float | None
    worse_by: float
    low: float
    high: float
    explains: float | None
    searched: int


def loss_of(spec: ModelSpec) -> Metric:
    """The metric that the search uses: the specification's where it is a mean loss over rows, else log loss (MAE for a regression)."""
    metric = spec.performance.metric
    usual = Metric.MAE if spec.task is Task.REGRESSION else Metric.LOG_LOSS
    return metric if metric in (Metric.LOG_LOSS, Metric.BRIER, Metric.MAE, Metric.PINBALL) else usual


def worst_segments(now: pd.DataFrame, before: pd.DataFrame, spec: ModelSpec, *, most: int = 10) -> tuple[Segment, ...]:
    """Return the segments whose loss is above that of the other rows beyond chance, worst lower bound first, at most ``most``.

    Searched are the ``VALUES`` most frequent values of each of ``spec.segments`` and their pairs, with at least ``labels.minimum`` labelled
    rows inside and outside. The intervals are Bonferroni's over all that were searched: the probability that any is listed without being
    worse is at most one less ``performance.confidence`` (a half of it, being one-sided).

    ``explains`` is ``(W m - W0 m0) / (M - M0)``: of the window's change in mean loss ``M - M0``, what the segment with share ``W`` and mean
    ``m`` (before: ``W0``, ``m0``) brings, by more rows or by worse ones. Shares of overlapping segments do not add up to one.

    Args:
        now, before: labelled rows as of :func:`vigil.performance.measure.measure_performance`; ``before`` of earlier windows, may be empty.
    """
    loss, weight = _losses(now, spec)
    old_loss, old_weight = _losses(before, spec)
    names, old_names = _names(now, spec), _names(before, spec)
    candidates = [
        (name, inside, parts)
        for name, inside, parts in _searched(names)
        if min(int(inside.sum()), int((~inside).sum())) >= spec.labels.minimum
    ]
    confidence = 1 - (1 - spec.performance.confidence) / max(len(candidates), 1)
    change = _change(loss, weight, old_loss, old_weight, spec.performance.confidence)
    found = []
    for name, inside, parts in candidates:
        mean, rest = (cores.weighted_mean(loss[of], weight[of]) for of in (inside, ~inside))
        falls = [cores.leave_one_out(loss[of], weight[of]) for of in (inside, ~inside)]
        variance, df = cores.jackknife(*falls)
        half = quantile(confidence, df) * math.sqrt(variance)
        if mean - rest - half <= 0:
            continue
        then = np.logical_and.reduce([old_names[column] == value for column, value in parts]) if len(old_loss) else np.zeros(0, dtype=bool)
        share = float(weight[inside].sum() / weight.sum())
        old_mean = cores.weighted_mean(old_loss[then], old_weight[then]) if then.any() else None
        explains = None
        if change is not None:
            old_part = 0.0 if old_mean is None else float(old_weight[then].sum() / old_weight.sum()) * old_mean
            explains = (share * mean - old_part) / change
        interval = mean - rest - half, mean - rest + half
        found.append(Segment(name, int(inside.sum()), share, mean, old_mean, mean - rest, *interval, explains, len(candidates)))
    return tuple(sorted(found, key=lambda segment: (-segment.low, segment.name))[:most])


def _change(loss: cores.Vector, weight: cores.Vector, before: cores.Vector, old_weight: cores.Vector, confidence: float) -> float | None:
    """The change of the mean loss; None where it may be chance, for then there is nothing to explain."""
    if min(len(loss), len(before)) < 2:
        return None
    change = cores.weighted_mean(loss, weight) - cores.weighted_mean(before, old_weight)
    variance, df = cores.jackknife(cores.leave_one_out(loss, weight), cores.leave_one_out(before, old_weight))
    return change if abs(change) > quantile(confidence, df) * math.sqrt(variance) else None


def _searched(names: dict[str, npt.NDArray[np.object_]]) -> Iterator[tuple[str, Mask, tuple[tuple[str, str], ...]]]:
    frequent = {column: [str(each) for each in pd.Series(values).value_counts().index[:VALUES]] for column, values in names.items()}
    for column, values in frequent.items():
        for value in sorted(values):
            yield f"{column}={value}", names[column] == value, ((column, value),)
    for one, other in combinations(frequent, 2):
        for value in sorted(frequent[one]):
            for with_value in sorted(frequent[other]):
                inside = (names[one] == value) & (names[other] == with_value)
                yield f"{one}={value} & {other}={with_value}", inside, ((one, value), (other, with_value))


def _names(rows: pd.DataFrame, spec: ModelSpec) -> dict[str, npt.NDArray[np.object_]]:
    return {column: rows[column].astype("string").fillna("(null)").to_numpy(dtype=object) for column in spec.segments}


def _losses(rows: pd.DataFrame, spec: ModelSpec) -> tuple[cores.Vector, cores.Vector]:
    score, label, chance = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "label", "inclusion_probability"))
    return parts_of(loss_of(spec), score, label, spec.performance.scoring)[0], 1 / chance
