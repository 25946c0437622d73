"""Incidents in the database: events that are only ever appended, and messages that are tried until they are delivered.

An event's number is a compare-and-set: of two writers that saw the same incident one is first, the other reads again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, select, update

from vigil.alerts.incident import Event, Kind
from vigil.alerts.message import Delivery, Message, MessageKind, Standing
from vigil.store import tables
from vigil.store.keep import insert_new, keep
from vigil.store.rows import Row, canonical_json, checked_text, utc


def record(
    connection: Connection, evaluation_id: str | None, model: str, at: datetime, events: Sequence[Event], messages: Sequence[Message]
) -> bool:
    """Append events with their messages, once for each look; False where this look was recorded before.

    Messages of an incident that joins a fleet, and that nobody has tried to send, are superseded.

    Raises:
        Conflict: an incident has moved on since it was read.
        StoreError: the evaluation is not saved.
    """
    if evaluation_id is not None:
        look = {"evaluation_id": checked_text(evaluation_id, "evaluation_id"), "model": checked_text(model, "model"), "at": utc(at, "at")}
        if not keep(connection, tables.alert_look, look, keys=[("evaluation_id",)], not_content=("at",)):
            return False
    for event in events:
        keep(connection, tables.incident_event, event_row(event), keys=[("incident_id", "number"), ("key",)])
    joining = [event.incident_id for event in events if event.kind is Kind.JOINED and "fleet" in event.body]
    if joining:
        table = tables.message
        untried = (table.c.incident_id.in_(joining), table.c.standing == Standing.PENDING.value, table.c.attempts == 0)
        connection.execute(update(table).where(*untried).values(standing=Standing.SUPERSEDED.value))
    for message in messages:
        keep(connection, tables.message, message_row(message), keys=[("key",)])
    return True


def events_query(model: str | None, incident_id: str | None) -> Select[tuple[object, ...]]:
    table = tables.incident_event
    query = select(table).where(table.c.kind != Kind.DIGEST.value).order_by(table.c.incident_id, table.c.number)
    if model is not None:
        query = query.where(table.c.model == model)
    return query if incident_id is None else query.where(table.c.incident_id == incident_id)


def receipt_query(incident_id: str, channel: str) -> Select[tuple[str | None]]:
    of, how = tables.message.c, tables.delivery.c
    taken = (of.incident_id == incident_id, of.channel == channel, how.delivered, how.receipt.is_not(None))
    return select(how.receipt).join(tables.message, of.key == how.key).where(*taken).order_by(of.number, how.attempt).limit(1)


def claim(connection: Connection, message: Message, until: datetime) -> bool:
    """Begin an attempt: nobody else begins one before ``until``. False where somebody else has."""
    table = tables.message
    unmoved = (table.c.key == message.key, table.c.attempts == message.attempts, table.c.standing == Standing.PENDING.value)
    moved = connection.execute(update(table).where(*unmoved).values(attempts=message.attempts + 1, next_at=utc(until, "until")))
    return moved.rowcount == 1


def finish(connection: Connection, delivery: Delivery, standing: Standing, next_at: datetime, second: Message | None) -> bool:
    """Keep how an attempt went, and with it where the message stands now; False where it was kept before."""
    row = {
        "key": delivery.key,
        "attempt": delivery.attempt,
        "at": utc(delivery.at, "at"),
        "delivered": delivery.delivered,
        "detail": checked_text(delivery.detail, "detail"),
        "receipt": None if delivery.receipt is None else checked_text(delivery.receipt, "receipt"),
    }
    if not insert_new(connection, tables.delivery, row):
        return False
    table = tables.message
    open_still = (table.c.key == delivery.key, table.c.standing == Standing.PENDING.value)
    connection.execute(update(table).where(*open_still).values(standing=standing.value, next_at=utc(next_at, "next_at")))
    if second is not None:
        standing_of = ("created_at", "next_at", "standing", "attempts")
        keep(connection, tables.message, message_row(second), keys=[("key",)], not_content=standing_of)
    return True


def event_row(event: Event) -> Row:
    return {
        "incident_id": checked_text(event.incident_id, "incident_id"),
        "number": event.number,
        "kind": event.kind.value,
        "model": checked_text(event.model, "model"),
        "at": utc(event.at, "at"),
        "by": checked_text(event.by, "by"),
        "reason": checked_text(event.reason, "reason"),
        "body": canonical_json(dict(event.body), "body"),
        "key": None if event.key is None else checked_text(event.key, "key"),
    }


def event_of(row: Row) -> Event:
    return Event(**{**row, "kind": Kind(row["kind"]), "body": json.loads(row["body"])})


def message_row(message: Message) -> Row:
    return {
        "key": checked_text(message.key, "key"),
        "incident_id": message.incident_id,
        "number": message.number,
        "channel": checked_text(message.channel, "channel"),
        "kind": message.kind.value,
        "body": canonical_json(dict(message.body), "body"),
        "created_at": utc(message.created_at, "created_at"),
        "next_at": utc(message.next_at, "next_at"),
        "standing": message.standing.value,
        "attempts": message.attempts,
    }


def message_of(row: Row) -> Message:
    kinds = {"kind": MessageKind(row["kind"]), "standing": Standing(row["standing"])}
    return Message(**{**row, **kinds, "body": json.loads(row["body"])})


def delivery_of(row: Row) -> Delivery:
    return Delivery(**row)
