"""One incident for many models: where a column, a dependency, serving, monitoring or a release breaks under several at once, its owner is
told, once.

Columns are the same where their names are: models that share an upstream table share its names.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from vigil.alerts.cause import Cause
from vigil.alerts.incident import FLEET, VIGIL, Event, Incident, Kind
from vigil.decision.phrases import plural
from vigil.measurement import WHOLE, Layer
from vigil.performance.maturity import LABEL_MATURITY
from vigil.spec.alerts import Tier
from vigil.spec.channels import AlertSettings
from vigil.spec.model import measured_by_vigil

MAIN_PART = 0.5  # of the change: a column that carries so much of it is what the incident is about; convention
SERVING = "serving"  # what models share where their system layer breaks together
MONITORING = "monitoring"  # what they share where vigil's own runs over them fail together
GROUND_TRUTH = "ground truth"  # what they share where the labels of all are overdue
RELEASE = "release"  # what they share where all became worse since a release

Shared = tuple[str, str]  # a cause, and what is shared of it


def shared_subjects(incident: Incident) -> frozenset[Shared]:
    """Return what an incident may share with others, by its first suspected cause.

    Columns where data is at fault; a release; of infrastructure the dependencies that are asked for under one name (``health.queries``) and
    serving as a whole, monitoring, or ground truth.
    """
    kind = incident.causes[0]["cause"] if incident.causes else None
    if kind == Cause.INFRASTRUCTURE:
        asked = {s.metric for s in incident.signals if s.layer == Layer.SYSTEM and not measured_by_vigil(s.metric)}
        labels = all(signal.metric == LABEL_MATURITY for signal in incident.signals)
        return frozenset(
            (kind, each) for each in ({MONITORING} if incident.about_runs else {GROUND_TRUTH} if labels else {SERVING, *asked})
        )
    if kind == Cause.RELEASE:
        return frozenset({(kind, RELEASE)})
    if kind != Cause.DATA_FAULT:  # populations move under many models by themselves
        return frozenset()
    columns = {s.subject for s in incident.signals if s.layer in (Layer.DATA_QUALITY, Layer.DRIFT) and s.subject != WHOLE}
    main = {str(name) for name, share in dict(incident.context.get("features", {})).items() if share >= MAIN_PART}
    return frozenset((kind, name) for name in columns | main)


def fleet_events(incidents: Sequence[Incident], settings: AlertSettings, at: datetime) -> tuple[Event, ...]:
    """Return the events that make or widen a fleet incident, and end those whose members are all resolved.

    Args:
        incidents: of all models, and fleet incidents, as they are after the look that asks.
    """
    fleets = {i.incident_id: i for i in incidents if i.model == FLEET and i.active}
    made: list[Event] = []
    by_subject: dict[Shared, list[Incident]] = defaultdict(list)
    for incident in incidents:
        if incident.active and incident.model != FLEET and incident.fleet is None and incident.tier.sends:
            for subject in shared_subjects(incident):
                by_subject[subject].append(incident)
    taken: set[str] = set()
    for subject, sharing in sorted(by_subject.items(), key=lambda item: (-len(item[1]), item[0][1] == SERVING, item[0])):
        free = [incident for incident in _near(sharing, settings) if incident.incident_id not in taken]
        fleet = _fleet_of(fleets, subject, free, settings)
        models = {incident.model for incident in free}
        if (fleet is None and len(models) < settings.fleet_models) or not free:
            continue
        made += _joining(fleet, subject, free, settings, at)
        taken |= {incident.incident_id for incident in free}
    return (*made, *_endings(fleets, {i.incident_id: i for i in incidents}, at, widened={e.incident_id for e in made}))


def _near(sharing: Sequence[Incident], settings: AlertSettings) -> list[Incident]:
    """Those whose first breach lies within the span of the newest one's."""
    newest = max(datetime.fromisoformat(incident.first) for incident in sharing)
    span = timedelta(days=settings.fleet_days)
    return [incident for incident in sharing if newest - datetime.fromisoformat(incident.first) <= span]


def _fleet_of(fleets: Mapping[str, Incident], subject: Shared, free: Sequence[Incident], settings: AlertSettings) -> Incident | None:
    """Find the fleet incident of the subject that began when these did."""
    about = [fleet for fleet in fleets.values() if (fleet.causes[0]["cause"], fleet.context.get("subject")) == subject]
    return next((fleet for fleet in about if free and _begun_with(fleet, free[-1], settings)), None)


def _begun_with(fleet: Incident, incident: Incident, settings: AlertSettings) -> bool:
    return abs(datetime.fromisoformat(incident.first) - datetime.fromisoformat(fleet.first)) <= timedelta(days=settings.fleet_days)


def _joining(fleet: Incident | None, shared: Shared, members: Sequence[Incident], settings: AlertSettings, at: datetime) -> list[Event]:
    _, subject = shared
    ids = sorted(incident.incident_id for incident in members)
    first = min(incident.first for incident in members)
    fleet_id = fleet.incident_id if fleet else "f-" + hashlib.sha256(f"fleet|{subject}|{'|'.join(ids)}".encode()).hexdigest()[:10]
    made = []
    if fleet is None:
        tier = Tier.worst([incident.tier for incident in members])
        made.append(Event(fleet_id, 1, Kind.OPENED, FLEET, at, VIGIL, "", _body(shared, first, tier, members, settings), fleet_id))
    else:
        for number, incident in enumerate(members, start=fleet.events + 1):
            body = {"member": incident.incident_id, "tier": incident.tier.value, "last": max(incident.last, fleet.last)}
            made.append(
                Event(fleet_id, number, Kind.JOINED, FLEET, at, VIGIL, incident.model, body, f"{fleet_id}|joined|{incident.incident_id}")
            )
    for incident in members:
        key = f"{incident.incident_id}|joins|{fleet_id}"
        body = {"fleet": fleet_id}
        made.append(
            Event(incident.incident_id, incident.events + 1, Kind.JOINED, incident.model, at, VIGIL, f"shares {subject}", body, key)
        )
    return made


def _body(shared: Shared, first: str, tier: Tier, members: Sequence[Incident], settings: AlertSettings) -> Mapping[str, object]:
    models = sorted({incident.model for incident in members})
    kind, subject = shared
    what = subject.capitalize() if subject in (SERVING, MONITORING, GROUND_TRUTH, RELEASE) else subject
    why = f"{subject} breaks under {plural(len(models), 'model')} at once: {', '.join(models)}"
    return {
        "window": first,
        "signals": [],
        "tier": tier.value,
        "owner": settings.owners.get(subject, settings.fleet_owner),
        "members": sorted(incident.incident_id for incident in members),
        "title": f"{what} breaks under {plural(len(models), 'model')}",
        "causes": [{"cause": kind, "weight": 1.0, "why": why}],
        "context": {"subject": subject, "models": models},
    }


def _endings(fleets: Mapping[str, Incident], known: Mapping[str, Incident], at: datetime, widened: set[str]) -> list[Event]:
    made: list[Event] = []
    for fleet in fleets.values():
        members = [known[name] for name in fleet.members if name in known]
        if fleet.incident_id in widened or not members or any(member.active for member in members):
            continue
        steps = [(Kind.RESOLVED, VIGIL, "it is over under every model")]
        if fleet.state.value != "acknowledged":
            steps.insert(0, (Kind.ACKNOWLEDGED, VIGIL, "it ended before anybody acknowledged it"))
        made += fleet.after(*steps, at=at)
    return made
