"""The drift of one window: every feature, the prediction, and the window as a whole, from two profiles and no raw row.

Differs from :mod:`.statistics` (one number from two sets of counts): here methods and thresholds are taken from the
specification, the evidence is adjusted for the number of features, and what was found becomes measurements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vigil.drift import statistics
from vigil.drift.choice import method_for, threshold_for
from vigil.drift.evidence import chi_square_p, ks_p
from vigil.drift.multiplicity import benjamini_hochberg
from vigil.drift.shown import shown_beside
from vigil.drift.verdict import feature_verdict, window_verdict
from vigil.measurement import TRAINING, Layer, Measurement, Verdict
from vigil.profile.profile import CategoricalSummary, NumericSummary, Profile, Summary
from vigil.spec.model import DriftMethod, ModelSpec

DRIFT_SHARE = "drift_share"  # the metric of the window as a whole
TAIL_REACH = 4.0  # reference standard deviations beyond the outermost edges, all that a normal column has; chosen on simulated skewed ones
_SHOWN_BINS = 3  # the bins or categories that moved most, in a measurement's detail


@dataclass(frozen=True)
class Comparison:
    """One column's drift before its verdict: ``value`` and ``p_value`` are None where a side has too few rows."""

    method: DriftMethod
    threshold: float
    n: int
    reference_n: int
    value: float | None
    p_value: float | None
    detail: Mapping[str, Any]


def measure_drift(
    current: Profile,
    reference: Profile,
    spec: ModelSpec,
    *,
    importance: Mapping[str, float],
    version: str,
    reference_name: str = TRAINING,
    choose_by: Profile | None = None,
) -> tuple[Measurement, ...]:
    """Measure the drift of ``current`` against ``reference``, both profiled with one layout.

    Returns, all of layer ``drift`` and in the specification's order:

    - ``drift_share`` of the window: the share of its features, weighted with ``importance``, that breach. Features without
      enough rows are left out of the sum and listed in its detail. Without any importance all features weigh the same.
    - of each feature its method's statistic. It breaches where the statistic is over its threshold and its p-value, adjusted
      over the window's features (Benjamini-Hochberg), is below ``spec.drift.false_discovery_rate``.
    - of the prediction (subject: the score column), where both profiles have it, the numeric method's statistic. It is one
      test apart from the features, so its p-value is not adjusted.
    - shown only (no threshold): what :func:`vigil.drift.shown.shown_beside` finds to say about each column.

    Args:
        importance: feature -> how much its drift matters, in any unit; a feature that is absent weighs nothing, a name
            that is no feature is ignored.
        choose_by: the profile that the method ``auto`` looks at; default ``reference``.

    Raises:
        ValueError: the profiles were made with different layouts.
    """
    if current.layout != reference.layout:
        raise ValueError(
            f"drift needs two profiles of one layout, got {current.layout[:12]} and {reference.layout[:12]}; "
            "profile the window with the reference's layout"
        )
    methods = {name: method_for(name, spec, choose_by or reference) for name in (*spec.features, spec.columns.score)}
    compared = {name: _compare(name, current, reference, methods[name], spec) for name in spec.features}
    adjusted = benjamini_hochberg({name: found.p_value for name, found in compared.items() if found.p_value is not None})
    features = {name: _measured(name, found, adjusted.get(name), spec) for name, found in compared.items()}
    found = [_window(features, current.rows, spec, importance), *features.values()]
    score = spec.columns.score
    if score in current.numeric and score in reference.numeric:
        prediction = _compare(score, current, reference, methods[score], spec)
        found.append(_measured(score, prediction, prediction.p_value, spec))
    found += shown_beside(current, reference, spec)
    return tuple(_of(measurement, version, reference_name) for measurement in found)


def _compare(name: str, current: Profile, reference: Profile, method: DriftMethod, spec: ModelSpec) -> Comparison:
    threshold = threshold_for(name, spec, method)
    now, then = current.column(name), reference.column(name)
    n, reference_n = (0 if side is None else side.n for side in (now, then))
    enough = min(n, reference_n) >= spec.drift.minimum_rows
    if now is None or then is None or not enough or min(n, reference_n) == 0:
        because = f"needs {spec.drift.minimum_rows} rows with a value on both sides"
        return Comparison(method, threshold, n, reference_n, None, None, {"because": because})
    value, p_value, detail = _statistic(method, then, now)
    return Comparison(method, threshold, n, reference_n, value, p_value, detail | {"moved": _moved(then, now)})


