"""Models in a store whose days are looked at one after another, as the flow does it, without the flow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tests.alerts.build import a_spec, day
from vigil.alerts.alerting import alert, incidents_of
from vigil.alerts.incident import Incident
from vigil.measurement import Measurement
from vigil.spec.channels import AlertSettings, Channel
from vigil.spec.model import ModelSpec
from vigil.store.records import Evaluation
from vigil.store.sql import SqlStore

HOOK = Channel.model_validate({"kind": "webhook", "url": "https://hooks.example.org"})
ONE_CHANNEL = AlertSettings(channels={"hook": HOOK})


def see(
    store: SqlStore,
    number: int,
    measurements: Sequence[Measurement],
    *,
    spec: ModelSpec | None = None,
    settings: AlertSettings = ONE_CHANNEL,
    version: str = "1",
    late: timedelta = timedelta(0),
) -> tuple[Incident, ...]:
    """Record a day's evaluation and alert on it, ``late`` after the window's end."""
    spec = spec or a_spec()
    return alert(store, spec, settings, keep_look(store, number, measurements, spec, version), day(number).end + late)


def keep_look(store: SqlStore, number: int, measurements: Sequence[Measurement], spec: ModelSpec, version: str = "1") -> str:
    """Record a day's evaluation without alerting on it, and return its id."""
    window = day(number)
    store.save_spec(spec.model, spec.hash, spec.canonical_json())
    evaluation_id = f"e-{spec.model}-{number}"
    evaluation = Evaluation(evaluation_id, spec.model, window, version, window.end, spec.hash, "d", "l", 1000, 500, True, "0.1.0")
    store.record_evaluation(evaluation, measurements)
    return evaluation_id


def all_of(store: SqlStore) -> list[Incident]:
    return list(incidents_of(store).values())
