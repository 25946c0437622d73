"""An incident: its states and the only edges between them, its events, and what they add up to.

An incident is the fold of its events; nothing else is stored of it, so that what is shown and what happened cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from vigil.alerts.reading import Signal
from vigil.errors import NotAllowed
from vigil.spec.alerts import Tier
from vigil.spec.model import FLOW_DURATION, FLOW_SUCCESS_RATE

VIGIL = "vigil"  # who writes the events that no person writes
FLEET = "fleet"  # the model of an incident that several models share


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"


EDGES: Mapping[State, State] = MappingProxyType(
    {
        State.OPEN: State.ACKNOWLEDGED,
        State.ACKNOWLEDGED: State.RESOLVED,
        State.RESOLVED: State.REOPENED,
        State.REOPENED: State.ACKNOWLEDGED,
    }
)  # each state has one that follows it: what is resolved was acknowledged, by a person or by vigil, which says so


class Kind(StrEnum):
    """What an event says. The first four move the state."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    OBSERVED = "observed"
    JOINED = "joined"
    MUTED = "muted"
    ESCALATED = "escalated"
    CALMED = "calmed"
    DIGEST = "digest"  # of no incident: the week's digest, which the outbox needs an event for


MOVES: Mapping[Kind, State] = MappingProxyType(
    {Kind.ACKNOWLEDGED: State.ACKNOWLEDGED, Kind.RESOLVED: State.RESOLVED, Kind.REOPENED: State.REOPENED}
)


@dataclass(frozen=True)
class Event:
    """One thing that happened to an incident. Natural keys: ``(incident_id, number)``, and ``key`` where it is not None.

    ``body`` is plain JSON: of ``opened`` model, owner, suspected causes, changes; of ``observed`` the window and what each signal
    said; of ``muted`` its end; of ``joined`` the fleet incident; of ``escalated`` the channel, and the tier that it became; of ``calmed``
    the tier.
    """

    incident_id: str
    number: int
    kind: Kind
    model: str
    at: datetime
    by: str
    reason: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True)
class Seen:
    """What is known of one signal of an incident.

    ``tier`` is that of its newest breach. ``windows`` says of each window's start (ISO), in order, whether it was in breach; those in the
    margin are not in it.
    """

    tier: Tier
    value: float | None
    threshold: float | None
    excess: float | None
    windows: Mapping[str, bool]

    @property
    def clear_windows(self) -> int:
        """How many windows in a row, up to the newest, were in bounds."""
        count = 0
        for _, breach in sorted(self.windows.items(), reverse=True):
            if breach:
                break
            count += 1
        return count

    @property
    def breaches(self) -> tuple[str, ...]:
        return tuple(window for window, breach in sorted(self.windows.items()) if breach)


