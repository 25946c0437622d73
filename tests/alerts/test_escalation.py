"""What nobody acknowledges in time is told to another channel, once; and that channel is told of its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.alerts.build import day, errors, quality
from tests.alerts.fleet import all_of, see
from vigil.alerts.alerting import acknowledge, mute
from vigil.alerts.delivery import Attempt, drain
from vigil.alerts.escalation import escalate
from vigil.alerts.incident import Kind
from vigil.alerts.message import Message
from vigil.spec.channels import AlertSettings, Channel
from vigil.store.sql import SqlStore

BAD, GOOD = quality(breach=True), quality(breach=False)
HOOK = {"kind": "webhook", "url": "https://hooks.example.org"}
THREE = {"team": HOOK, "boss": {**HOOK, "tiers": []}, "chief": {**HOOK, "tiers": []}}


def settings(**changes: Any) -> AlertSettings:
    body = {"channels": {"team": HOOK, "boss": {**HOOK, "tiers": []}}, "escalation": {"P1": {"after_minutes": 60, "to": "boss"}}}
    return AlertSettings.model_validate({**body, **changes})


def told(store: SqlStore) -> list[tuple[str, str]]:
    return [(message.channel, message.kind.value) for message in store.messages()]


def delivered(store: SqlStore, at: datetime, made: AlertSettings) -> None:
    drain(store, made, lambda *_: Attempt(True, "HTTP 200"), lambda: at)


OPENED = day(0).end


def after(minutes: float) -> datetime:
    return OPENED + timedelta(minutes=minutes)


class TestTime:
    def test_it_is_told_to_the_other_channel_when_the_time_is_over_and_not_before(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        delivered(store, OPENED, settings())
        assert (escalate(store, settings(), after(59)), told(store)) == (0, [("team", "trigger")])
        assert (escalate(store, settings(), after(60)), told(store)) == (1, [("team", "trigger"), ("boss", "trigger")])
        assert store.messages()[1].body["lines"][1] == "Nobody acknowledged it within 60 minutes."

    def test_it_is_told_once(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        assert [escalate(store, settings(), after(minutes)) for minutes in (90, 120, 600)] == [1, 0, 0]

    def test_the_time_runs_from_the_delivery(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        delivered(store, after(50), settings())
        assert [escalate(store, settings(), after(minutes)) for minutes in (60, 109, 110)] == [0, 0, 1]

    def test_a_message_that_waits_for_its_channels_hours_has_told_nobody(self, store: SqlStore) -> None:
        """Made on Tuesday at 0:00, told at 8:00, escalated at 9:00."""
        made = settings(
            channels={"team": {**HOOK, "hours": "office"}, "boss": {**HOOK, "tiers": []}}, hours={"office": {"time_zone": "UTC"}}
        )
        see(store, 0, [BAD], settings=made)
        assert [escalate(store, made, after(60 * hour)) for hour in (2, 8, 9)] == [0, 0, 1]

    def test_where_nobody_could_be_told_the_time_runs_from_the_attempt(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        drain(store, settings(), lambda *_: Attempt(False, "HTTP 500"), lambda: OPENED)
        assert escalate(store, settings(), after(60)) == 1

    def test_drain_escalates_and_sends(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        got: list[str] = []

        def send(name: str, _: Channel, message: Message) -> Attempt:
            got.append(name)
            return Attempt(True, "HTTP 200")

        for minutes in (0, 60):
            now = after(minutes)
            drain(store, settings(), send, lambda now=now: now)  # type: ignore[misc]
        assert got == ["team", "boss"]


class TestSteps:
    STEPS = settings(escalation={"P1": [{"after_minutes": 60, "to": "boss"}, {"after_minutes": 240, "to": "chief"}]}, channels=THREE)
    RAISED = settings(
        escalation={"P1": {"after_minutes": 60, "tier": "P0"}, "P0": {"after_minutes": 30, "to": "chief"}},
        channels={**THREE, "pager": {**HOOK, "tiers": ["P0"], "hours": "office"}},
        hours={"office": {"time_zone": "UTC"}},
    )

    def test_each_is_taken_once_when_its_time_is_over(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=self.STEPS)
        assert [escalate(store, self.STEPS, after(minutes)) for minutes in (59, 60, 239, 240, 241, 900)] == [0, 1, 0, 1, 0, 0]
        assert [channel for channel, _ in told(store)] == ["team", "boss", "chief"]
        assert store.messages()[2].body["lines"][1] == "Nobody acknowledged it within 240 minutes."

    def test_after_a_long_silence_they_are_taken_one_after_another(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=self.STEPS)
        assert [escalate(store, self.STEPS, after(900)) for _ in range(3)] == [1, 1, 0]

    def test_whoever_acknowledges_ends_them(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=self.STEPS)
        escalate(store, self.STEPS, after(60))
        acknowledge(store, self.STEPS, all_of(store)[0].incident_id, by="ann", reason="on it", at=after(61))
        assert escalate(store, self.STEPS, after(900)) == 0

    def test_opened_again_they_begin_again(self, store: SqlStore) -> None:
        for number, measured in enumerate((BAD, GOOD, GOOD, BAD)):
            see(store, number, [measured], settings=self.STEPS)
            for minutes in (60, 240, 600):
                escalate(store, self.STEPS, day(number).end + timedelta(minutes=minutes))
        assert [channel for channel, kind in told(store) if kind == "trigger"] == ["team", "boss", "chief"] * 2

    def test_the_next_tier_is_told_at_once_whatever_the_hours(self, store: SqlStore) -> None:
        """At 1:00 the incident becomes P0: all who hear of P0 are told, the pager by night as well."""
        see(store, 0, [BAD], settings=self.RAISED)
        assert escalate(store, self.RAISED, after(60)) == 1
        (found,) = all_of(store)
        assert (found.tier, found.escalated) == ("P0", ())
        assert {message.channel: message.next_at for message in store.messages()[1:]} == {"team": after(60), "pager": after(60)}

    def test_and_then_goes_on_by_that_tier_s_steps(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=self.RAISED)
        assert [escalate(store, self.RAISED, after(minutes)) for minutes in (60, 89, 90, 900)] == [1, 0, 1, 0]
        assert told(store)[-1] == ("chief", "trigger")


class TestWhoIsSpared:
    def test_an_acknowledged_incident(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        acknowledge(store, settings(), all_of(store)[0].incident_id, by="ann", reason="on it", at=OPENED)
        assert escalate(store, settings(), after(600)) == 0

    def test_a_muted_one(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        mute(store, settings(), all_of(store)[0].incident_id, until=after(900), by="ann", reason="known", at=OPENED)
        assert [escalate(store, settings(), after(minutes)) for minutes in (600, 901)] == [0, 1]

    def test_one_of_a_tier_without_escalation(self, store: SqlStore) -> None:
        see(store, 0, [errors(0.2)], settings=settings())
        assert (all_of(store)[0].tier, escalate(store, settings(), after(600))) == ("P0", 0)

    def test_one_that_nobody_was_told_of(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings(), late=timedelta(days=2))
        assert escalate(store, settings(), after(600) + timedelta(days=2)) == 0


class TestEnd:
    def test_the_other_channel_is_told_that_it_is_over(self, store: SqlStore) -> None:
        see(store, 0, [BAD], settings=settings())
        escalate(store, settings(), after(60))
        for number in (1, 2):
            see(store, number, [GOOD], settings=settings())
        assert told(store)[2:] == [("boss", "resolve"), ("team", "resolve")]

    def test_opened_again_it_is_escalated_again(self, store: SqlStore) -> None:
        for number, measured in enumerate((BAD, GOOD, GOOD, BAD)):
            see(store, number, [measured], settings=settings())
            escalate(store, settings(), day(number).end + timedelta(minutes=90))
        kinds = [event.kind for events in store.incident_events().values() for event in events]
        assert kinds.count(Kind.ESCALATED) == 2


@pytest.mark.parametrize(
    ("escalation", "message"),
    [
        ({"P2": {"after_minutes": 5, "to": "boss"}}, "nobody can be late"),
        ({"P0": {"after_minutes": 5, "to": "ceo"}}, "the channels are: boss, team"),
        ({"P1": {"after_minutes": 5}}, "needs to: CHANNEL"),
        ({"P1": []}, "at least 1 item"),
        ({"P0": {"after_minutes": 5, "tier": "P0"}}, "not more urgent"),
        ({"P1": [{"after_minutes": 5, "to": "boss"}, {"after_minutes": 5, "to": "team"}]}, "come later one after another, got 5, 5"),
        ({"P1": [{"after_minutes": 5, "tier": "P0"}, {"after_minutes": 9, "to": "team"}]}, "make that step the last of P1"),
    ],
)
def test_an_escalation_that_could_not_work_is_refused(escalation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(escalation=escalation)
