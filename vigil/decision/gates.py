"""The gates of the ladder: each a pure function of evidence and specification to a result with its numbers.

Differs from :mod:`vigil.decision.ladder`, which puts them in order and turns the first that settles the matter into an action.
A gate never looks anything up. What is absent or too small is ``unknown``: never healthy, never a trigger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vigil.decision.phrases import number, percent, plural, when
from vigil.decision.types import Evidence, GateResult, GateState, PastWindow
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec, Sustained

DATA_FAULT = "data_fault"
PASSING = "passing"
HARM = "harm"
WORTH_IT = "worth_it"


def data_fault(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 1: is the data at fault? Fires on any failed critical expectation."""
    checks = [m for m in evidence.measurements if m.layer is Layer.DATA_QUALITY]
    if not checks:
        return GateResult(DATA_FAULT, GateState.UNKNOWN, "Data quality is unknown: no expectation was checked.", {"checked": 0})
    failed = [m for m in checks if m.verdict is Verdict.BREACH]
    numbers = {
        "checked": len(checks),
        "failed": [
            {
                "expectation": m.metric,
                "subject": m.subject,
                "value": m.value,
                "threshold": m.threshold,
                "because": m.detail.get("because", ""),
            }
            for m in failed
        ],
    }
    if not failed:
        return GateResult(DATA_FAULT, GateState.PASSED, f"All critical expectations hold ({len(checks)} checked).", numbers)
    worst = max(failed, key=lambda m: (m.value if m.value is not None else -1.0, m.metric, m.subject))
    more = f", and {plural(len(failed) - 1, 'more')}" if len(failed) > 1 else ""
    return GateResult(DATA_FAULT, GateState.FIRED, f"The data is at fault: {_failure(worst)}{more}.", numbers)


