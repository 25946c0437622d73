"""Fairness of a binary model: how a protected group fares against all others, with intervals that hold together.

Differs from :mod:`vigil.performance.segments`, which looks for where the model is worst. Protected columns are for measuring only; the
specification refuses them as features. Which difference is unjust no number says: they are shown, and judged where a person set a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance import cores
from vigil.performance.intervals import Interval, quantile, wilson_interval
from vigil.spec.model import ModelSpec

DEMOGRAPHIC_PARITY = "demographic_parity"
EQUAL_OPPORTUNITY = "equal_opportunity"
GROUP_CALIBRATION = "group_calibration"
LEAST = 10  # rows that count of each side, as of a class (vigil.performance.measure)

Called = Mapping[str, Mapping[str, tuple[int, int]]]  # protected column -> group -> (predictions, those called positive)


def measure_fairness(labelled: pd.DataFrame, called: Called, spec: ModelSpec, *, version: str) -> tuple[Measurement, ...]:
    """Measure each group of each protected column: subject ``column=group``, three metrics.

    - ``demographic_parity``: the group's share of rows called positive less that of all others, over all predictions.
    - ``equal_opportunity``: the same among the rows with label 1 (Hardt, Price & Srebro 2016, arXiv 1610.02413).
    - ``group_calibration``: the mean of ``label - score`` in the group; 0 where its probabilities are right on average.

    The first two have Newcombe's hybrid of Wilson's intervals (1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873), at the
    effective sizes of sampled labels; the third a jackknife interval. All intervals of a metric hold together with the confidence of
    ``spec.performance`` (Bonferroni over its groups). A warning where a whole interval lies beyond ``fairness.tolerated_difference``.
    """
    return tuple(
        _judged(measured, spec) for column in spec.fairness.protected for measured in _of_column(labelled, called, column, spec, version)
    )


def _of_column(labelled: pd.DataFrame, called: Called, column: str, spec: ModelSpec, version: str) -> Iterator[Measurement]:
    counts = called[column]
    confidence = 1 - (1 - spec.performance.confidence) / max(len(counts), 1)
    score = labelled["score"].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = labelled[(score >= 0) & (score <= 1)]
    score, label = rows["score"].to_numpy(dtype=np.float64), rows["label"].to_numpy(dtype=np.float64)
    weight = 1 / rows["inclusion_probability"].to_numpy(dtype=np.float64)
    names = rows[column].astype("string").fillna("(null)").to_numpy(dtype=object)
    total, positive = (sum(pair[place] for pair in counts.values()) for place in (0, 1))
    for group in sorted(counts):
        n, hit = counts[group]
        others = total - n, positive - hit
        subject = f"{column}={group}"
        found = _difference((hit / n, n), (others[1] / others[0], others[0]), confidence) if min(n, others[0]) >= LEAST else None
        yield _measurement(DEMOGRAPHIC_PARITY, subject, version, n, found, confidence)
        inside, true = names == group, label == 1
        sides = [(score[of] >= spec.performance.decision_threshold, weight[of]) for of in (inside & true, ~inside & true)]
        enough = min(len(each) for each, _ in sides) >= LEAST
        shares = [(cores.weighted_mean(each.astype(np.float64), w), cores.effective_size(w)) for each, w in sides] if enough else []
        found = _difference(shares[0], shares[1], confidence) if enough else None
        yield _measurement(EQUAL_OPPORTUNITY, subject, version, len(sides[0][0]), found, confidence)
        yield _measurement(
            GROUP_CALIBRATION,
            subject,
            version,
            int(inside.sum()),
            _mean(label[inside] - score[inside], weight[inside], confidence),
            confidence,
        )


def _difference(one: tuple[float, float], other: tuple[float, float], confidence: float) -> tuple[float, Interval]:
    """The difference of two shares of effective sizes, with Newcombe's interval."""
    (p, n), (q, m) = one, other
    p_low, p_high = wilson_interval(p, n, n, confidence)
    q_low, q_high = wilson_interval(q, m, m, confidence)
    return p - q, (p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low))


def _mean(value: cores.Vector, weight: cores.Vector, confidence: float) -> tuple[float, Interval] | None:
    if len(value) < LEAST:
        return None
    mean = cores.weighted_mean(value, weight)
    variance, df = cores.jackknife(cores.leave_one_out(value, weight))
    half = quantile(confidence, df) * math.sqrt(variance)
    return mean, (mean - half, mean + half)


def _measurement(metric: str, subject: str, version: str, n: int, found: tuple[float, Interval] | None, confidence: float) -> Measurement:
    value, (low, high) = found if found is not None else (None, (None, None))
    verdict = Verdict.NOT_ENOUGH_DATA if found is None else Verdict.OK
    detail: dict[str, Any] = {"confidence": confidence}
    return Measurement(Layer.PERFORMANCE, metric, value, verdict, n, subject=subject, version=version, low=low, high=high, detail=detail)


def _judged(measured: Measurement, spec: ModelSpec) -> Measurement:
    limit = spec.fairness.tolerated_difference
    if limit is None or measured.low is None or measured.high is None:
        return measured
    verdict = Verdict.WARNING if measured.low > limit or measured.high < -limit else Verdict.OK
    return Measurement(**{**vars(measured), "threshold": limit, "verdict": verdict})
