"""The baseline that a look's performance is judged by: the version's own, or what it turned out to be where no challenger was better.

Differs from :mod:`vigil.performance.baseline`, which looks nothing up.
"""

from __future__ import annotations

import json

from vigil.decision.confirmation import measured
from vigil.decision.evidence import past_window
from vigil.evaluation.look import Look
from vigil.measurement import WHOLE
from vigil.performance.baseline import Baseline, unbeaten, windows_measured_on
from vigil.spec.model import Metric, ModelSpec, Performance
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import RetrainingState, Version
from vigil.window import Window


def baseline_of(store: Store, spec: ModelSpec, look: Look, version: Version) -> Baseline | None:
    """Return the baseline of the looked-at version; None where none was measured in the specification's metric, or from another score on.

    Where a challenger was made because of this version's loss, and was shown to be no better by more than is tolerated, the loss is not the
    version's: its windows up to that decision are in the baseline from then on.
    """
    value = _registered(spec, version)
    if value is None or not _scored_alike(store, spec, version):
        return None
    registered = Baseline(value, windows_measured_on(version.training))
    until = _unbeaten_until(store, spec, look)
    if until is None or registered.windows is None:
        return registered
    evaluations = [e for e in history_of(store, spec, end=until.end, as_of=look.as_of) if e.version == look.version]
    found = store.measurements([e.evaluation_id for e in evaluations], subject=WHOLE, metrics=[spec.performance.metric.value])
    judged = (measured(past_window(spec, e, found[e.evaluation_id])) for e in evaluations)
    return registered.over([m.value for m in judged if m is not None and m.value is not None], spec.performance.metric)


def _registered(spec: ModelSpec, version: Version) -> float | None:
    """What the version measured at its registration in the metric of the specification, which may be another than it had then."""
    metric = spec.performance.metric.value
    if version.baseline is None or version.metric == metric:
        return version.baseline
    measured_then = version.training.get("measured", ())
    return next((each["value"] for each in measured_then if (each["metric"], each["subject"]) == (metric, WHOLE)), None)


def _scored_alike(store: Store, spec: ModelSpec, version: Version) -> bool:
    """Tell whether a score said the same at the version's registration: a recall from another score on is no baseline of this one."""
    needs = {Metric.PINBALL: "quantile"} | dict.fromkeys(
        (Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1), "decision_threshold"
    )
    name = needs.get(spec.performance.metric)
    body = None if name is None else store.spec(version.spec_hash)
    if name is None or body is None:
        return True
    default = Performance.model_fields[name].default  # which a specification does not write down
    return bool(json.loads(body)["performance"].get(name, default) == getattr(spec.performance, name))


def _unbeaten_until(store: Store, spec: ModelSpec, look: Look) -> Window | None:
    """The window of the last decision before the look's window whose challenger left this version unbeaten, as known at the look."""
    kept = (
        store.decision(retraining.decision_id)
        for retraining in store.retrainings(spec.model)
        if retraining.state is RetrainingState.KEPT
        and retraining.champion == look.version
        and retraining.updated_at <= look.as_of
        and unbeaten(retraining.comparison, spec)
    )
    return max((decision.window for decision in kept if decision is not None and decision.window < look.window), default=None)
