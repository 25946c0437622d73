"""From an evaluation in the store to its incidents and messages in the store, and what a person does to an incident.

Differs from :mod:`vigil.alerts.bundle`, which is pure: here it is read, and written in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from vigil.alerts.bundle import Situation, bundle
from vigil.alerts.fleet import fleet_events
from vigil.alerts.incident import Event, Incident, Kind, State, apply, fold
from vigil.alerts.message import Message, messages_of
from vigil.alerts.reading import Looked, learnt, looked, reach, recent
from vigil.errors import Conflict, IncidentNotFound, NotAllowed, StoreError
from vigil.measurement import Measurement
from vigil.spec.channels import AlertSettings
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import Evaluation

TRIES = 5  # convention: another writer of the same incident is rare, five in a row are a defect
_MATTERS_TO_FLEET = (Kind.OPENED, Kind.REOPENED, Kind.RESOLVED)


def alert(store: Store, spec: ModelSpec, settings: AlertSettings, evaluation_id: str, now: datetime) -> tuple[Incident, ...]:
    """Bundle what an evaluation found into incidents, once; return the model's active incidents.

    Where another writer was first with an incident it is read and bundled again.

    Raises:
        StoreError: no such evaluation.
        Conflict: others were first five times.
    """
    evaluation = store.evaluation(evaluation_id)
    if evaluation is None:
        raise StoreError(f"evaluation {evaluation_id} is not in the store; run `vigil run {spec.model} --window START` for its window")
    for attempt in range(TRIES):
        if store.alerted(evaluation_id):
            break
        known = incidents_of(store, spec.model)
        events = bundle(_situation(store, spec, evaluation, [each for each in known.values() if not each.about_runs]))
        try:
            tell(store, settings, spec.model, events, known, as_of=evaluation.as_of, now=now, evaluation_id=evaluation_id)
        except Conflict:
            if attempt == TRIES - 1:
                raise
    return tuple(incident for incident in incidents_of(store, spec.model).values() if incident.active)


def tell(
    store: Store,
    settings: AlertSettings,
    model: str,
    events: tuple[Event, ...],
    known: Mapping[str, Incident],
    *,
    as_of: datetime,
    now: datetime,
    evaluation_id: str | None = None,
) -> None:
    """Keep what a look at a model makes of its incidents, with what that makes of fleet incidents and the messages about all of it.

    Args:
        known: the model's incidents, by id, as they are before ``events``.

    Raises:
        Conflict: another writer was first.
    """
    events, known = _with_fleet(store, settings, as_of, events, known)
    store.record_alerts(evaluation_id, model=model, at=now, events=events, messages=_messages(events, known, settings, now))


def incidents_of(store: Store, model: str | None = None) -> dict[str, Incident]:
    """Return the incidents of a model, or all, by id, in the order in which they opened."""
    found = [fold(events) for events in store.incident_events(model=model).values()]
    return {incident.incident_id: incident for incident in sorted(found, key=lambda each: (each.opened_at, each.incident_id))}


def incident(store: Store, incident_id: str) -> tuple[Incident, tuple[Event, ...]]:
    """Return one incident with its events.

    Raises:
        IncidentNotFound: there is none of this id.
    """
    events = store.incident_events(incident_id=incident_id).get(incident_id)
    if events is None:
        raise IncidentNotFound(f"no incident {incident_id} in the store; `vigil incidents --all` lists them")
    return fold(events), events


def acknowledge(store: Store, settings: AlertSettings, incident_id: str, *, by: str, reason: str, at: datetime) -> Incident:
    """Acknowledge an incident; done already, nothing changes.

    Raises:
        NotAllowed: it is resolved.
    """
    found, _ = incident(store, incident_id)
    if found.state is State.ACKNOWLEDGED:
        return found
    return _append(store, settings, found, found.after((Kind.ACKNOWLEDGED, by, reason), at=at), at)


def resolve(store: Store, settings: AlertSettings, incident_id: str, *, by: str, reason: str, at: datetime) -> Incident:
    """Resolve an incident; one that nobody acknowledged is acknowledged by the same person first. Resolved already, nothing changes."""
    found, _ = incident(store, incident_id)
    if not found.active:
        return found
    steps = [(Kind.RESOLVED, by, reason)]
    if found.state is not State.ACKNOWLEDGED:
        steps.insert(0, (Kind.ACKNOWLEDGED, by, reason))
    return _append(store, settings, found, found.after(*steps, at=at), at)


def mute(store: Store, settings: AlertSettings, incident_id: str, *, until: datetime, by: str, reason: str, at: datetime) -> Incident:
    """Send nothing about an incident until then; it goes on being observed.

    Raises:
        NotAllowed: the end is not after the present.
    """
    if until <= at:
        raise NotAllowed(f"a mute ends in the future, got {until.isoformat()}; give --until a later moment")
    found, _ = incident(store, incident_id)
    return _append(store, settings, found, found.after((Kind.MUTED, by, reason), at=at, body={"until": until.isoformat()}), at)


def looked_of(evaluation: Evaluation, measured: Mapping[str, tuple[Measurement, ...]], spec: ModelSpec) -> Looked:
    """Return an evaluation of the store as alerts see it."""
    return looked(
        evaluation.window,
        evaluation.evaluation_id,
        evaluation.version,
        evaluation.spec_hash,
        evaluation.as_of,
        measured[evaluation.evaluation_id],
        spec,
    )


def _append(store: Store, settings: AlertSettings, found: Incident, events: Sequence[Event], at: datetime) -> Incident:
    messages = _messages(events, {found.incident_id: found}, settings, at)
    store.record_alerts(None, model=found.model, at=at, events=events, messages=messages)
    return incident(store, found.incident_id)[0]


def _situation(store: Store, spec: ModelSpec, evaluation: Evaluation, incidents: Sequence[Incident]) -> Situation:
    first = evaluation.window.shifted(-reach(spec)).start
    past = history_of(store, spec, start=first, end=evaluation.window.start, as_of=evaluation.as_of)
    measured = _measured(store, spec, evaluation, past)
    decided = store.decisions(spec.model, start=evaluation.window.start, end=evaluation.window.end)
    decision = next((each for each in decided if each.evaluation_id == evaluation.evaluation_id), None)
    return Situation(
        current=looked_of(evaluation, measured, spec),
        history=[looked_of(each, measured, spec) for each in reversed(past)],
        incidents=incidents,
        spec=spec,
        decision={} if decision is None else {"action": decision.action.value, "reason": decision.reason, "id": decision.decision_id},
    )


def _measured(store: Store, spec: ModelSpec, evaluation: Evaluation, past: Sequence[Evaluation]) -> Mapping[str, tuple[Measurement, ...]]:
    """Read all of the recent looks, and of the older ones only what thresholds are learnt from."""
    ids = [each.evaluation_id for each in past]
    near = max(len(ids) - recent(spec), 0)
    measured = store.measurements([evaluation.evaluation_id, *ids[near:]])
    metrics = learnt(measured[evaluation.evaluation_id], spec)
    return {**store.measurements(ids[:near], metrics=metrics), **measured}


def _with_fleet(
    store: Store, settings: AlertSettings, as_of: datetime, events: tuple[Event, ...], known: Mapping[str, Incident]
) -> tuple[tuple[Event, ...], Mapping[str, Incident]]:
    """Add the events of fleet incidents, where something began or ended; return them with the incidents as they were before."""
    if not any(event.kind in _MATTERS_TO_FLEET or event.body.get("signals") for event in events):
        return events, known
    everything = {**incidents_of(store), **known}
    after = _after(events, everything)
    return (*events, *fleet_events(list(after.values()), settings, as_of)), everything


def _after(events: Iterable[Event], known: Mapping[str, Incident]) -> dict[str, Incident]:
    now = dict(known)
    for event in events:
        now[event.incident_id] = apply(now[event.incident_id], event) if event.incident_id in now else fold([event])
    return now


def _messages(events: Sequence[Event], known: Mapping[str, Incident], settings: AlertSettings, now: datetime) -> tuple[Message, ...]:
    """Return what is said of the events, told with what each incident is after all of them: one that joins a fleet is silent."""
    states, last = dict(known), _after(events, known)
    told: list[Message] = []
    for event in events:
        before = states.get(event.incident_id)
        after = apply(before, event) if before is not None else fold([event])
        states[event.incident_id] = after
        if last[event.incident_id].fleet is None:
            told += messages_of(before, after, event, settings, now)
    return tuple(told)
