"""What alerting makes of a fleet's faults: a seeded simulation of models over days, beside a baseline that alerts on every breach.

Measurements are drawn with noise and judged by the thresholds that the flows judge them by, kept in a store, and alerted on day by
day as the flows do it; no flow runs. Six kinds of fault are planted in a part of the models, one shared column breaks under
several, and releases that do no harm happen everywhere. A second fleet of the same size has no fault at all.

    python -m benchmarks.alerts [--models 30] [--days 90] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from vigil.alerts.alerting import alert, incidents_of
from vigil.alerts.cause import Cause
from vigil.alerts.incident import Incident, fold
from vigil.alerts.message import Standing
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.measure import tolerated_limit
from vigil.spec.channels import AlertSettings
from vigil.spec.model import Metric, ModelSpec
from vigil.store.records import Evaluation
from vigil.store.sql import SqlStore, open_store
from vigil.window import Window

FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
FEATURES = tuple(f"f{number}" for number in range(6))
IMPORTANCE = dict(zip(FEATURES, (0.3, 0.2, 0.2, 0.1, 0.1, 0.1), strict=True))
SHARED, SHARING = "f0", 5  # the upstream column that breaks under so many models at once
WARM_UP, SPAN, APART = 20, 8, 24  # days before the first fault; days that a fault lasts; days between two of a model
BASELINE_AUC, AUC_ERROR = 0.80, 0.012
AFTER = 5  # days after a fault's end in which what it left behind is still its own
HEADINGS = ("", "vigil", "every breach", "goal")


@dataclass(frozen=True)
class Fault:
    """What is planted: a kind, in these models, on the days ``[start, start + SPAN)``."""

    kind: Cause
    models: tuple[str, ...]
    start: int
    variant: int

    def on(self, model: str, day: int) -> bool:
        return model in self.models and self.start <= day < self.start + SPAN

    def explains(self, model: str, day: int) -> bool:
        return model in self.models and self.start <= day < self.start + SPAN + AFTER


@dataclass(frozen=True)
class Told:
    """An incident that somebody was told of: the cause that stood first then, the day, and the models that it is about."""

    incident: Incident
    cause: str
    day: int
    models: frozenset[str]

    def of(self, fault: Fault) -> bool:
        """Whether it began in the fault's days, in its model, or in a fleet that holds one of its models."""
        began = (datetime.fromisoformat(self.incident.first) - FIRST).days
        return any(fault.explains(model, began) for model in self.models)


def main() -> None:
    options = _options()
    figures = measured(options.models, options.days, options.seed)
    if options.json:
        print(json.dumps(figures))  # noqa: T201
        return
    print(f"{HEADINGS[0]:46}{HEADINGS[1]:>10}{HEADINGS[2]:>14}  {HEADINGS[3]}")  # noqa: T201
    for name, (ours, every, goal, met) in table(figures).items():
        print(f"{name:46}{ours:>10}{every:>14}  {goal}{'' if met else '   MISSED'}")  # noqa: T201
    print("\nright cause first, by kind: " + ", ".join(f"{kind} {text}" for kind, text in figures["causes_by_kind"].items()))  # noqa: T201
    print(f"missed or split: {figures['not_one'] or 'none'}")  # noqa: T201


def measured(models: int, days: int, seed: int) -> dict[str, Any]:
    """Run both fleets, and return the figures."""
    rng = np.random.default_rng(seed)
    names = [f"m{number:02d}" for number in range(models)]
    faults = planted(names, days, rng)
    with tempfile.TemporaryDirectory() as folder:
        told, breaches, messages = run(Path(folder) / "faults.db", names, days, faults, rng)
        calm, calm_breaches, _ = run(Path(folder) / "calm.db", names, days, (), rng)
    return _figures(faults, told, breaches, messages, calm, calm_breaches, models * days / 365)