def _statistic(method: DriftMethod, then: Summary, now: Summary) -> tuple[float, float, dict[str, Any]]:
    """Return the method's value, its p-value, and what is said beside it.

    Wasserstein takes the Kolmogorov-Smirnov p-value: both compare cumulative shares, so a shift that moves the one moves the other,
    and no resampling is needed. The others compare bin by bin, as chi-square does.
    """
    p, q = np.array(_counts(then), dtype=np.float64), np.array(_counts(now), dtype=np.float64)
    if method is DriftMethod.PSI:
        return statistics.psi(p, q), chi_square_p(p, q), {}
    if method is DriftMethod.JENSEN_SHANNON:
        return statistics.jensen_shannon(p, q), chi_square_p(p, q), {}
    if method is DriftMethod.CHI_SQUARE:
        return statistics.chi_square(p, q), chi_square_p(p, q), {}
    if method is DriftMethod.KS:
        return statistics.ks(p, q), ks_p(p, q), {"binning_error": statistics.ks_binning_error(p, q)}
    low, high, std = _spread(then)
    edges = then.edges if isinstance(then, NumericSummary) else ()
    value = statistics.wasserstein(p, q, edges, low=low, high=high, std=std)
    error = statistics.wasserstein_binning_error(p, q, edges, low=low, high=high, std=std)
    return value, ks_p(p, q), {"binning_error": error}


def _measured(name: str, found: Comparison, p_adjusted: float | None, spec: ModelSpec) -> Measurement:
    verdict = Verdict.NOT_ENOUGH_DATA
    detail = {**found.detail, "reference_n": found.reference_n}
    if found.value is not None and p_adjusted is not None:
        verdict = feature_verdict(found.value, found.threshold, p_adjusted, spec.drift.false_discovery_rate)
        detail |= {"p_value": found.p_value, "p_adjusted": p_adjusted}
    return Measurement(
        Layer.DRIFT, found.method.value, found.value, verdict, found.n, subject=name, threshold=found.threshold, detail=detail
    )


def _window(features: Mapping[str, Measurement], rows: int, spec: ModelSpec, importance: Mapping[str, float]) -> Measurement:
    judged = [name for name, measured in features.items() if measured.verdict is not Verdict.NOT_ENOUGH_DATA]
    weights = {name: max(importance.get(name, 0.0), 0.0) for name in judged}
    weighted = sum(weights.values()) > 0
    if not weighted:
        weights = dict.fromkeys(judged, 1.0)
    total = math.fsum(weights.values())
    drifted = {name: weights[name] / total for name in judged if features[name].verdict is Verdict.BREACH}
    detail = {
        "drifted": drifted,
        "judged": len(judged),
        "not_enough_data": [name for name in features if name not in weights],
        "weights": "importance" if weighted else "equal",
    }
    value = min(math.fsum(drifted.values()), 1.0) if judged else None
    verdict = Verdict.NOT_ENOUGH_DATA if value is None else window_verdict(value, spec.drift.share)
    return Measurement(Layer.DRIFT, DRIFT_SHARE, value, verdict, rows, threshold=spec.drift.share, detail=detail)


def _counts(summary: Summary) -> tuple[int, ...]:
    return summary.counts if isinstance(summary, NumericSummary) else (*summary.counts, summary.other, summary.unseen)


def _names(summary: Summary) -> list[str]:
    if isinstance(summary, CategoricalSummary):
        return [*summary.levels, "(other)", "(unseen)"]
    ends = [f"{edge:.6g}" for edge in summary.edges]
    return [f"({low}, {high}]" for low, high in zip(["-inf", *ends], [*ends, "inf"], strict=True)]


def _spread(then: Summary) -> tuple[float, float, float]:
    """Return between which values Wasserstein is measured, and its unit.

    The outermost bins are taken as even up to there. Up to the extremes of a skewed column they are not: a percent more of an amount's
    upper bin would count as if it lay half way to the largest amount ever.
    """
    if isinstance(then, CategoricalSummary) or then.minimum is None or then.maximum is None:
        return 0.0, 0.0, 0.0
    low, high, std = then.minimum, then.maximum, then.std or 0.0
    if low == high or std == 0 or not then.edges:
        return low, high, 0.0 if low == high else std
    first, last = (min(max(edge, low), high) for edge in (then.edges[0], then.edges[-1]))
    return max(low, first - TAIL_REACH * std), min(high, last + TAIL_REACH * std), std


def _moved(then: Summary, now: Summary) -> list[dict[str, Any]]:
    p, q = np.array(_counts(then)) / then.n, np.array(_counts(now)) / now.n
    most = np.argsort(-np.abs(q - p), kind="stable")[:_SHOWN_BINS]
    names = _names(then)
    return [{"bin": names[j], "reference": float(p[j]), "current": float(q[j])} for j in most if p[j] != q[j]]


def _of(measurement: Measurement, version: str, reference_name: str) -> Measurement:
    return replace(measurement, version=version, reference=reference_name)
