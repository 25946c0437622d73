"""What each metric of a window says to its alert rule: in breach, lasting, or back in bounds. Pure: looks in, readings out.

Differs from :mod:`vigil.decision.gates`, which asks what is to be done; here it is asked whether somebody must be told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from vigil.alerts.dynamic import MINIMUM, band
from vigil.alerts.rules import rule_for, rules_of
from vigil.measurement import NOTHING, TRAINING, WHOLE, Layer, Measurement, Verdict
from vigil.performance.maturity import LABEL_MATURITY
from vigil.spec.alerts import AlertRule, Tier
from vigil.spec.model import Metric, ModelSpec
from vigil.window import Window

WEEKDAYS = 7


class Signal(NamedTuple):
    """What an alert is about, whichever version serves: a metric of a layer, of the window or of a part of it."""

    layer: str
    metric: str
    subject: str

    def __str__(self) -> str:
        return self.metric if self.subject == "*" else f"{self.metric} of {self.subject}"


@dataclass(frozen=True)
class Looked:
    """One evaluated window as alerts see it: what counts of its measurements, by signal.

    ``silent`` names the declared event or maintenance that the window lies in; nothing in it is alerted or learnt from.
    """

    window: Window
    evaluation_id: str
    version: str
    spec_hash: str
    as_of: datetime
    measured: Mapping[Signal, Measurement]
    all_measured: tuple[Measurement, ...] = ()
    silent: str | None = None


@dataclass(frozen=True)
class Reading:
    """What one signal says in one window.

    Attributes:
        breach: over its threshold in this window.
        firing: in breach now, and in at least k of the last n windows in which it was measured.
        clear: in bounds by the hysteresis; neither breach nor clear is the margin between.
        excess: how many times what is tolerated the value is away from where it should be; None where nobody can say.
        threshold: what it was judged against, of the side that it is on.
    """

    signal: Signal
    tier: Tier
    breach: bool
    firing: bool
    clear: bool
    value: float | None
    threshold: float | None
    excess: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)


def looked(
    window: Window,
    evaluation_id: str,
    version: str,
    spec_hash: str,
    as_of: datetime,
    measurements: Sequence[Measurement],
    spec: ModelSpec,
) -> Looked:
    """Return a window as alerts see it: what is compared with the training data, or with nothing; of segments the judged metric only."""
    beside = {metric.value for metric in Metric} - {spec.performance.metric.value}  # shown of segments, too many to be asked for trends
    counting = {
        Signal(m.layer.value, m.metric, m.subject): m
        for m in measurements
        if m.reference in (TRAINING, NOTHING) and not (m.layer is Layer.PERFORMANCE and m.subject != WHOLE and m.metric in beside)
    }
    spans = (*spec.policy.anomalies, *spec.alerts.maintenance)
    silent = next((span.name for span in spans if span.overlaps(window)), None)
    return Looked(window, evaluation_id, version, spec_hash, as_of, counting, tuple(measurements), silent)


def read(current: Looked, history: Sequence[Looked], spec: ModelSpec) -> tuple[Reading, ...]:
    """Read every signal that has a rule and a value, by signal.

    A declared event or maintenance makes all of them neither breach nor clear, so there is nothing to return.

    Args:
        history: earlier windows, newest first; as many as :func:`reach` says.
    """
    if current.silent is not None:
        return ()
    rules = rules_of(spec)
    usable = [past for past in history if past.silent is None]
    found = []
    for signal, measurement in sorted(current.measured.items()):
        rule = rule_for(measurement, rules)
        reading = None if rule is None else judged(signal, rule, current, usable, spec)
        if rule is not None and reading is not None:
            at_once = reading.tier is Tier.P0  # a catastrophe is not waited for
            found.append(replace(reading, firing=reading.breach and (at_once or _lasting(signal, rule, usable, spec))))
    return tuple(found)


def recent(spec: ModelSpec) -> int:
    """Return how many windows of history every signal needs: twice the longest n, for windows in which it was not measured."""
    return 2 * max(rule.sustained.n for rule in rules_of(spec))


def reach(spec: ModelSpec) -> int:
    """Return how many windows of history reading needs at most: the recent ones, and the weeks of the longest dynamic threshold."""
    weeks = max((rule.dynamic.weeks for rule in rules_of(spec) if rule.dynamic is not None), default=0)
    return recent(spec) + (weeks * WEEKDAYS if spec.window.days == 1 else weeks)


def learnt(measurements: Sequence[Measurement], spec: ModelSpec) -> frozenset[str]:
    """Return the metrics whose thresholds come from their own history: they need all of :func:`reach`, others what is :func:`recent`."""
    rules = rules_of(spec)
    found = ((measurement.metric, rule_for(measurement, rules)) for measurement in measurements)
    return frozenset(metric for metric, rule in found if rule is not None and (rule.dynamic is not None or rule.of_baseline))


def _lasting(signal: Signal, rule: AlertRule, history: Sequence[Looked], spec: ModelSpec) -> bool:
    """Tell whether k of n windows were in breach, the present one included."""
    breaches, measured = 1, 1
    for number, past in enumerate(history):
        if breaches >= rule.sustained.k or measured >= rule.sustained.n:
            break
        reading = judged(signal, rule, past, history[number + 1 :], spec)
        if reading is not None:
            measured += 1
            breaches += reading.breach
    return breaches >= rule.sustained.k


def judged(signal: Signal, rule: AlertRule, at: Looked, before: Sequence[Looked], spec: ModelSpec) -> Reading | None:
    """Judge one window by itself; None where it was not measured, or there is no history to judge it by."""
    measurement = at.measured.get(signal)
    if measurement is None or measurement.verdict is Verdict.NOT_ENOUGH_DATA:
        return None
    assert rule.tier is not None
    if rule.follows_verdict:
        return _by_verdict(signal, rule, measurement, spec)
    limits = limits_of(signal, rule, at, before, spec)
    if limits is None or measurement.value is None:
        return None
    normal, low, high = limits
    value, margin = measurement.value, 1 - spec.alerts.hysteresis
    side = high if value >= normal else low
    excess = None if side is None or side == normal else (value - normal) / (side - normal)
    breach = excess is not None and excess > 1
    clear = excess is None or excess <= margin
    return _reading(signal, rule, measurement, breach=breach, clear=clear, threshold=side, excess=excess)


def _by_verdict(signal: Signal, rule: AlertRule, measurement: Measurement, spec: ModelSpec) -> Reading:
    """Follow the verdict that was measured with the value's own interval and threshold."""
    immature = measurement.metric == LABEL_MATURITY and measurement.verdict is Verdict.WARNING  # the decision does without, people are told
    breach = measurement.verdict is Verdict.BREACH or immature
    excess = _excess(measurement, spec)
    clear = measurement.verdict is Verdict.OK and (excess is None or excess <= 1 - spec.alerts.hysteresis)
    return _reading(signal, rule, measurement, breach=breach, clear=clear, threshold=measurement.threshold, excess=excess)


