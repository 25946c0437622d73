"""Nobody acknowledged it in time: the incident is told to another channel or becomes more urgent, once a step and time that it opened.

Differs from a channel's ``second``, which gets what could not be delivered: here everything arrived, and nobody did anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from vigil.alerts.alerting import incident
from vigil.alerts.incident import VIGIL, Event, Incident, Kind, State, apply
from vigil.alerts.message import Message, MessageKind, Standing, body_of, hearers, message_to
from vigil.decision.phrases import number
from vigil.errors import Conflict
from vigil.spec.channels import AlertSettings, Escalation
from vigil.store.contract import Store

LOOK_BACK = timedelta(days=14)  # what was told longer ago is not escalated any more; convention


def escalate(store: Store, settings: AlertSettings, now: datetime) -> int:
    """Take the next step of ``settings.escalation`` with what nobody has acknowledged in time; return how many incidents that are.

    Each step is taken once: a second call at the same moment takes the next one, where that is due as well, else it writes nothing. Where
    somebody acts on an incident meanwhile, that one is left alone.
    """
    if not settings.escalation:
        return 0
    told: dict[str, list[Message]] = {}
    for message in store.messages(since=now - LOOK_BACK):
        if message.kind is MessageKind.TRIGGER and message.body["tier"] in settings.escalation:
            told.setdefault(message.incident_id, []).append(message)
    return sum(_escalate(store, settings, incident_id, messages, now) for incident_id, messages in told.items())


def due(
    found: Incident, events: Sequence[Event], messages: Sequence[Message], settings: AlertSettings
) -> tuple[datetime, Escalation, str] | None:
    """Return when the next step of an incident is due, the step, and its key; None where there is none.

    There is none where it is acknowledged, over, part of a fleet, or told to nobody, or where all of its tier's steps were taken. The time
    runs from when somebody was told of it, in its present tier, since it last opened: from a message's delivery, or from when it was made
    where it could not be delivered. One that waits for its channel's hours has told nobody before they begin.

    Args:
        messages: those that told it.
    """
    if found.state not in (State.OPEN, State.REOPENED) or found.fleet is not None:
        return None
    opened, taken = _opening(events), {event.key for event in events}
    said = [each for each in messages if each.number >= opened and each.body["tier"] == found.tier.value]
    told = [_told_at(message) for message in said if message.standing is not Standing.SUPERSEDED]
    for place, step in enumerate(settings.escalation.get(found.tier, ()) if told else ()):
        key = f"{found.incident_id}|escalated|{opened}|{found.tier}" + (f"|{place}" if place else "")
        if key not in taken:
            return min(told) + timedelta(minutes=step.after_minutes), step, key
    return None


def _told_at(message: Message) -> datetime:
    """A message that was not tried yet is told when it is due; one that was delivered keeps that moment in the same place."""
    tried_in_vain = message.attempts > 0 and message.standing is not Standing.DELIVERED
    return message.created_at if tried_in_vain else message.next_at


def _opening(events: Sequence[Event]) -> int:
    return max(event.number for event in events if event.kind in (Kind.OPENED, Kind.REOPENED))


def _escalate(store: Store, settings: AlertSettings, incident_id: str, messages: Sequence[Message], now: datetime) -> bool:
    found, events = incident(store, incident_id)
    next_step = due(found, events, messages, settings)
    if next_step is None or next_step[0] > now or found.muted(now):
        return False
    _, step, key = next_step
    reason = f"nobody acknowledged it within {number(step.after_minutes)} minutes"
    body = {name: value for name, value in (("to", step.to), ("tier", step.tier)) if value is not None}
    event = Event(incident_id, found.events + 1, Kind.ESCALATED, found.model, now, VIGIL, reason, body, key)
    try:
        store.record_alerts(None, model=found.model, at=now, events=[event], messages=_messages(apply(found, event), event, step, settings))
    except Conflict:  # somebody acted on it, or another drain was first
        return False
    return True


def _messages(found: Incident, event: Event, step: Escalation, settings: AlertSettings) -> tuple[Message, ...]:
    """The step's channel is told, and, where the incident became more urgent, all that hear of its tier now."""
    body = body_of(found, settings)
    body["lines"] = [*body["lines"][:1], f"{event.reason[0].upper()}{event.reason[1:]}."]
    channels = {*([] if step.to is None else [step.to]), *([] if step.tier is None else hearers(found, settings))}
    return tuple(message_to(to, MessageKind.TRIGGER, found, event, body, settings, event.at) for to in sorted(channels))
