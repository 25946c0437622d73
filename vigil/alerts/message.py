"""Messages about incidents: what is said to which channel, and how its delivery stands. The outbox holds them.

A message is made in the transaction of the event that it tells, and its key is the event's and the channel's: at-least-once
delivery with a key that never changes, by which a receiver can tell a second copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from vigil.alerts.hours import sent_at
from vigil.alerts.incident import Event, Incident, Kind
from vigil.alerts.words import context_lines, headline
from vigil.spec.alerts import Tier
from vigil.spec.channels import AlertSettings, Channel

FIRST_WAIT = timedelta(seconds=15)  # after a failed attempt; it doubles. Convention
LONGEST_WAIT = timedelta(seconds=45)  # so that a channel that works again is tried within a minute


class MessageKind(StrEnum):
    """What a message does to what the receiver shows, in PagerDuty's words."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


class Standing(StrEnum):
    """How a message's delivery stands. ``dead``: tried as often as allowed; ``superseded``: a fleet incident tells it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Message:
    """One message to one channel.

    Attributes:
        number: of the incident's event that it tells.
        body: plain JSON: headline, lines, link, playbook, incident, model, tier, state, owner.
        attempts: how often it was tried. ``next_at``: not before then.
        thread: the receipt of the incident's first message to this channel, where the channel gives one; known when it is sent.
    """

    key: str
    incident_id: str
    number: int
    channel: str
    kind: MessageKind
    body: Mapping[str, Any]
    created_at: datetime
    next_at: datetime
    standing: Standing = Standing.PENDING
    attempts: int = 0
    thread: str | None = None


@dataclass(frozen=True)
class Delivery:
    """How one attempt went; ``detail`` holds no secret. ``receipt`` is what the receiver calls the message, where it says."""

    key: str
    attempt: int
    at: datetime
    delivered: bool
    detail: str = ""
    receipt: str | None = None


def message_to(
    channel: str, kind: MessageKind, after: Incident, event: Event, body: dict[str, Any], settings: AlertSettings, now: datetime
) -> Message:
    """Return what a channel is told of an event, due when the channel's hours allow; its key is the same whoever makes it again."""
    return Message(
        key=f"{event.incident_id}:{event.number}:{channel}",
        incident_id=event.incident_id,
        number=event.number,
        channel=channel,
        kind=kind,
        body=body,
        created_at=now,
        next_at=sent_at(settings, channel, after.tier, now),
    )


def messages_of(before: Incident | None, after: Incident, event: Event, settings: AlertSettings, now: datetime) -> tuple[Message, ...]:
    """Return what is said of an event, one message a channel; nothing where it is minor, muted, told by a fleet, or long past.

    Said are: it opened, became more urgent, opened again, was acknowledged (to channels that show it), and is over. Where it became less
    urgent, it is over for the channels that take the tier that it had and not the one that it has.
    """
    kind = _said(before, after, event)
    hearing = before if before is not None and event.kind is Kind.CALMED else after
    still = hearers(after, settings) if event.kind is Kind.CALMED else ()
    muted = after.muted(now) and kind is MessageKind.TRIGGER  # its end is told, so that no pager goes on showing it
    silent = muted or after.fleet is not None or now - event.at > timedelta(days=settings.stale_days)
    if kind is None or silent:
        return ()
    body = body_of(after, settings, calmer=event.kind is Kind.CALMED)
    return tuple(
        message_to(name, kind, after, event, body, settings, now)
        for name, channel in sorted(settings.channels.items())
        if _hears(name, channel, kind, hearing) and name not in still
    )


def hearers(incident: Incident, settings: AlertSettings) -> tuple[str, ...]:
    """Return the channels that are told of an incident of its tier."""
    return tuple(name for name, channel in sorted(settings.channels.items()) if _hears(name, channel, MessageKind.TRIGGER, incident))


def _hears(name: str, channel: Channel, kind: MessageKind, incident: Incident) -> bool:
    """Its tiers, but for P2, which the weekly digest tells; and what ends what it was told by escalation."""
    told = (incident.tier.sends and incident.tier in channel.tiers) or (kind is not MessageKind.TRIGGER and name in incident.escalated)
    return told and (kind is not MessageKind.ACKNOWLEDGE or channel.kind == "pagerduty")


