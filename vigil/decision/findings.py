"""How what was measured reads in a gate's sentence. Differs from :mod:`vigil.decision.words`, which explains a whole decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vigil.business.value import VALUE
from vigil.decision.phrases import number, percent, percents, plural
from vigil.measurement import WHOLE, Measurement
from vigil.performance.label_free import PREFIX
from vigil.spec.model import ModelSpec


def counts_of(counts: dict[str, dict[str, Any]]) -> str:
    """Say of what is in breach at all in how many windows."""

    def one(name: str, count: dict[str, Any]) -> str:
        measured = plural(count["measured"], "measured window")
        return f"{name} in {count['breaches']} of the last {measured} ({count['k']} of {count['n']} are needed)"

    return " and ".join(one(name, count) for name, count in counts.items() if count["breaches"])


def value_of(measurement: Measurement, spec: ModelSpec) -> str:
    """Say what a prediction is worth, or the north-star KPI, with its interval and what is wanted at least."""
    money = measurement.metric == VALUE
    unit = f" {spec.business.unit}" if money and spec.business.unit else ""
    interval = f" ({number(measurement.low)} to {number(measurement.high)})" if measurement.low is not None else ""
    what = "a prediction is worth" if money else f"{measurement.metric} is"
    return f"{what} {number(measurement.value)}{interval}{unit}, at least {number(measurement.threshold)} is wanted"


def failure(measurement: Measurement) -> str:
    """Say a failed expectation: its reason or name, its column, and the share of rows beside what is tolerated, or what was found."""
    because = measurement.detail.get("because") or measurement.metric
    subject = "" if measurement.subject in ("*", "") or measurement.subject in because else f" (column {measurement.subject})"
    if measurement.value is None:
        return f"{because}{subject}"
    if "observed" in measurement.detail:  # it is about the table, and no row fails it
        return f"{because}{subject}: found {measurement.detail['observed']}"
    share, tolerated = percents(measurement.value, measurement.threshold or 0.0)
    return f"{because}{subject}: {share} of rows fail, {tolerated} is tolerated"


def drift_of(measurement: Measurement | None) -> str:
    """Say the window's drift share, with the three features that weigh most."""
    if measurement is None or measurement.value is None:
        return "drift could not be measured"
    shares: dict[str, float] = measurement.detail.get("drifted", {})
    share, limit = percents(measurement.value, measurement.threshold or 0.0)
    if not shares:
        return f"no feature has drifted ({limit} of the importance is tolerated)"
    features = ", ".join(sorted(shares, key=lambda name: (-shares[name], name))[:3])
    return f"features with {share} of the importance have drifted ({features}; {limit} is tolerated)"


def estimate_of(measurements: Iterable[Measurement]) -> str | None:
    """Say what was estimated without labels, as an estimate and with what it cannot see; None where nothing was."""
    found = next((m for m in measurements if m.metric.startswith(PREFIX) and m.subject == WHOLE), None)
    if found is None:
        return None
    metric, known = found.metric.removeprefix(PREFIX), plural(found.detail["calibrated_on"], "label")
    if found.value is None:
        return f"{metric} could not be estimated without this window's labels, from {known} of earlier ones."
    return (
        f"Estimated without this window's labels, from {known} of earlier ones: {metric} about {number(found.value)} "
        f"({number(found.low)} to {number(found.high)}). An estimate, blind to concept drift; nothing is decided by it."
    )


def performance_of(measurement: Measurement | None, spec: ModelSpec) -> str:
    """Say the window's performance with its interval, its labels and the limit; or how many labels are lacking."""
    metric = spec.performance.metric.value
    if measurement is None or measurement.value is None:
        labels = "no label" if measurement is None or measurement.n == 0 else plural(measurement.n, "label")
        if measurement is not None and measurement.detail.get("maturity") is not None:
            here, needed = percent(measurement.detail["maturity"]), percent(spec.labels.maturity or 0.0)
            return f"{metric} could not be judged on {labels}: {here} of those expected are here ({needed} are needed)"
        return f"{metric} could not be measured on {labels} ({spec.labels.minimum} are needed)"
    interval = f" ({number(measurement.low)} to {number(measurement.high)})" if measurement.low is not None else ""
    known = measurement.threshold is not None
    limit = f", the limit is {number(measurement.threshold)}" if known else ", not judged: no baseline of the version is known in it"
    scores = measurement.detail.get("predictions")
    beside = f" and the scores of {plural(scores, 'prediction')}" if scores else ""  # a prediction-powered estimate
    return f"{metric} is {number(measurement.value)}{interval} on {plural(measurement.n, 'label')}{beside}{limit}"
