"""Drain the outbox: each message is tried until it is delivered, at least once, with a key that never changes.

An attempt is claimed before it is made and kept after it: killed between the two, the message is due again when the claim ends.
The channels are tried side by side, so that one that hangs keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from vigil.alerts.escalation import escalate
from vigil.alerts.message import Delivery, Message, Standing, in_turn, next_try, second_of
from vigil.spec.channels import AlertSettings, Channel
from vigil.store.contract import Store

CLAIM_MARGIN = timedelta(seconds=20)  # beyond the time that an attempt may take; convention


@dataclass(frozen=True)
class Attempt:
    """How one attempt went. ``permanent``: trying again would end the same way. ``detail`` holds no secret.

    ``receipt`` is what the receiver calls the message, where it says: later ones of the incident are replies to it.
    """

    delivered: bool
    detail: str
    permanent: bool = False
    receipt: str | None = None


Send = Callable[[str, Channel, Message], Attempt]


@dataclass(frozen=True)
class Drained:
    """How many messages were delivered, failed and will be tried again, and went to the dead letters."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: Drained) -> Drained:
        return Drained(self.delivered + other.delivered, self.failed + other.failed, self.dead + other.dead)


def drain(store: Store, settings: AlertSettings, send: Send, now: Callable[[], datetime]) -> Drained:
    """Tell others what nobody acknowledged in time, and try every message that is due once.

    After a failure that may pass, a channel's other messages wait for the next drain.
    """
    escalate(store, settings, now())
    due = sorted(in_turn(store.messages(standing=Standing.PENDING), now()), key=lambda message: message.channel)
    queues = [list(some) for _, some in groupby(due, key=lambda message: message.channel)]
    if not queues:
        return Drained()
    with ThreadPoolExecutor(max_workers=len(queues)) as pool:
        return sum(pool.map(lambda queue: _drain_channel(store, settings, send, now, queue), queues), start=Drained())


def drain_patiently(
    store: Store,
    settings: AlertSettings,
    send: Send,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    *,
    patience: timedelta,
) -> Drained:
    """Drain, and as long as messages are pending wait and drain again, for at most ``patience``."""
    end = now() + patience
    total = drain(store, settings, send, now)
    while True:
        pending = store.messages(standing=Standing.PENDING)
        next_at = min((message.next_at for message in pending), default=None)
        if next_at is None or max(next_at, now()) >= end:
            return total
        sleep(max((next_at - now()).total_seconds(), 1.0))
        total += drain(store, settings, send, now)


def _drain_channel(store: Store, settings: AlertSettings, send: Send, now: Callable[[], datetime], queue: Sequence[Message]) -> Drained:
    done = Drained()
    for message in queue:
        until = now() + timedelta(seconds=settings.timeout_seconds) + CLAIM_MARGIN
        if not store.claim_message(message, until=until):
            continue
        channel = settings.channels.get(message.channel)
        gone = Attempt(False, "vigil.yaml has no such channel any more", permanent=True)
        thread = store.receipt(message.incident_id, message.channel)
        attempt = gone if channel is None else send(message.channel, channel, replace(message, thread=thread))
        outcome = _keep(store, settings, message, attempt, now())
        done += outcome
        if outcome.failed:
            break
    return done


def _keep(store: Store, settings: AlertSettings, message: Message, attempt: Attempt, at: datetime) -> Drained:
    number = message.attempts + 1
    delivery = Delivery(message.key, number, at, attempt.delivered, attempt.detail, attempt.receipt)
    if attempt.delivered:
        store.finish_message(delivery, standing=Standing.DELIVERED, next_at=at)
        return Drained(delivered=1)
    if attempt.permanent or number >= settings.attempts:
        store.finish_message(delivery, standing=Standing.DEAD, next_at=at, second=second_of(message, settings, at))
        return Drained(dead=1)
    store.finish_message(delivery, standing=Standing.PENDING, next_at=next_try(number, at))
    return Drained(failed=1)
