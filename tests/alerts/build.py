"""Looks and specifications for the tests of alerts: daily windows from a Monday, a test names only what its rule is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vigil.alerts.bundle import Situation, bundle
from vigil.alerts.incident import Event, Incident, fold
from vigil.alerts.reading import Looked, looked, reach
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec
from vigil.window import Window

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
MODEL = "churn"


def a_spec(model: str = MODEL, **changes: Any) -> ModelSpec:
    body: dict[str, Any] = {
        "model": model,
        "owner": "growth@example.org",
        "task": "binary",
        "source": {"predictions": "p/*.parquet", "labels": "l/*.parquet", "reference": "r.parquet"},
        "features": {"age": {"type": "numeric"}, "plan": {"type": "categorical"}},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.05},
        "training": {"trainer": "trainer:train"},
    }
    return ModelSpec.model_validate({**body, **changes})


def day(number: int) -> Window:
    return Window(MONDAY + timedelta(days=number), MONDAY + timedelta(days=number + 1))


def quality(*, breach: bool, subject: str = "age") -> Measurement:
    verdict = Verdict.BREACH if breach else Verdict.OK
    detail = {"because": f"nulls in {subject}"}
    value = 0.5 if breach else 0.0
    return Measurement(
        Layer.DATA_QUALITY,
        "expect_column_values_to_not_be_null",
        value,
        verdict,
        1000,
        subject=subject,
        threshold=0.02,
        detail=detail,
    )


def latency(value: float) -> Measurement:
    verdict = Verdict.BREACH if value > 200 else Verdict.OK
    return Measurement(Layer.SYSTEM, "latency_p95_ms", value, verdict, 1000, version="1", threshold=200.0)


def errors(rate: float) -> Measurement:
    verdict = Verdict.BREACH if rate > 0.005 else Verdict.OK
    return Measurement(Layer.SYSTEM, "error_rate", rate, verdict, 1000, version="1", threshold=0.005)


def rows(count: float) -> Measurement:
    return Measurement(Layer.SYSTEM, "rows", count, Verdict.OK, int(count), version="1")


def auc(value: float, threshold: float = 0.70) -> Measurement:
    verdict = Verdict.BREACH if value < threshold - 0.02 else Verdict.WARNING if value < threshold else Verdict.OK
    return Measurement(Layer.PERFORMANCE, "roc_auc", value, verdict, 500, version="1", threshold=threshold)


def drift(share: float, drifted: Mapping[str, float] | None = None) -> Measurement:
    verdict = Verdict.BREACH if share > 0.3 else Verdict.OK
    detail = {"drifted": dict(drifted or {})}
    return Measurement(Layer.DRIFT, "drift_share", share, verdict, 1000, version="1", reference="training", threshold=0.3, detail=detail)


def psi(subject: str, value: float, reference: str = "training") -> Measurement:
    verdict = Verdict.BREACH if value > 0.2 and reference == "training" else Verdict.OK
    return Measurement(Layer.DRIFT, "psi", value, verdict, 1000, subject=subject, version="1", reference=reference, threshold=0.2)


def a_look(number: int, measurements: Sequence[Measurement], spec: ModelSpec, version: str = "1", spec_hash: str = "s") -> Looked:
    window = day(number)
    return looked(window, f"e-{spec.model}-{number}", version, spec_hash, window.end, measurements, spec)


class Story:
    """A model's looks, one after another, and the incidents that came of them."""

    def __init__(self, spec: ModelSpec | None = None) -> None:
        self.spec = spec or a_spec()
        self.looks: list[Looked] = []
        self.events: dict[str, list[Event]] = {}
        self.made: list[tuple[Event, ...]] = []

    @property
    def incidents(self) -> list[Incident]:
        return [fold(events) for events in self.events.values()]

    def see(self, *measurements: Measurement, version: str = "1", decision: Mapping[str, Any] | None = None) -> tuple[Event, ...]:
        """Look at the next day."""
        current = a_look(len(self.looks), measurements, self.spec, version)
        history = list(reversed(self.looks))[: reach(self.spec)]
        made = bundle(Situation(current, history, self.incidents, self.spec, decision or {}))
        self.looks.append(current)
        self.add(made)
        self.made.append(made)
        return made

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.setdefault(event.incident_id, []).append(event)
