"""The present state as OpenMetrics text, for Prometheus to scrape: models, incidents, outbox. Labels are bounded.

Labels are models, layers, tiers, states and the metrics of whole windows; never a feature, segment, id or free text, whose number
nobody bounds. Format: OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from vigil.alerts.alerting import incidents_of
from vigil.alerts.incident import State
from vigil.alerts.message import Standing
from vigil.health.pipeline import measure_pipeline, runs_of
from vigil.measurement import NOTHING, TRAINING, WHOLE, Layer, Measurement, Verdict
from vigil.spec.alerts import Tier
from vigil.spec.model import FLOW_DURATION, FLOW_SUCCESS_RATE, ModelSpec
from vigil.store.contract import Store

MOST_METRICS = 50  # of one model; more are left out and counted
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


def openmetrics(store: Store, specs: Sequence[ModelSpec], now: datetime) -> str:
    """Return the state of the models, by their latest window and by vigil's own runs over them as known at ``now``."""
    models = [spec.model for spec in specs]
    values: list[Sample] = []
    breaches: list[Sample] = []
    ends: list[Sample] = []
    lengths: list[Sample] = []
    left_out: list[Sample] = []
    for model in models:
        evaluations = store.evaluations(model)
        if not evaluations:
            continue
        latest = evaluations[-1]
        measured = store.measurements([latest.evaluation_id])[latest.evaluation_id]
        ends.append(({"model": model}, latest.window.end.timestamp()))
        lengths.append(({"model": model}, latest.window.length.total_seconds()))
        shown = _of_whole_windows(measured)
        labels = [({"model": model, "layer": m.layer.value, "metric": m.metric}, float(m.value or 0.0)) for m in shown[:MOST_METRICS]]
        values += labels
        left_out.append(({"model": model}, float(len(shown) - len(labels))))
        count = Counter(m.layer for m in measured if m.verdict is Verdict.BREACH and m.reference in (TRAINING, NOTHING))
        breaches += [({"model": model, "layer": layer.value}, float(count[layer])) for layer in Layer]
    measured_runs = [(spec.model, measure_pipeline(runs_of(store, spec, now), spec)) for spec in specs]
    lines = [
        *_family("vigil_window_end_timestamp_seconds", "End of the latest window that was looked at.", ends),
        *_family("vigil_window_length_seconds", "Length of a window.", lengths),
        *_family("vigil_metric_value", "Value of a metric in the latest window, of the window as a whole.", values),
        *_family("vigil_metrics_left_out", "Metrics of the latest window that are not shown because there are too many.", left_out),
        *_family("vigil_breaches", "Measurements in breach in the latest window.", breaches),
        *_family("vigil_flow_success_rate", "Share of vigil's own latest runs that succeeded.", _of_runs(measured_runs, FLOW_SUCCESS_RATE)),
        *_family("vigil_flow_duration_seconds", "Median length of those that did.", _of_runs(measured_runs, FLOW_DURATION)),
        *_family("vigil_incidents", "Incidents that are not resolved.", _incidents(store, models)),
        *_family("vigil_messages", "Messages of the outbox by where their delivery stands.", _messages(store)),
    ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _of_runs(measured: Sequence[tuple[str, Sequence[Measurement]]], metric: str) -> list[Sample]:
    return [({"model": model}, m.value) for model, some in measured for m in some if m.metric == metric and m.value is not None]


def _of_whole_windows(measured: Iterable[Measurement]) -> list[Measurement]:
    return [m for m in measured if m.subject == WHOLE and m.reference in (TRAINING, NOTHING) and m.value is not None]


def _incidents(store: Store, models: Sequence[str]) -> list[Sample]:
    counts = Counter((i.model, i.tier, i.state) for i in incidents_of(store).values() if i.active)
    states = [state for state in State if state is not State.RESOLVED]
    return [
        ({"model": model, "tier": tier.value, "state": state.value}, float(counts[model, tier, state]))
        for model in (*models, "fleet")
        for tier in Tier
        for state in states
    ]


def _messages(store: Store) -> list[Sample]:
    counts = Counter(message.standing for message in store.messages())
    return [({"standing": standing.value}, float(counts[standing])) for standing in Standing]


def _family(name: str, about: str, samples: Sequence[Sample]) -> list[str]:
    lines = [f"# TYPE {name} gauge", f"# HELP {name} {about}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value!r}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
