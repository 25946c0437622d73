"""What an incident teaches: what happened when, and which signals that are measured anyway would have told earlier, at what price.

Differs from :mod:`vigil.decision.hindsight`, which asks what another policy would have decided: here it is asked when somebody would
have been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vigil.alerts.alerting import incident, incidents_of, looked_of
from vigil.alerts.incident import FLEET, Event, Incident, Kind
from vigil.alerts.message import Message, Standing
from vigil.alerts.reading import Looked, Signal, judged
from vigil.alerts.rules import rule_for, rules_of
from vigil.decision.phrases import plural
from vigil.errors import NotAllowed
from vigil.measurement import Layer, Measurement
from vigil.spec.alerts import AlertRule, Dynamic, Tier
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store

HISTORY = timedelta(days=180)  # over which the false alarms of an earlier signal are counted; convention
AT_ONCE = "at its first breach"
LEARNT = "outside of what is ordinary for it"


@dataclass(frozen=True)
class Happening:
    """One line of the timeline."""

    at: datetime
    what: str


@dataclass(frozen=True)
class Earlier:
    """A signal that would have told earlier.

    Attributes:
        how: alerted :data:`AT_ONCE` instead of after k of n windows, or whenever it is :data:`LEARNT` instead of by its threshold.
        window: the first of the windows in which it fired without a gap, up to the one in which the incident was opened.
        lead: how much earlier that window ended.
        false_alarms: how often it would also have fired in ``windows`` windows of the history that no incident holds; what goes on
            for several windows is one.
    """

    signal: Signal
    how: str
    window: datetime
    lead: timedelta
    false_alarms: int
    windows: int


@dataclass(frozen=True)
class Postmortem:
    """An incident, its timeline, and what would have told earlier, the fewest false alarms first."""

    incident: Incident
    timeline: tuple[Happening, ...]
    earlier: tuple[Earlier, ...]


def postmortem(store: Store, spec: ModelSpec, incident_id: str) -> Postmortem:
    """Look back on one incident, with what was known when it was opened.

    Raises:
        StoreError: there is no such incident.
        NotAllowed: it is a fleet incident, which has no signals of its own.
    """
    found, events = incident(store, incident_id)
    if found.model == FLEET:
        raise NotAllowed(
            f"{incident_id} is shared by {plural(len(found.members), 'incident')}; look back on one: {', '.join(found.members)}"
        )
    opened = datetime.fromisoformat(events[0].body["window"])
    evaluations = store.evaluations(spec.model, start=opened - HISTORY, end=opened + spec.window.length, as_of=found.opened_at)
    measured = store.measurements([each.evaluation_id for each in evaluations])
    looks = [looked_of(each, measured, spec) for each in evaluations]
    others = [each for each in incidents_of(store, spec.model).values() if each.tier.sends and each.incident_id != incident_id]
    messages = store.messages(incident_id=incident_id)
    return Postmortem(found, timeline(found, events, messages), earlier(looks, others, spec))


def timeline(found: Incident, events: Sequence[Event], messages: Sequence[Message]) -> tuple[Happening, ...]:
    """Return what happened, in order: what changed before, signals as they came, who was told, and what people did."""
    told: list[Happening] = [Happening(found.opened_at, f"just before: {change}") for change in found.context.get("changes") or ()]
    known: set[Signal] = set()
    for event in events:
        signals = [Signal(*said["signal"]) for said in event.body.get("signals", ())]
        new = [str(signal) for signal in signals if signal not in known]
        known |= set(signals)
        about = f"{', '.join(new)} out of bounds in the window of {event.body['window'][:10]}" if new else ""
        if event.kind is not Kind.OBSERVED or new:
            said = "; ".join(part for part in (event.reason, about) if part)
            told.append(Happening(event.at, f"{event.kind} by {event.by}{f': {said}' if said else ''}"))
    told += [
        Happening(message.next_at, f"{message.channel} was told: {message.body['headline']}")
        for message in messages
        if message.standing is Standing.DELIVERED
    ]
    return tuple(sorted(told, key=lambda each: each.at))


def earlier(looks: Sequence[Looked], others: Sequence[Incident], spec: ModelSpec) -> tuple[Earlier, ...]:
    """Return the signals that would have told before the last look, in which the incident was opened.

    Every signal of the model is tried with two rules: its own threshold (or verdict) alerted at once, and a dynamic one. Rules that
    no signal is measured for cannot be tried; neither can those that are alerted so already.

    Args:
        looks: oldest first; the last opened the incident.
        others: the model's other incidents that somebody was told of: what fires in them is no false alarm.
    """
    usable = [look for look in looks if look.silent is None]
    if not usable:
        return ()
    found = [
        _earlier(signal, how, rule, usable, others, spec)
        for signal, measurement in sorted(usable[-1].measured.items())
        for how, rule in _tried(measurement, spec)
    ]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.false_alarms, -one.lead, one.signal, one.how)))


def _tried(measurement: Measurement, spec: ModelSpec) -> Iterator[tuple[str, AlertRule]]:
    rule = rule_for(measurement, rules_of(spec))
    layer, metric = Layer(measurement.layer), measurement.metric
    if rule is None or rule.dynamic is None:
        yield LEARNT, AlertRule(layer=layer, metric=metric, tier=Tier.P2, dynamic=Dynamic())
    if rule is None or rule.sustained.k > 1 or not rule.tier or not rule.tier.sends:
        yield AT_ONCE, rule or AlertRule(layer=layer, metric=metric, tier=Tier.P2)


def _earlier(
    signal: Signal, how: str, rule: AlertRule, looks: Sequence[Looked], others: Sequence[Incident], spec: ModelSpec
) -> Earlier | None:
    fires = [_fires(signal, rule, looks, place, spec) for place in range(len(looks))]
    place = first = len(looks) - 1
    while place >= 0 and fires[place] is not False:
        first = place if fires[place] else first
        place -= 1
    if not fires[-1] or first == len(looks) - 1:
        return None
    calm = [(fires[at], look) for at, look in enumerate(looks[: place + 1]) if fires[at] is not None and not _held(look, others)]
    alarms = sum(bool(fired) and not (at and calm[at - 1][0]) for at, (fired, _) in enumerate(calm))
    lead = looks[-1].window.end - looks[first].window.end
    return Earlier(signal, how, looks[first].window.start, lead, alarms, len(calm))


def _fires(signal: Signal, rule: AlertRule, looks: Sequence[Looked], place: int, spec: ModelSpec) -> bool | None:
    """Whether it fires in one window; None where it was not measured, or there is no history to judge it by."""
    reading = judged(signal, rule, looks[place], looks[:place][::-1], spec)
    return None if reading is None else reading.breach


def _held(look: Looked, incidents: Sequence[Incident]) -> bool:
    start = look.window.start.isoformat()
    return any(each.first <= start <= each.last for each in incidents)
