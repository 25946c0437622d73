"""Incidents about vigil's own runs over a model: they fail, or take too long.

Differs from :mod:`vigil.alerts.alerting`, which goes by evaluations: where every look fails there is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from vigil.alerts.alerting import incidents_of, tell
from vigil.alerts.bundle import Situation, bundle
from vigil.alerts.reading import looked
from vigil.health.pipeline import measure_pipeline, runs_of
from vigil.spec.channels import AlertSettings
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import FlowRun
from vigil.window import Window


def alert_on_runs(store: Store, spec: ModelSpec, settings: AlertSettings, now: datetime) -> None:
    """Open, prolong or end the incident about the model's latest runs, once for each state that they are in.

    Its windows are days of the clock on the wall, whatever the model's are. A run counts when it has ended, or is lost
    (:func:`vigil.health.pipeline.settled`): the same runs make the same events, and a second call writes nothing.

    Raises:
        Conflict: another writer was first; the next call reads again.
    """
    runs = runs_of(store, spec, now)
    name = _name_of(runs, spec.model)
    if not runs or _seen(store, spec.model, name):
        return
    day = runs[-1].begun_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    champion = store.champion(spec.model)
    version = "" if champion is None else champion.version
    current = looked(Window(day, day + timedelta(days=1)), name, version, spec.hash, now, measure_pipeline(runs, spec), spec)
    known = incidents_of(store, spec.model)
    events = bundle(Situation(current, (), [each for each in known.values() if each.about_runs], spec))
    if events:
        tell(store, settings, spec.model, events, known, as_of=now, now=now)


def _name_of(runs: Sequence[FlowRun], model: str) -> str:
    """Name a state of the runs, as an evaluation's id names what was looked at."""
    return "r-" + hashlib.sha256(json.dumps([model, [(run.run_id, bool(run.failure)) for run in runs]]).encode()).hexdigest()[:16]


def _seen(store: Store, model: str, name: str) -> bool:
    return any(event.body.get("evaluation_id") == name for events in store.incident_events(model=model).values() for event in events)