def body_of(incident: Incident, settings: AlertSettings, *, calmer: bool = False) -> dict[str, Any]:
    """Return what any channel says of an incident, as plain JSON: headline, at most two lines, one link."""
    playbook = incident.context.get("playbook")
    return {
        "headline": headline(incident, calmer=calmer),
        "lines": list(context_lines(incident)),
        "link": settings.link.replace("{incident}", incident.incident_id) if settings.link else playbook,
        "incident": incident.incident_id,
        "model": incident.model,
        "tier": incident.tier.value,
        "state": incident.state.value,
        "owner": incident.owner,
        "opened_at": incident.opened_at.isoformat(),
    }


def bare_body(headline: str, lines: Sequence[str], *, name: str, model: str, at: datetime) -> dict[str, Any]:
    """Return the body of a message that is about no incident, in the keys of :func:`body_of`."""
    nobody = {"link": None, "tier": Tier.P2.value, "state": "open", "owner": ""}
    return {"headline": headline, "lines": list(lines), "incident": name, "model": model, "opened_at": at.isoformat(), **nobody}


def trial_message(channel: str, now: datetime) -> Message:
    """Return a message that says that it is a test; it is of no incident and stands in no outbox."""
    lines = ["Sent by `vigil channels test`. Nothing is wrong."]
    body = bare_body("P2 vigil: this is a test", lines, name="test", model="vigil", at=now)
    return Message(f"test:{now.isoformat()}:{channel}", "vigil-test", 0, channel, MessageKind.TRIGGER, body, now, now)


def second_of(message: Message, settings: AlertSettings, now: datetime) -> Message | None:
    """Return the message to the second channel of one that could not be delivered; None where there is none to go to."""
    channel = settings.channels.get(message.channel)
    if channel is None or channel.second is None or message.key.count("|second") > 0:
        return None
    return Message(
        key=f"{message.incident_id}:{message.number}:{channel.second}|second of {message.channel}",
        incident_id=message.incident_id,
        number=message.number,
        channel=channel.second,
        kind=message.kind,
        body={**message.body, "lines": [*list(message.body["lines"])[:1], f"{message.channel} could not be reached."]},
        created_at=now,
        next_at=sent_at(settings, channel.second, Tier(message.body["tier"]), now),
    )


def next_try(attempt: int, now: datetime) -> datetime:
    """Return when a message is tried again after its attempt number ``attempt`` (1 is the first) failed."""
    doublings = min(attempt - 1, 10)
    return now + min(FIRST_WAIT * int(2**doublings), LONGEST_WAIT)


def in_turn(messages: Sequence[Message], now: datetime) -> tuple[Message, ...]:
    """Return the messages that are due now: of each incident and channel only the first, so that none overtakes another.

    One that waits for its channel's hours is sent with a P0 that comes behind it.
    """
    queues: dict[tuple[str, str], list[Message]] = {}
    for message in sorted(messages, key=lambda each: (each.number, each.key)):
        if message.standing is Standing.PENDING:
            queues.setdefault((message.incident_id, message.channel), []).append(message)
    due = [queue[0] for queue in queues.values() if queue[0].next_at <= now or _is_pushed(queue, now)]
    return tuple(sorted(due, key=lambda each: (each.body["tier"], each.created_at, each.key)))


def _is_pushed(queue: Sequence[Message], now: datetime) -> bool:
    """Whether its first message only waits for hours (nobody has claimed it), and a P0 is due."""
    return queue[0].attempts == 0 and any(message.body["tier"] == Tier.P0 and message.next_at <= now for message in queue)


def _said(before: Incident | None, after: Incident, event: Event) -> MessageKind | None:
    if event.kind in (Kind.OPENED, Kind.REOPENED):
        return MessageKind.TRIGGER
    if before is None:
        return None
    if event.kind is Kind.OBSERVED:
        return MessageKind.TRIGGER if after.tier.value < before.tier.value else None
    if event.kind in (Kind.RESOLVED, Kind.CALMED):
        return MessageKind.RESOLVE
    if event.kind is Kind.ACKNOWLEDGED and event.by != "vigil":
        return MessageKind.ACKNOWLEDGE
    return None