@dataclass(frozen=True)
class Incident:
    """What the events of one incident add up to.

    Attributes:
        first, last: start of the first and of the newest window in breach, ISO.
        newest: start of the window in which a signal was last new: later findings join while it is near.
        causes: suspected causes as plain JSON (:mod:`vigil.alerts.cause`): those of the first breaches, likeliest first; then what
            later breaches added, each with `since`, the window in which it did.
        course: of each window's start (ISO) the most urgent breach in it, None where what was measured is in bounds.
        reopenings: how often it opened again. ``calmings``: how often it became less urgent.
        escalated: channels that were told because nobody acknowledged it; ``raised``: the tier that it was given for the same reason.
        members: of a fleet incident, the incidents that it holds; ``fleet`` of a member, the incident that holds it.
    """

    incident_id: str
    model: str
    state: State
    tier: Tier
    owner: str
    opened_at: datetime
    changed_at: datetime
    first: str
    last: str
    newest: str
    signals: Mapping[Signal, Seen]
    events: int
    title: str = ""
    causes: tuple[Mapping[str, Any], ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    muted_until: datetime | None = None
    course: Mapping[str, Tier | None] = field(default_factory=dict)
    reopenings: int = 0
    calmings: int = 0
    escalated: tuple[str, ...] = ()
    raised: Tier | None = None
    fleet: str | None = None
    members: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.state is not State.RESOLVED

    @property
    def about_runs(self) -> bool:
        """Whether it is about vigil's own runs over the model: nothing that is found of the model joins it."""
        return bool(self.signals) and all(signal.metric in (FLOW_SUCCESS_RATE, FLOW_DURATION) for signal in self.signals)

    def muted(self, at: datetime) -> bool:
        return self.muted_until is not None and at < self.muted_until

    def after(self, *kinds: tuple[Kind, str, str], at: datetime, body: Mapping[str, Any] | None = None) -> tuple[Event, ...]:
        """Return the next events: ``(kind, by, reason)`` each, numbered on.

        Raises:
            NotAllowed: there is no such edge from where the incident stands.
        """
        state = self.state
        made: list[Event] = []
        for kind, by, reason in kinds:
            wanted = MOVES.get(kind)
            if wanted is not None and EDGES[state] is not wanted:
                raise NotAllowed(
                    f"incident {self.incident_id} is {state}; from there it can only become {EDGES[state]}, not {wanted}: "
                    f"`vigil incident {self.incident_id}` shows what happened"
                )
            state = wanted or state
            made.append(Event(self.incident_id, self.events + len(made) + 1, kind, self.model, at, by, reason, dict(body or {})))
        return tuple(made)


def fold(events: Sequence[Event]) -> Incident:
    """Add up the events of one incident, in the order of their numbers.

    Raises:
        NotAllowed: an event moves along no edge.
        ValueError: the first does not open it, or a number is missing.
    """
    opened = events[0]
    if opened.kind is not Kind.OPENED or [event.number for event in events] != list(range(1, len(events) + 1)):
        raise ValueError(f"the events of incident {opened.incident_id} are not whole: {[event.number for event in events]}")
    incident = _opened(opened)
    for event in events[1:]:
        incident = apply(incident, event)
    return incident


def apply(incident: Incident, event: Event) -> Incident:
    """Return the incident after one more event."""
    incident = replace(incident, events=event.number)
    move = MOVES.get(event.kind)
    if move is not None:
        if EDGES[incident.state] is not move:
            raise NotAllowed(f"incident {incident.incident_id} is {incident.state}, which is never followed by {move}")
        again = incident.reopenings + (event.kind is Kind.REOPENED)
        incident = replace(incident, state=move, changed_at=event.at, reopenings=again)
    if event.kind is Kind.MUTED:
        return replace(incident, muted_until=datetime.fromisoformat(event.body["until"]))
    if event.kind is Kind.ESCALATED:
        told = (*incident.escalated, *(event.body[name] for name in ("to",) if name in event.body))
        raised = Tier(event.body["tier"]) if "tier" in event.body else incident.raised
        return replace(
            incident, escalated=told, raised=raised, tier=Tier.worst([incident.tier, Tier(event.body.get("tier", incident.tier))])
        )
    if event.kind is Kind.CALMED:
        return replace(incident, tier=Tier(event.body["tier"]), calmings=incident.calmings + 1)
    if event.kind is Kind.JOINED:
        if "fleet" in event.body:
            return replace(incident, fleet=event.body["fleet"])
        members = tuple(dict.fromkeys((*incident.members, event.body["member"])))
        return replace(incident, members=members, tier=Tier.worst([incident.tier, Tier(event.body["tier"])]), last=event.body["last"])
    if event.kind in (Kind.OBSERVED, Kind.REOPENED):
        return _observed(incident, event)
    return incident


def _opened(event: Event) -> Incident:
    body = event.body
    blank = Incident(
        incident_id=event.incident_id,
        model=event.model,
        state=State.OPEN,
        tier=Tier(body["tier"]),
        owner=body["owner"],
        opened_at=event.at,
        changed_at=event.at,
        first=body["window"],
        last=body["window"],
        newest=body["window"],
        signals={},
        events=event.number,
        members=tuple(body.get("members", ())),
    )
    return _observed(blank, event)


def _observed(incident: Incident, event: Event) -> Incident:
    """Add what one window said: signals in it that are new or in breach, and those that are back in bounds."""
    body = event.body
    window = body.get("window", incident.last)
    signals = dict(incident.signals)
    new = False
    for said in body.get("signals", ()):
        signal, tier = Signal(*said["signal"]), Tier(said["tier"])
        before = signals.get(signal)
        windows = {**(before.windows if before else {}), window: True}
        new |= before is None
        signals[signal] = Seen(tier, said["value"], said["threshold"], said["excess"], windows)
    for name in body.get("clear", ()):
        before = signals.get(Signal(*name))
        if before is not None:
            signals[Signal(*name)] = replace(before, windows={**before.windows, window: False})
    tiers = [Tier(said["tier"]) for said in body.get("signals", ())]
    breached, again = bool(tiers), event.kind is Kind.REOPENED  # how urgent it once was says nothing of now
    return replace(
        incident,
        signals=signals,
        course={**incident.course, window: Tier.worst(tiers) if breached else None},
        tier=Tier.worst([*([] if again and breached else [incident.tier]), *tiers]),
        raised=None if again else incident.raised,
        first=min(incident.first, window) if breached else incident.first,
        last=max(incident.last, window) if breached else incident.last,
        newest=max(incident.newest, window) if new else incident.newest,
        **_explained(incident, body, window),
    )


def _explained(incident: Incident, body: Mapping[str, Any], window: str) -> dict[str, Any]:
    """Keep what explains the first breaches; what later ones are suspected of comes behind it, with the window since when.

    Only the decision is the newest one: it is about the window, not about what began the incident.
    """
    said = tuple(body.get("causes", ()))
    if not incident.causes:
        return {
            "title": body.get("title", incident.title),
            "causes": said or incident.causes,
            "context": body.get("context", incident.context),
        }
    known = {cause["cause"] for cause in incident.causes}
    later = tuple({**cause, "since": window} for cause in said if cause["cause"] not in known)
    decision = body.get("context", {}).get("decision") or incident.context.get("decision")
    return {"causes": (*incident.causes, *later), "context": {**incident.context, "decision": decision}}