def larger_is_better(measurement: Measurement, spec: ModelSpec) -> bool:
    """Tell which side of a measurement's own threshold is the good one."""
    if measurement.layer is Layer.PERFORMANCE and measurement.metric != LABEL_MATURITY:
        return spec.performance.metric.larger_is_better
    shares = measurement.metric in (LABEL_MATURITY, "throughput_per_s") or measurement.metric.endswith("_success_rate")
    return shares or measurement.layer is Layer.BUSINESS


def measured_limits(measurement: Measurement, spec: ModelSpec) -> tuple[float | None, float | None]:
    """Return the limits below and above of which a measurement's own threshold is one."""
    return (measurement.threshold, None) if larger_is_better(measurement, spec) else (None, measurement.threshold)


def _excess(measurement: Measurement, spec: ModelSpec) -> float | None:
    value, threshold = measurement.value, measurement.threshold
    if value is None or threshold is None or measurement.layer is Layer.BUSINESS:  # wanted at least so much, which has no scale
        return None
    if measurement.metric == LABEL_MATURITY or measurement.metric.endswith("_success_rate"):  # shares of what should be there
        return (1 - value) / (1 - threshold) if threshold < 1 else None
    if measurement.layer is Layer.PERFORMANCE:
        loss = threshold - value if spec.performance.metric.larger_is_better else value - threshold
        return 1 + loss / spec.performance.tolerated_loss
    return value / threshold if threshold > 0 else None


def limits_of(
    signal: Signal, rule: AlertRule, at: Looked, before: Sequence[Looked], spec: ModelSpec
) -> tuple[float, float | None, float | None] | None:
    """Return where a value should be, the lower and the upper limit, of a rule that has its own; None where too little history."""
    if rule.dynamic is not None:
        found = _band(signal, rule, at, before, spec)
        return None if found is None else found
    if not rule.of_baseline:
        return (_between(rule.below, rule.above), rule.below, rule.above)
    past = _values(signal, before)
    if len(past) < MINIMUM:
        return None
    centre = float(np.median([value for _, value in past]))
    below, above = (None if times is None else times * centre for times in (rule.below, rule.above))
    return centre, below, above


def _between(below: float | None, above: float | None) -> float:
    """Where a value with static limits should be: half-way between two; of one limit, zero, or beyond it by its own size."""
    if below is not None and above is not None:
        return (below + above) / 2
    if above is not None:
        return 0.0 if above > 0 else above - max(abs(above), 1.0)
    assert below is not None
    return below + max(abs(below), 1.0)


def _band(
    signal: Signal, rule: AlertRule, at: Looked, before: Sequence[Looked], spec: ModelSpec
) -> tuple[float, float | None, float | None] | None:
    assert rule.dynamic is not None
    weekly = spec.window.days == 1
    slots: list[list[float]] = [[] for _ in range(WEEKDAYS if weekly else 1)]
    for window, value in _values(signal, before)[: rule.dynamic.weeks * (WEEKDAYS if weekly else 1)]:
        slots[window.start.weekday() if weekly else 0].append(value)
    found = band(slots, at.window.start.weekday() if weekly else 0, rule.dynamic.false_alarms)
    if found is None:
        return None
    return found.centre, found.low if rule.dynamic.below else None, found.high if rule.dynamic.above else None


def _values(signal: Signal, looks: Sequence[Looked]) -> list[tuple[Window, float]]:
    pairs = ((past.window, past.measured[signal].value) for past in looks if signal in past.measured)
    return [(window, value) for window, value in pairs if value is not None and math.isfinite(value)]


def _reading(
    signal: Signal, rule: AlertRule, measurement: Measurement, *, breach: bool, clear: bool, threshold: float | None, excess: float | None
) -> Reading:
    assert rule.tier is not None
    catastrophic = rule.catastrophic is not None and excess is not None and excess >= rule.catastrophic
    tier = Tier.P0 if breach and catastrophic else rule.tier
    return Reading(signal, tier, breach, False, clear and not breach, measurement.value, threshold, excess, measurement.detail)
