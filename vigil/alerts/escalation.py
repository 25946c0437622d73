"""Nobody acknowledged it in time: the incident is told to another channel, once for each time that it opened.

Differs from a channel's ``second``, which gets what could not be delivered: here everything arrived, and nobody did anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from vigil.alerts.alerting import incident
from vigil.alerts.hours import sent_at
from vigil.alerts.incident import VIGIL, Event, Incident, Kind, State, apply
from vigil.alerts.message import Message, MessageKind, Standing, body_of
from vigil.decision.phrases import number
from vigil.errors import Conflict
from vigil.spec.channels import AlertSettings
from vigil.store.contract import Store

LOOK_BACK = timedelta(days=14)  # what was told longer ago is not escalated any more; convention


def escalate(store: Store, settings: AlertSettings, now: datetime) -> int:
    """Tell the channels of ``settings.escalation`` what nobody has acknowledged in time; return how many incidents that are.

    A second call at the same moment writes nothing new; where somebody acts on an incident meanwhile, that one is left alone.
    """
    if not settings.escalation:
        return 0
    told: dict[str, list[Message]] = {}
    for message in store.messages(since=now - LOOK_BACK):
        if message.kind is MessageKind.TRIGGER and message.body["tier"] in settings.escalation:
            told.setdefault(message.incident_id, []).append(message)
    return sum(_escalate(store, settings, incident_id, messages, now) for incident_id, messages in told.items())


def due_at(found: Incident, events: Sequence[Event], messages: Sequence[Message], settings: AlertSettings) -> datetime | None:
    """Return when an incident is escalated; None where it is not: acknowledged, over, part of a fleet, or told to nobody.

    The time runs from when somebody was told of it, in its present tier, since it last opened: from a message's delivery, or from
    when it was made where it could not be delivered. One that waits for its channel's hours has told nobody before they begin.

    Args:
        messages: those that told it.
    """
    rule = settings.escalation.get(found.tier)
    if rule is None or found.state not in (State.OPEN, State.REOPENED) or found.fleet is not None:
        return None
    opened = _opening(events)
    said = [each for each in messages if each.number >= opened and each.body["tier"] == found.tier.value]
    told = [_told_at(message) for message in said if message.standing is not Standing.SUPERSEDED]
    return min(told) + timedelta(minutes=rule.after_minutes) if told else None


def _told_at(message: Message) -> datetime:
    """A message that was not tried yet is told when it is due; one that was delivered keeps that moment in the same place."""
    tried_in_vain = message.attempts > 0 and message.standing is not Standing.DELIVERED
    return message.created_at if tried_in_vain else message.next_at


def _opening(events: Sequence[Event]) -> int:
    return max(event.number for event in events if event.kind in (Kind.OPENED, Kind.REOPENED))


def _escalate(store: Store, settings: AlertSettings, incident_id: str, messages: Sequence[Message], now: datetime) -> bool:
    found, events = incident(store, incident_id)
    due = due_at(found, events, messages, settings)
    if due is None or due > now or found.muted(now):
        return False
    rule = settings.escalation[found.tier]
    key = f"{incident_id}|escalated|{_opening(events)}|{found.tier}"
    if any(event.key == key for event in events):
        return False
    reason = f"nobody acknowledged it within {number(rule.after_minutes)} minutes"
    event = Event(incident_id, found.events + 1, Kind.ESCALATED, found.model, now, VIGIL, reason, {"to": rule.to}, key)
    try:
        store.record_alerts(
            None, model=found.model, at=now, events=[event], messages=[_message(apply(found, event), event, rule.to, settings)]
        )
    except Conflict:  # somebody acted on it, or another drain was first
        return False
    return True


def _message(found: Incident, event: Event, to: str, settings: AlertSettings) -> Message:
    body = body_of(found, settings)
    body["lines"] = [*body["lines"][:1], f"{event.reason[0].upper()}{event.reason[1:]}."]
    due = sent_at(settings, to, found.tier, event.at)
    return Message(
        f"{event.incident_id}:{event.number}:{to}", event.incident_id, event.number, to, MessageKind.TRIGGER, body, event.at, due
    )
