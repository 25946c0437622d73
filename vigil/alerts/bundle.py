"""From what one window's signals say to events: which incident each belongs to, what opens, joins, reopens and resolves.

Breaches of a model that come within a span are one incident, whatever their layers. Pure: the same looks give the same events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vigil.alerts.cause import Facts, changes_before, shares_of_change, suspects
from vigil.alerts.incident import VIGIL, Event, Incident, Kind, Seen, State, apply
from vigil.alerts.reading import Looked, Reading, read
from vigil.alerts.words import title_of
from vigil.measurement import Layer
from vigil.spec.alerts import Tier
from vigil.spec.model import ModelSpec
from vigil.window import Window


@dataclass(frozen=True)
class Situation:
    """All that bundling sees of one look: the window, those before it (newest first), the incidents, and what was decided."""

    current: Looked
    history: Sequence[Looked]
    incidents: Sequence[Incident]
    spec: ModelSpec
    decision: Mapping[str, Any] = field(default_factory=dict)


def bundle(situation: Situation) -> tuple[Event, ...]:
    """Return the events that a look makes. Each has the look's id in its key, so that the same look makes them once."""
    current, spec = situation.current, situation.spec
    readings = read(current, situation.history, spec)
    firing = [reading for reading in readings if reading.firing]
    made: list[Event] = []
    homeless = []
    joined: dict[str, list[Reading]] = {}
    for reading in firing:
        home = _home(reading, readings, situation)
        if home is None:
            homeless.append(reading)
        else:
            joined.setdefault(home.incident_id, []).append(reading)
    homeless, joined = _together(homeless, joined, situation)
    for incident in situation.incidents:
        made += _events_of(incident, joined.get(incident.incident_id, []), readings, situation)
    if homeless:
        made.append(_opening(homeless, situation))
    return tuple(made)


def incident_id_of(model: str, evaluation_id: str) -> str:
    """Return the id of the incident that a look opens."""
    return "i-" + hashlib.sha256(f"incident|{model}|{evaluation_id}".encode()).hexdigest()[:10]


def _home(reading: Reading, readings: Sequence[Reading], situation: Situation) -> Incident | None:
    """Find the incident that a finding belongs to: one that has this signal, or one whose last new finding is near."""
    alerts, window = situation.spec.alerts, situation.current.window
    active = [incident for incident in situation.incidents if incident.active]
    having = [incident for incident in active if reading.signal in incident.signals]
    going_on = [incident for incident in active if _apart(incident.last, window) <= 1 and not _stopped(incident, readings)]
    fitting = [incident for incident in going_on if _takes(incident, reading)]
    near = [incident for incident in fitting if _apart(incident.newest, window) <= alerts.join_windows]
    again = [
        incident
        for incident in situation.incidents
        if not incident.active and reading.signal in incident.signals and _apart(incident.last, window) <= alerts.reopen_windows
    ]
    return next((incident for found in (having, near, again) for incident in reversed(found)), None)


def _stopped(incident: Incident, readings: Sequence[Reading]) -> bool:
    """Whether everything that it is about is back in bounds in this window: what begins now is something else."""
    clear = {reading.signal for reading in readings if reading.clear}
    return all(signal in clear for signal in incident.signals)


def _takes(incident: Incident, reading: Reading) -> bool:
    """Nothing urgent hides in what is minor, and no data fault in months of drift: it has another owner and another remedy."""
    if reading.tier.sends and not incident.tier.sends:
        return False
    about_data = any(signal.layer in (Layer.DATA_QUALITY, Layer.SYSTEM) for signal in incident.signals)
    return about_data or reading.signal.layer != Layer.DATA_QUALITY


def _together(
    homeless: list[Reading], joined: dict[str, list[Reading]], situation: Situation
) -> tuple[list[Reading], dict[str, list[Reading]]]:
    """What fires for the first time in the same window goes where others of that window go that are new or open again, and that take it."""
    known = {incident.incident_id: incident for incident in situation.incidents}
    fresh = [name for name, some in joined.items() if not known[name].active or any(r.signal not in known[name].signals for r in some)]
    taking = [name for name in fresh if all(_takes(known[name], reading) for reading in homeless)]
    if homeless and taking:
        return [], {**joined, taking[-1]: joined[taking[-1]] + homeless}
    return homeless, joined