def passing(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 2: does it pass by itself? Fires on a declared anomaly, and where neither drift nor lower performance is sustained."""
    drift = _sustained(evidence, spec.policy.drift, lambda past: past.drift)
    performance = _sustained(evidence, spec.policy.performance, lambda past: past.performance)
    numbers: dict[str, Any] = {"drift": drift, "performance": performance, "anomaly": evidence.current.anomaly}
    if evidence.current.anomaly is not None:
        sentence = f"The window lies in the declared event “{evidence.current.anomaly}”, which is not acted on."
        return GateResult(PASSING, GateState.FIRED, sentence, numbers)
    lasting = [name for name, count in (("drift", drift), ("lower performance", performance)) if count["sustained"]]
    if lasting:
        return GateResult(PASSING, GateState.PASSED, f"It lasts: {_counts(drift, performance)}.", numbers)
    found = evidence.current.drift, evidence.current.performance
    if not any(_known(m) for m in found):
        sentence = "Neither drift nor performance could be measured: too little data, so nothing is known and nothing is done."
        return GateResult(PASSING, GateState.UNKNOWN, sentence, numbers)
    now = f"{_drift(found[0])}; {_performance(found[1], spec)}"
    if any(m is not None and m.verdict is Verdict.BREACH for m in found):
        return GateResult(PASSING, GateState.FIRED, f"It does not last yet: {_counts(drift, performance)}. Now {now}.", numbers)
    return GateResult(PASSING, GateState.FIRED, f"Nothing is in breach: {now}.", numbers)


def harm(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 4: is there harm? *Confirmed* by sustained loss on labels, *suspected* by sustained drift."""
    drift = _sustained(evidence, spec.policy.drift, lambda past: past.drift)
    performance = _sustained(evidence, spec.policy.performance, lambda past: past.performance)
    measured = evidence.current.performance
    numbers: dict[str, Any] = {
        "confirmed": performance["sustained"],
        "suspected": drift["sustained"],
        "performance": _values(measured),
        "drift": _values(evidence.current.drift),
        "baseline": evidence.baseline,
        "retrain_on_drift_alone": spec.policy.retrain_on_drift_alone,
    }
    if performance["sustained"]:
        return GateResult(HARM, GateState.FIRED, f"Harm is confirmed by labels: {_performance(measured, spec)}.", numbers)
    suspicion = f"Harm is suspected: {_drift(evidence.current.drift)}"
    if spec.policy.retrain_on_drift_alone:
        return GateResult(HARM, GateState.FIRED, f"{suspicion}, and the policy acts on sustained drift alone.", numbers)
    if measured is None or measured.verdict is Verdict.NOT_ENOUGH_DATA:
        labels = 0 if measured is None else measured.n
        sentence = f"{suspicion}, but {plural(labels, 'label')} cannot tell (the metric needs {spec.labels.minimum})."
        return GateResult(HARM, GateState.UNKNOWN, sentence, numbers)
    return GateResult(HARM, GateState.PASSED, f"Drift without harm: {_performance(measured, spec)}.", numbers)


def worth_it(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 6: is retraining worth it now? Fires within the cool-down after the last retraining decision."""
    since, needed = evidence.windows_since_retraining, spec.policy.cool_down_windows
    numbers = {"windows_since_retraining": since, "cool_down_windows": needed, "last_retraining": evidence.last_retraining}
    if since is not None and since < needed:
        free = evidence.window.shifted(needed - since)
        sentence = (
            f"The last retraining was decided {plural(since, 'window')} ago and the cool-down is {needed}: "
            f"not before the window that starts on {when(free.start)}."
        )
        return GateResult(WORTH_IT, GateState.FIRED, sentence, numbers)
    ago = "No retraining was decided before" if since is None else f"The last retraining was decided {plural(since, 'window')} ago"
    return GateResult(WORTH_IT, GateState.PASSED, f"{ago}; the cool-down is {plural(needed, 'window')}.", numbers)


def _sustained(evidence: Evidence, rule: Sustained, pick: Callable[[PastWindow], Measurement | None]) -> dict[str, Any]:
    """Count breaches among the last n windows of the same version that passed quality, lie in no anomaly and could be measured."""
    usable: list[PastWindow] = []
    breaches: list[str] = []
    for past in (evidence.current, *evidence.history):
        found = pick(past)
        if past.version != evidence.version or not past.quality_passed or past.anomaly is not None:
            continue
        if found is None or found.verdict is Verdict.NOT_ENOUGH_DATA:
            continue
        usable.append(past)
        if found.verdict is Verdict.BREACH:
            breaches.append(when(past.window.start))
        if len(usable) == rule.n:
            break
    in_breach_now = bool(usable) and usable[0] is evidence.current and when(evidence.window.start) in breaches
    return {
        "breaches": len(breaches),
        "measured": len(usable),
        "k": rule.k,
        "n": rule.n,
        "windows": breaches,
        "sustained": in_breach_now and len(breaches) >= rule.k,
    }


def _known(measurement: Measurement | None) -> bool:
    return measurement is not None and measurement.verdict is not Verdict.NOT_ENOUGH_DATA


def _counts(drift: dict[str, Any], performance: dict[str, Any]) -> str:
    """Say of what is in breach at all in how many windows; both where neither is."""

    def one(name: str, count: dict[str, Any]) -> str:
        measured = plural(count["measured"], "measured window")
        return f"{name} in {count['breaches']} of the last {measured} ({count['k']} of {count['n']} are needed)"

    named = [(name, count) for name, count in (("drift", drift), ("lower performance", performance)) if count["breaches"]]
    return " and ".join(one(name, count) for name, count in named)


def _failure(measurement: Measurement) -> str:
    because = measurement.detail.get("because") or measurement.metric
    subject = "" if measurement.subject in ("*", "") or measurement.subject in because else f" (column {measurement.subject})"
    if measurement.value is None:
        return f"{because}{subject}"
    return f"{because}{subject}: {percent(measurement.value)} of rows fail, {percent(measurement.threshold or 0.0)} is tolerated"


def _drift(measurement: Measurement | None) -> str:
    if measurement is None or measurement.value is None:
        return "drift could not be measured"
    shares: dict[str, float] = measurement.detail.get("drifted", {})
    limit = percent(measurement.threshold or 0.0)
    if not shares:
        return f"no feature has drifted ({limit} of the importance is tolerated)"
    features = ", ".join(sorted(shares, key=lambda name: (-shares[name], name))[:3])
    return f"features with {percent(measurement.value)} of the importance have drifted ({features}; {limit} is tolerated)"


def _performance(measurement: Measurement | None, spec: ModelSpec) -> str:
    metric = spec.performance.metric.value
    if measurement is None or measurement.value is None:
        labels = "no label" if measurement is None or measurement.n == 0 else plural(measurement.n, "label")
        if measurement is not None and measurement.detail.get("maturity") is not None:
            here, needed = percent(measurement.detail["maturity"]), percent(spec.labels.maturity or 0.0)
            return f"{metric} could not be judged on {labels}: {here} of those expected are here ({needed} are needed)"
        return f"{metric} could not be measured on {labels} ({spec.labels.minimum} are needed)"
    interval = f" ({number(measurement.low)} to {number(measurement.high)})" if measurement.low is not None else ""
    limit = f", the limit is {number(measurement.threshold)}" if measurement.threshold is not None else ""
    return f"{metric} is {number(measurement.value)}{interval} on {plural(measurement.n, 'label')}{limit}"


def _values(measurement: Measurement | None) -> dict[str, Any] | None:
    if measurement is None:
        return None
    return {
        "value": measurement.value,
        "low": measurement.low,
        "high": measurement.high,
        "n": measurement.n,
        "threshold": measurement.threshold,
        "verdict": measurement.verdict.value,
    }
