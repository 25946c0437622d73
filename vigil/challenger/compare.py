"""Champion against challenger on the same labelled rows: the difference of a metric with a paired bootstrap interval, and a verdict.

What else is asked of a challenger, group by group for instance, stands in :mod:`vigil.challenger.criteria`.

Differs from :mod:`vigil.performance.metrics`, which measures one model. Both models are better or worse on the same hard rows,
so the interval of the difference is far narrower than the two models' own intervals suggest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.challenger.criteria import Criterion, Standing, criteria_of, enough_to_compare
from vigil.performance.cores import Vector
from vigil.performance.measure import MINIMUM_PER_CLASS
from vigil.performance.metrics import COUNTED, value_of
from vigil.performance.paired import exact_accuracy_interval, paired
from vigil.performance.resampled import values_under
from vigil.spec.model import Metric, ModelSpec, Scoring

METRIC_NAMES = {
    Metric.ROC_AUC: "ROC AUC",
    Metric.LOG_LOSS: "log loss",
    Metric.BRIER: "Brier score",
    Metric.ACCURACY: "accuracy",
    Metric.MAE: "mean absolute error",
    Metric.RMSE: "root mean squared error",
    Metric.PRECISION: "precision",
    Metric.RECALL: "recall",
    Metric.F1: "F1",
    Metric.MAPE: "mean absolute percentage error",
    Metric.PINBALL: "pinball loss",
}
LEAST_IN_TAIL = 5  # resamples beyond each end of the interval; with fewer they say nothing of it (convention)
CELLS_AT_ONCE = 4_000_000  # resamples x rows held in memory: 32 MB


class ComparisonVerdict(StrEnum):
    """What a comparison says: replace the champion, keep it, or wait for labels."""

    PROMOTE = "promote"
    KEEP = "keep"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        champion, challenger: the metric's values; None where there are too few rows.
        difference: oriented so that positive = the challenger is better, whether the metric is a gain or a loss.
        low, high: the difference's interval at ``confidence``.
        n: labelled rows that both scored.
        minimum_rows: what the spec asks for.
        criteria: what else it was judged by; one that failed keeps the champion.
    """

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    minimum_rows: int
    confidence: float
    resamples: int
    verdict: ComparisonVerdict
    criteria: tuple[Criterion, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as ``Retraining.comparison`` keeps it."""
        criteria = [asdict(each) | {"standing": each.standing.value} for each in self.criteria]
        return {**vars(self), "verdict": self.verdict.value, "criteria": criteria}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Comparison:
        criteria = tuple(map(Criterion.from_json, body.get("criteria", ())))
        return cls(**{**body, "verdict": ComparisonVerdict(body["verdict"]), "criteria": criteria})

    @property
    def failed(self) -> tuple[Criterion, ...]:
        return tuple(each for each in self.criteria if each.standing is Standing.FAILED)

    def judged_by(self, *more: Criterion) -> Comparison:
        """Return the comparison with further criteria and the verdict that follows from all."""
        judged = replace(self, criteria=(*self.criteria, *more))
        if judged.failed and judged.verdict is ComparisonVerdict.PROMOTE:
            return replace(judged, verdict=ComparisonVerdict.KEEP)
        return judged

    def sentence(self) -> str:
        """Say it in plain words, with the numbers."""
        if self.champion is None or self.challenger is None or self.difference is None or self.low is None or self.high is None:
            return (
                f"Champion and challenger cannot be compared on {self.n:,} labelled rows: "
                f"{self.minimum_rows:,} are needed, with at least {MINIMUM_PER_CLASS} of each class where there are classes"
                f"{_counting(Metric(self.metric))}."
            )
        name = METRIC_NAMES[Metric(self.metric)]
        by = f"{'better' if self.difference > 0 else 'worse'} by {abs(self.difference):.4f}" if self.difference else "no difference"
        if self.verdict is ComparisonVerdict.PROMOTE:
            conclusion = "The challenger is better."
        elif self.low > 0:
            conclusion = f"The champion stays all the same: {'; '.join(each.sentence() for each in self.failed)}."
        else:
            conclusion = "The challenger is worse." if self.high < 0 else "That may be chance, so the champion stays."
        return (
            f"On the same {self.n:,} labelled rows the challenger's {name} is {self.challenger:.4f}, the champion's {self.champion:.4f}: "
            f"{by} ({100 * self.confidence:g} % interval {self.low:+.4f} to {self.high:+.4f}). {conclusion}"
        )


def compare(
    champion_score: npt.ArrayLike,
    challenger_score: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None,
    spec: ModelSpec,
    rng: np.random.Generator,
    groups: pd.DataFrame | None = None,
) -> Comparison:
    """Compare two models' scores of the same rows by ``spec.compared_on``.

    Paired percentile bootstrap (Efron & Tibshirani 1993, ch. 13): each of ``comparison.resamples`` resamples draws n rows with
    replacement and scores BOTH models on them; the interval's ends are quantiles of the differences. Values are Hajek estimates with
    ``weight`` = 1 / inclusion probability (None: all 1), in the resamples too. The draw is not stratified by class: how many
    positives a window holds is itself chance, and holding it fixed would make the interval of a loss too narrow. A resample in
    which a class is absent (probability below 1e-4 at the minimum of 10) has no AUC and is left out. Where the confidence is so high that
    fewer than 5 resamples lie beyond an end, as where it is held over many looks, the interval is the jackknife's
    (:func:`vigil.performance.paired.paired`). Of the accuracy of rows that all count alike there is an exact test, and it is that one's
    (:func:`vigil.performance.paired.exact_accuracy_interval`).

    The verdict is ``promote`` where the interval's low end is above 0 and no criterion of
    :func:`~vigil.challenger.criteria.criteria_of` failed, else ``keep``; ``not_enough_data`` below ``comparison.minimum_rows``, or with
    fewer than 10 rows of a class, or that count for the metric under either model (the precision's are those that it calls positive). The
    same rows in any order give the same comparison.

    What it cannot see: rows of later windows. The interval is about rows like these.

    Args:
        groups: a column for each of ``spec.segments`` and ``spec.fairness.protected``, row by row; None where no group is looked at.

    Raises:
        ValueError: the vectors differ in length, a score or label is not finite, or a weight not positive.
    """
    metric, asked = spec.compared_on, spec.comparison
    champion, challenger, y = (np.asarray(values, dtype=np.float64) for values in (champion_score, challenger_score, label))
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not champion.shape == challenger.shape == y.shape == w.shape:
        raise ValueError(f"both models score the same rows, got shapes {champion.shape}, {challenger.shape}, {y.shape}, {w.shape}")
    if not enough_to_compare(champion, challenger, y, spec, asked.minimum_rows):
        return _judged(spec, len(y), None)
    order = np.lexsort((w, y, challenger, champion))
    champion, challenger, y, w = champion[order], challenger[order], y[order], w[order]
    sign = 1.0 if metric.larger_is_better else -1.0
    scoring = spec.performance.scoring
    values = value_of(metric, champion, y, w, scoring=scoring), value_of(metric, challenger, y, w, scoring=scoring)
    tail = (1 - asked.confidence) / 2
    if metric is Metric.ACCURACY and np.all(w == w[0]):
        low, high = exact_accuracy_interval(champion, challenger, y, asked.confidence, scoring)
    elif tail * asked.resamples < LEAST_IN_TAIL:
        low, high = paired(metric, champion, challenger, y, w, scoring).interval(asked.confidence)
    else:
        differences = sign * _resampled_differences(metric, scoring, champion, challenger, y, w, asked.resamples, rng)
        low, high = np.nanquantile(differences, [tail, 1 - tail])
    judged = _judged(spec, len(y), (*values, sign * (values[1] - values[0]) + 0.0, float(low) + 0.0, float(high) + 0.0))  # no -0.0
    sorted_groups = None if groups is None else groups.iloc[order].reset_index(drop=True)
    return judged.judged_by(*criteria_of(champion, challenger, y, w, sorted_groups, spec))


def _counting(metric: Metric) -> str:
    return f", and {MINIMUM_PER_CLASS} under either model with {COUNTED[metric]}" if metric in COUNTED else ""


def _judged(spec: ModelSpec, n: int, numbers: tuple[float, float, float, float, float] | None) -> Comparison:
    champion, challenger, difference, low, high = numbers or (None, None, None, None, None)
    promote = low is not None and low > 0
    judged = ComparisonVerdict.PROMOTE if promote else ComparisonVerdict.KEEP
    return Comparison(
        metric=spec.compared_on.value,
        champion=champion,
        challenger=challenger,
        difference=difference,
        low=low,
        high=high,
        n=n,
        minimum_rows=spec.comparison.minimum_rows,
        confidence=spec.comparison.confidence,
        resamples=spec.comparison.resamples,
        verdict=judged if low is not None else ComparisonVerdict.NOT_ENOUGH_DATA,
    )


def _resampled_differences(
    metric: Metric,
    scoring: Scoring,
    champion: Vector,
    challenger: Vector,
    label: Vector,
    w: Vector,
    resamples: int,
    rng: np.random.Generator,
) -> Vector:
    """Challenger's metric minus champion's in each resample, shape ``(resamples,)``; NaN where a resample has no value."""
    n = len(label)
    at_once = max(1, CELLS_AT_ONCE // n)
    found = []
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n) * w
        found.append(values_under(metric, scoring, challenger, label, weights) - values_under(metric, scoring, champion, label, weights))
    return np.concatenate(found)
