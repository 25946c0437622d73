"""The outbox is drained: at least once, in turn, patiently, and to the second channel where the first is lost. On loopback servers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tasks.notify import sender
from tests.alerts.build import day, quality
from tests.alerts.fleet import ONE_CHANNEL, see
from tests.tasks.servers import Receiver, receiver
from vigil.alerts.delivery import Attempt, Drained, drain, drain_patiently
from vigil.alerts.message import Message, Standing
from vigil.spec.channels import AlertSettings, Channel
from vigil.store.sql import SqlStore

BAD, GOOD = quality(breach=True), quality(breach=False)
START = day(0).end


class Clock:
    """The present, which passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def settings_of(*servers: Receiver, **more: object) -> AlertSettings:
    channels = {f"c{number}": {"kind": "webhook", "url": server.url} for number, server in enumerate(servers)}
    if len(servers) == 2:
        channels["c0"]["second"] = "c1"
        channels["c1"]["tiers"] = []  # type: ignore[assignment]
    return AlertSettings.model_validate({"channels": channels, "private_networks": ["127.0.0.0/8"], "timeout_seconds": 0.3, **more})


def test_a_message_is_delivered_once(store: SqlStore) -> None:
    with receiver() as server:
        settings = settings_of(server)
        see(store, 0, [BAD], settings=settings)
        for _ in range(3):
            drain(store, settings, sender(settings), Clock())
    assert len(server.got) == 1
    assert [m.standing for m in store.messages()] == [Standing.DELIVERED]


@pytest.mark.parametrize("trouble", [500, "drop", "hang"])
def test_what_fails_is_delivered_within_a_minute_of_recovery(store: SqlStore, trouble: int | str) -> None:
    clock = Clock()
    with receiver(trouble) as server:
        settings = settings_of(server)
        see(store, 0, [BAD], settings=settings)
        for _ in range(6):
            drain(store, settings, sender(settings), clock)
            clock.sleep(45)
        server.answer = 200
        recovered = clock.now
        drain_patiently(store, settings, sender(settings), clock, clock.sleep, patience=timedelta(minutes=5))
    (message,) = store.messages()
    *_, last = store.deliveries(message.key)
    assert message.standing is Standing.DELIVERED
    assert last.at - recovered <= timedelta(seconds=60)
    assert {body["key"] for _, _, body in server.got} == {message.key}


def test_after_the_last_attempt_it_is_a_dead_letter_and_goes_to_the_second_channel(store: SqlStore) -> None:
    clock = Clock()
    with receiver(500) as server, receiver() as second:
        settings = settings_of(server, second, attempts=3)
        see(store, 0, [BAD], settings=settings)
        drain_patiently(store, settings, sender(settings), clock, clock.sleep, patience=timedelta(minutes=5))
    assert len(server.got) == 3
    assert {m.channel: m.standing for m in store.messages()} == {"c0": Standing.DEAD, "c1": Standing.DELIVERED}
    assert second.got[0][2]["lines"][1] == "c0 could not be reached."


def test_what_can_never_be_delivered_is_not_tried_again(store: SqlStore) -> None:
    with receiver(404) as server:
        settings = settings_of(server)
        see(store, 0, [BAD], settings=settings)
        assert drain(store, settings, sender(settings), Clock()) == Drained(dead=1)
    assert len(server.got) == 1


def test_a_channel_that_hangs_keeps_no_other_waiting(store: SqlStore) -> None:
    with receiver("hang") as slow, receiver() as quick:
        channels = {"slow": {"kind": "webhook", "url": slow.url}, "quick": {"kind": "webhook", "url": quick.url}}
        settings = AlertSettings.model_validate({"channels": channels, "private_networks": ["127.0.0.0/8"], "timeout_seconds": 0.3})
        see(store, 0, [BAD], settings=settings)
        assert drain(store, settings, sender(settings), Clock()) == Drained(delivered=1, failed=1)


def test_the_end_does_not_overtake_the_beginning(store: SqlStore) -> None:
    clock = Clock()
    with receiver(500) as server:
        settings = settings_of(server)
        for number, measured in enumerate((BAD, GOOD, GOOD)):
            see(store, number, [measured], settings=settings)
        clock.now = day(3).end
        drain(store, settings, sender(settings), clock)
        server.answer = 200
        drain_patiently(store, settings, sender(settings), clock, clock.sleep, patience=timedelta(minutes=5))
    assert [body["kind"] for _, _, body in server.got] == ["trigger", "trigger", "resolve"]


def test_killed_between_sending_and_keeping_it_is_sent_again_with_the_same_key(store: SqlStore) -> None:
    class Killed(BaseException):
        """What SIGKILL leaves behind: claimed, sent, not kept."""

    def send(_name: str, _channel: Channel, message: Message) -> Attempt:
        sent.append(message.key)
        if len(sent) == 1:
            raise Killed
        return Attempt(True, "")

    sent: list[str] = []
    clock = Clock()
    settings = AlertSettings.model_validate({"channels": {"hook": {"kind": "webhook", "url": "https://hooks.example.org"}}})
    see(store, 0, [BAD], settings=settings)
    with pytest.raises(Killed):
        drain(store, settings, send, clock)
    assert drain(store, settings, send, clock) == Drained()  # the claim has not ended
    drain_patiently(store, settings, send, clock, clock.sleep, patience=timedelta(minutes=1))
    assert sent == [sent[0]] * 2
    assert [m.standing for m in store.messages()] == [Standing.DELIVERED]


def test_a_channel_that_was_removed_makes_dead_letters(store: SqlStore) -> None:
    with receiver() as server:
        see(store, 0, [BAD], settings=settings_of(server))
        assert drain(store, AlertSettings(), sender(AlertSettings()), Clock()) == Drained(dead=1)


@pytest.mark.parametrize("trouble", [200, 404, 500, "drop"])
def test_no_byte_of_a_secret_is_in_the_database(store: SqlStore, trouble: int | str) -> None:
    clock = Clock()
    with receiver(trouble) as server:
        channels = {
            "hook": {"kind": "webhook", "secret_url": "${URL}", "authorization": "${TOKEN}"},
            "pager": {"kind": "pagerduty", "routing_key": "${KEY}", "url": server.url},
            "mail": {"kind": "apprise", "secret_url": "${CHAT}"},
        }
        settings = AlertSettings.model_validate(
            {"channels": channels, "private_networks": ["127.0.0.0/8"], "timeout_seconds": 0.3, "attempts": 1}
        )
        environ = {
            "URL": f"{server.url}/T0secretpath",
            "TOKEN": "Bearer tokensecret",
            "KEY": "routingsecret",
            "CHAT": "nosuch://chatsecret",
        }
        see(store, 0, [BAD], settings=settings)
        drain(store, settings, sender(settings, environ), clock)
    assert len(server.got) == 2
    written = "\n".join(store.engine.raw_connection().driver_connection.iterdump())  # type: ignore[union-attr]
    assert 'INSERT INTO "delivery"' in written
    assert [word for word in ("T0secretpath", "tokensecret", "routingsecret", "chatsecret") if word in written] == []


def test_what_a_channel_called_the_first_message_is_given_with_the_next(store: SqlStore) -> None:
    threads = []

    def send(name: str, _: Channel, message: Message) -> Attempt:
        threads.append(message.thread)
        return Attempt(True, "taken", receipt=f"receipt {len(threads)}")

    for number, measured in enumerate((quality(breach=True), quality(breach=False), quality(breach=False))):
        see(store, number, [measured])
        drain(store, ONE_CHANNEL, send, lambda number=number: day(number).end)  # type: ignore[misc]
    assert threads == [None, "receipt 1"]