def _apart(start: str, window: Window) -> int:
    """How many windows lie between a stored start and the window."""
    return abs((window.start - datetime.fromisoformat(start)) // window.length)


def _events_of(incident: Incident, firing: list[Reading], readings: Sequence[Reading], situation: Situation) -> list[Event]:
    """What the look says about one incident that is there: nothing, seen again, open again, or over."""
    current = situation.current
    if not incident.active:
        if not firing:
            return []
        body = _body(firing, firing, situation)
        return [_event(incident.incident_id, incident.events + 1, Kind.REOPENED, situation, body, "it is in breach again")]
    still = [r for r in readings if r.breach and not r.firing and r.signal in incident.signals]
    clear = [r for r in readings if r.clear and r.signal in incident.signals]
    if not firing and not still and not clear:
        return []
    known = [r for r in readings if r.breach and r.signal in incident.signals]
    body = _body([*firing, *still], {r.signal: r for r in (*known, *firing)}.values(), situation)
    body["clear"] = [list(r.signal) for r in clear]
    if not firing and not still:
        body = {"window": body["window"], "signals": [], "clear": body["clear"], "evaluation_id": current.evaluation_id}
    made = [_event(incident.incident_id, incident.events + 1, Kind.OBSERVED, situation, body, "")]
    if _over(incident, clear, [*firing, *still], situation):
        return [*made, *_ending(incident, situation)]
    return [*made, *_calming(apply(incident, made[0]), situation)]


def _over(incident: Incident, clear: Sequence[Reading], breached: Sequence[Reading], situation: Situation) -> bool:
    """Tell whether every signal has been in bounds for its windows, this one counted."""
    if breached:
        return False
    window = situation.current.window.start.isoformat()
    now = {r.signal for r in clear}

    def windows(signal: Any, seen: Seen) -> int:
        said = {**seen.windows, window: False} if signal in now else seen.windows
        return Seen(seen.tier, None, None, None, said).clear_windows

    return all(windows(signal, seen) >= clear_windows(incident, situation.spec) for signal, seen in incident.signals.items())


def clear_windows(incident: Incident, spec: ModelSpec) -> int:
    """Return how many windows in bounds end an incident: twice as many after each reopening, so that what comes and goes is told less."""
    return spec.alerts.clear_windows * int(2**incident.reopenings)


def _calming(incident: Incident, situation: Situation) -> list[Event]:
    """Make it less urgent where nothing as urgent was seen for as many windows as would end it, longer each time that it calmed before.

    What it was raised to because nobody acknowledged it stays until somebody does.
    """
    count = situation.spec.alerts.clear_windows * int(2**incident.calmings)
    latest = [tier for _, tier in sorted(incident.course.items())[-count:]]
    seen = [tier for tier in latest if tier is not None]
    if len(latest) < count or not seen:
        return []
    raised = [incident.raised] if incident.raised is not None and incident.state is not State.ACKNOWLEDGED else []
    tier = Tier.worst([*seen, *raised])
    if tier.value <= incident.tier.value:
        return []
    reason = f"nothing of tier {incident.tier} for {count} windows"
    return [_event(incident.incident_id, incident.events + 1, Kind.CALMED, situation, {"tier": tier.value}, reason)]


def _ending(incident: Incident, situation: Situation) -> list[Event]:
    """Resolve; where nobody acknowledged it, vigil does first, and says so."""
    count = clear_windows(incident, situation.spec)
    steps = [(Kind.RESOLVED, f"all is back in bounds for {count} windows")]
    if incident.state in (State.OPEN, State.REOPENED):
        steps.insert(0, (Kind.ACKNOWLEDGED, "it ended before anybody acknowledged it"))
    return [_event(incident.incident_id, incident.events + 2 + k, kind, situation, {}, reason) for k, (kind, reason) in enumerate(steps)]


def _opening(firing: Sequence[Reading], situation: Situation) -> Event:
    body = _body(firing, firing, situation)
    body |= {"owner": situation.spec.owner, "tier": Tier.worst([r.tier for r in firing]).value}
    incident_id = incident_id_of(situation.spec.model, situation.current.evaluation_id)
    return _event(incident_id, 1, Kind.OPENED, situation, body, body["title"])


def _body(firing: Sequence[Reading], about: Any, situation: Situation) -> dict[str, Any]:
    """What an event says of its window, as plain JSON: the signals in breach, and what is suspected because of all of them."""
    current, spec = situation.current, situation.spec
    readings = tuple(about)
    facts = Facts(readings, current, situation.history, spec)
    causes = suspects(facts)
    before = situation.history[facts.onset] if facts.onset < len(situation.history) else None
    features, segments = shares_of_change(current, before, spec)
    kind = causes[0].cause.value if causes else "unknown"
    playbook = spec.alerts.playbook
    return {
        "window": current.window.start.isoformat(),
        "evaluation_id": current.evaluation_id,
        "signals": [_said(reading) for reading in firing],
        "title": title_of(spec.model, kind, [r.signal for r in sorted(readings, key=lambda r: (r.tier.value, r.signal))]),
        "causes": [suspicion.plain() for suspicion in causes],
        "context": {
            "decision": dict(situation.decision),
            "changes": list(changes_before(current, situation.history, facts.onset)),
            "features": features,
            "segments": segments,
            "version": current.version,
            "playbook": None if playbook is None else playbook.replace("{kind}", kind),
        },
    }


def _said(reading: Reading) -> dict[str, Any]:
    return {
        "signal": list(reading.signal),
        "tier": reading.tier.value,
        "value": reading.value,
        "threshold": reading.threshold,
        "excess": reading.excess,
    }


def _event(incident_id: str, number: int, kind: Kind, situation: Situation, body: Mapping[str, Any], reason: str) -> Event:
    current = situation.current
    key = f"{incident_id}|{kind.value}|{current.evaluation_id}"
    return Event(incident_id, number, kind, situation.spec.model, current.as_of, VIGIL, reason, body, key)