def planted(models: Sequence[str], days: int, rng: np.random.Generator) -> tuple[Fault, ...]:
    """Draw faults of all six kinds in turn, as many as fit, two of a model never near each other; and the shared one."""
    kinds, found = list(Cause), []
    sharing = tuple(sorted(rng.choice(models, min(SHARING, len(models)), replace=False)))
    found.append(Fault(Cause.DATA_FAULT, sharing, WARM_UP, 0))
    for number, model in enumerate(models):
        first = WARM_UP + (APART if model in sharing else int(rng.integers(0, APART // 2)))
        for turn, start in enumerate(range(first, days - SPAN - AFTER, APART + SPAN)):
            found.append(Fault(kinds[(number + turn) % len(kinds)], (model,), start, int(rng.integers(0, 2))))
    return tuple(found)


def run(
    file: Path, models: Sequence[str], days: int, faults: Sequence[Fault], rng: np.random.Generator
) -> tuple[list[Told], list[tuple[str, int, str]], dict[str, int]]:
    """Look at every model every day.

    Returns the incidents that somebody was told of with the cause first suspected and the day they were told; every breach as
    (model, day, signal); and the number of messages of each incident.
    """
    settings = AlertSettings.model_validate({"channels": {"hook": {"kind": "webhook", "url": "https://hooks.example.org"}}})
    specs = {model: a_spec(model) for model in models}
    breaches: list[tuple[str, int, str]] = []
    version = dict.fromkeys(models, 1)
    with open_store(f"sqlite:///{file}") as store:
        for spec in specs.values():
            store.save_spec(spec.model, spec.hash, spec.canonical_json())
        for day in range(days):
            for model, spec in specs.items():
                fault = next((each for each in faults if each.on(model, day)), None)
                version[model] += _released(fault, faults, model, day, rng)
                measurements = drawn(fault, day, str(version[model]), spec, rng)
                breaches += [(model, day, f"{m.metric} {m.subject}") for m in measurements if _alarming(m)]
                _look(store, spec, day, str(version[model]), measurements, settings)
        return _told(store), breaches, _sent(store)


def drawn(fault: Fault | None, day: int, version: str, spec: ModelSpec, rng: np.random.Generator) -> tuple[Measurement, ...]:
    """Draw a day's measurements of one model: noise, a weekday's habits, and what a fault does."""
    kind, variant, age = (None, 0, 0) if fault is None else (fault.kind, fault.variant, day - fault.start)
    weekday = day % 7
    rows = int(2000 * (0.5 if weekday >= 5 else 1.0) * rng.normal(1, 0.05))
    if kind is Cause.INFRASTRUCTURE and variant == 1:
        rows = int(rows * 0.02)
    nulls = {name: abs(rng.normal(0, 0.003)) for name in FEATURES}
    if kind is Cause.DATA_FAULT and variant == 0:
        nulls[SHARED if len(fault.models) > 1 else FEATURES[1]] = rng.uniform(0.2, 0.6)  # type: ignore[union-attr]
    quality = [_quality("expect_column_values_to_not_be_null", name, share, 0.02, share > 0.02) for name, share in nulls.items()]
    quality.append(_quality("expect_table_row_count_to_be_between", "*", float(rows), None, rows < 200))
    if any(m.verdict is Verdict.BREACH for m in quality):
        return tuple(quality)
    psi = {name: float(rng.gamma(4, 0.01)) for name in FEATURES}
    season = {name: float(rng.gamma(4, 0.01)) for name in FEATURES}
    auc, latency, error = BASELINE_AUC, 120 * (1.3 if weekday == 0 else 1.0), 0.001
    ramp = min((age + 1) / 3, 1.0)
    if kind is Cause.DATA_FAULT:  # a unit changed: within all limits, and one feature is elsewhere
        psi[FEATURES[0]], season[FEATURES[0]], auc = rng.uniform(1.5, 4), rng.uniform(1.5, 4), auc - rng.uniform(0.03, 0.10)
    elif kind is Cause.RELEASE:
        auc, latency = (auc - rng.uniform(0.09, 0.13), latency) if variant == 0 else (auc, latency * rng.uniform(1.8, 2.4))
    elif kind in (Cause.COVARIATE, Cause.SEASONAL):
        for name in FEATURES[:3]:
            psi[name] = float(rng.uniform(0.3, 0.8) * ramp)
            season[name] = psi[name] if kind is Cause.COVARIATE else season[name]
        auc -= rng.uniform(0.0, 0.08 if variant else 0.03) if kind is Cause.COVARIATE else rng.uniform(0.0, 0.02)
    elif kind is Cause.CONCEPT:
        auc -= rng.uniform(0.08, 0.14) * ramp
        psi[FEATURES[4]] = float(rng.uniform(0.0, 0.3))
    elif kind is Cause.INFRASTRUCTURE:
        latency, error = latency * rng.uniform(1.6, 3), rng.uniform(0.008, 0.08)
    errors = rng.binomial(max(rows, 1), error) / max(rows, 1)
    return (
        *quality,
        *(_psi(name, value, version, "training") for name, value in psi.items()),
        *(_psi(name, value, version, "same_season") for name, value in season.items()),
        _drift_share(psi, version),
        _auc(float(rng.normal(auc, AUC_ERROR)), version, spec),
        _system("error_rate", float(errors), spec.health.error_rate, version, rows),
        _system("latency_p95_ms", float(latency * rng.lognormal(0, 0.08)), spec.health.latency_p95_ms, version, rows),
        _system("rows", float(rows), None, version, rows),
    )


def table(figures: dict[str, Any]) -> dict[str, tuple[str, str, str, bool]]:
    """Return rows of (vigil, every breach, goal, met) by what they say."""
    return {
        "faults": (str(figures["faults"]), str(figures["faults"]), "", True),
        "faults with exactly one incident": (
            f"{figures['one_incident']:.0%}", f"{figures['every_one_alert']:.0%}", ">= 95 %", figures["one_incident"] >= 0.95),
        "faults without any": (f"{figures['none']:.0%}", f"{figures['every_none']:.0%}", "", True),
        "messages per incident (mean)": (
            f"{figures['messages']:.2f}", f"{figures['every_messages']:.1f}", "< 4", figures["messages"] < 4),
        "false P0/P1 per model-year, fleet without faults": (
            f"{figures['false_calm']:.2f}", f"{figures['every_false_calm']:.1f}", "< 1", figures["false_calm"] < 1),
        "false P0/P1 per model-year, beside faults": (
            f"{figures['false']:.2f}", f"{figures['every_false']:.1f}", "< 1", figures["false"] < 1),
        "right cause first, when told": (f"{figures['right_cause']:.0%}", "–", ">= 80 %", figures["right_cause"] >= 0.8),
        "days from fault to message (median)": (
            f"{figures['delay_days']:.0f}", f"{figures['every_delay_days']:.0f}", "", True),
    }  # fmt: skip


def _figures(
    faults: Sequence[Fault],
    told: Sequence[Told],
    breaches: Sequence[tuple[str, int, str]],
    messages: dict[str, int],
    calm: Sequence[Told],
    calm_breaches: Sequence[tuple[str, int, str]],
    years: float,
) -> dict[str, Any]:
    owned = {fault: [each for each in told if each.of(fault)] for fault in faults}
    loud = {fault: [(model, day) for model, day, _ in breaches if fault.explains(model, day)] for fault in faults}
    explained = {each.incident.incident_id for some in owned.values() for each in some}
    right = [(fault.kind, some[0].cause == fault.kind) for fault, some in owned.items() if some]
    unexplained = [1 for model, day, _ in breaches if not any(fault.explains(model, day) for fault in faults)]
    return {
        "faults": len(faults),
        "one_incident": statistics.mean(len(some) == 1 for some in owned.values()),
        "none": statistics.mean(not some for some in owned.values()),
        "messages": statistics.mean(messages.values()),
        "right_cause": statistics.mean(hit for _, hit in right),
        "causes_by_kind": {kind.value: f"{sum(hit for k, hit in right if k is kind)}/{sum(k is kind for k, _ in right)}" for kind in Cause},
        "delay_days": statistics.median(some[0].day - fault.start for fault, some in owned.items() if some),
        "false": sum(each.incident.incident_id not in explained for each in told) / years,
        "false_calm": len(calm) / years,
        "not_one": [f"{f.kind} {f.models[0]} day {f.start} variant {f.variant}: {len(s)}" for f, s in owned.items() if len(s) != 1],
        "every_one_alert": statistics.mean(len(some) == 1 for some in loud.values()),
        "every_none": statistics.mean(not some for some in loud.values()),
        "every_messages": statistics.mean(len(some) for some in loud.values()),
        "every_false": len(unexplained) / years,
        "every_false_calm": len(calm_breaches) / years,
        "every_delay_days": statistics.median(min(day for _, day in some) - fault.start for fault, some in loud.items() if some),
    }


def _told(store: SqlStore) -> list[Told]:
    """The incidents that somebody was told of: the cause that stood first when they opened, and the day of the first message."""
    events = store.incident_events()
    first: dict[str, datetime] = {}
    for message in store.messages():
        if message.standing is not Standing.SUPERSEDED:
            first.setdefault(message.incident_id, message.created_at)
    found = []
    known = incidents_of(store)
    for incident in known.values():
        if incident.incident_id in first:
            at = first[incident.incident_id]
            causes = fold([event for event in events[incident.incident_id] if event.at <= at]).causes
            cause = causes[0]["cause"] if causes else "unknown"
            models = frozenset(known[name].model for name in incident.members) or frozenset([incident.model])
            found.append(Told(incident, cause, (at - FIRST).days - 1, models))
    return found


def _sent(store: SqlStore) -> dict[str, int]:
    found: dict[str, int] = {}
    for message in store.messages():
        if message.standing is not Standing.SUPERSEDED:
            found[message.incident_id] = found.get(message.incident_id, 0) + 1
    return found


def _released(fault: Fault | None, faults: Iterable[Fault], model: str, day: int, rng: np.random.Generator) -> bool:
    """A bad release comes with its fault and is rolled back at its end; harmless ones come about every 45 days."""
    ended = any(f.kind is Cause.RELEASE and model in f.models and day == f.start + SPAN for f in faults)
    if fault is not None:
        return fault.kind is Cause.RELEASE and day == fault.start
    return ended or bool(rng.random() < 1 / 45)


def _look(store: SqlStore, spec: ModelSpec, day: int, version: str, measured: Sequence[Measurement], settings: AlertSettings) -> None:
    window = Window(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1))
    passed = not any(m.layer is Layer.DATA_QUALITY and m.verdict is Verdict.BREACH for m in measured)
    name = f"{spec.model}-{day}"
    evaluation = Evaluation(name, spec.model, window, version, window.end, spec.hash, "d", "l", 2000, 500, passed, "0")
    store.record_evaluation(evaluation, measured)
    alert(store, spec, settings, name, window.end)


def _alarming(measurement: Measurement) -> bool:
    return measurement.verdict is Verdict.BREACH and measurement.reference != "same_season"


def _quality(metric: str, subject: str, value: float, threshold: float | None, breach: bool) -> Measurement:
    verdict = Verdict.BREACH if breach else Verdict.OK
    return Measurement(Layer.DATA_QUALITY, metric, float(value), verdict, 2000, subject=subject, threshold=threshold)


def _psi(name: str, value: float, version: str, reference: str) -> Measurement:
    verdict = Verdict.BREACH if value > 0.2 else Verdict.OK
    return Measurement(Layer.DRIFT, "psi", value, verdict, 2000, subject=name, version=version, reference=reference, threshold=0.2)


def _drift_share(psi: dict[str, float], version: str) -> Measurement:
    drifted = {name: IMPORTANCE[name] for name, value in psi.items() if value > 0.2}
    share = sum(drifted.values())
    verdict = Verdict.BREACH if share >= 0.3 else Verdict.OK
    detail = {"drifted": drifted}
    return Measurement(
        Layer.DRIFT, "drift_share", share, verdict, 2000, version=version, reference="training", threshold=0.3, detail=detail
    )


def _auc(value: float, version: str, spec: ModelSpec) -> Measurement:
    limit = tolerated_limit(Metric.ROC_AUC, BASELINE_AUC, spec.performance.tolerated_loss)
    low, high = value - 1.96 * AUC_ERROR, value + 1.96 * AUC_ERROR
    verdict = Verdict.BREACH if high < limit else Verdict.WARNING if value < limit else Verdict.OK
    return Measurement(Layer.PERFORMANCE, "roc_auc", value, verdict, 500, version=version, low=low, high=high, threshold=limit)


def _system(metric: str, value: float, limit: float | None, version: str, n: int) -> Measurement:
    verdict = Verdict.BREACH if limit is not None and value > limit else Verdict.OK
    return Measurement(Layer.SYSTEM, metric, value, verdict, n, version=version, threshold=limit)


def a_spec(model: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": model,
            "owner": "owner@example.org",
            "task": "binary",
            "source": {"predictions": "log.parquet", "labels": "labels.parquet", "reference": "reference.parquet"},
            "features": dict.fromkeys(FEATURES, "numeric"),
            "performance": {"metric": "roc_auc", "tolerated_loss": 0.05},
            "training": {"trainer": "t:f"},
        }
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("models", 30), ("days", 90), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
