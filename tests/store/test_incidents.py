"""Incidents and the outbox keep their promises on SQLite and PostgreSQL: appended once, together, and delivered by one at a time."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

import pytest

from tests.store.build import MODEL, NOW, a_message, an_evaluation, an_event, later, record_an_alert, save_spec
from tests.store.dialogue import Partner
from vigil.alerts.incident import Kind
from vigil.alerts.message import Delivery, Standing
from vigil.errors import Conflict, StoreError
from vigil.store.sql import SqlStore


@pytest.fixture(autouse=True)
def _evaluation(store: SqlStore) -> None:
    save_spec(store)
    store.record_evaluation(an_evaluation(), [])


class TestRecording:
    def test_events_and_messages_come_back_as_they_were_recorded(self, store: SqlStore) -> None:
        assert record_an_alert(store)
        assert store.incident_events() == {"i-1": (an_event(),)}
        assert store.messages() == (a_message(channel="mail"), a_message())
        assert store.alerted("e1")

    def test_messages_are_found_by_when_they_were_made(self, store: SqlStore) -> None:
        record_an_alert(store)
        assert len(store.messages(since=NOW)) == 2
        assert store.messages(since=later(1)) == ()

    def test_a_digest_is_an_event_of_no_incident(self, store: SqlStore) -> None:
        digest = an_event(incident_id="digest-1", kind=Kind.DIGEST, body={}, key="digest-1")
        for _ in range(2):
            store.record_alerts(
                None, model=MODEL, at=NOW, events=[digest], messages=[a_message(incident_id="digest-1", key="digest-1:slack")]
            )
        assert (store.incident_events(), [m.key for m in store.messages()]) == ({}, ["digest-1:slack"])

    def test_the_same_look_again_changes_nothing(self, store: SqlStore) -> None:
        record_an_alert(store)
        changed = replace(an_event(), incident_id="i-2", key=None)
        assert not store.record_alerts("e1", model=MODEL, at=later(1), events=[changed], messages=[])
        assert list(store.incident_events()) == ["i-1"]

    def test_a_look_that_says_nothing_is_remembered(self, store: SqlStore) -> None:
        assert not store.alerted("e1")
        store.record_alerts("e1", model=MODEL, at=NOW, events=[], messages=[])
        assert store.alerted("e1")

    def test_an_event_whose_number_is_taken_is_a_conflict_and_nothing_of_its_look_is_kept(self, store: SqlStore) -> None:
        record_an_alert(store)
        store.record_evaluation(an_evaluation("e2", data_digest="other"), [])
        other = an_event(1, by="ann", key="other")
        with pytest.raises(Conflict):
            store.record_alerts("e2", model=MODEL, at=NOW, events=[other], messages=[a_message(channel="pager")])
        assert not store.alerted("e2")
        assert len(store.messages()) == 2

    def test_a_message_without_its_event_is_refused(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="incident_event"):
            store.record_alerts("e1", model=MODEL, at=NOW, events=[], messages=[a_message()])
        assert not store.alerted("e1")

    def test_a_look_that_is_not_saved_is_named(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="'e9'"):
            store.record_alerts("e9", model=MODEL, at=NOW, events=[], messages=[])

    def test_two_that_saw_the_same_incident_one_is_first(self, store: SqlStore) -> None:
        record_an_alert(store)
        outcomes = []

        def write(name: str) -> None:
            try:
                store.record_alerts(None, model=MODEL, at=NOW, events=[an_event(2, by=name, key=name)], messages=[])
                outcomes.append("written")
            except Conflict:
                outcomes.append("conflict")

        threads = [threading.Thread(target=write, args=(name,)) for name in ("ann", "bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["conflict", "written"]

    def test_joining_a_fleet_supersedes_what_nobody_has_tried_to_send(self, store: SqlStore) -> None:
        record_an_alert(store)
        assert store.claim_message(a_message(channel="mail"), until=later(1))
        store.record_alerts(None, model=MODEL, at=NOW, events=[an_event(2, kind=Kind.JOINED, body={"fleet": "f-1"})], messages=[])
        assert {m.channel: m.standing for m in store.messages()} == {"mail": Standing.PENDING, "slack": Standing.SUPERSEDED}


class TestDelivering:
    @pytest.fixture(autouse=True)
    def _alert(self, store: SqlStore) -> None:
        record_an_alert(store)

    def test_of_two_that_claim_a_message_one_has_it(self, store: SqlStore) -> None:
        assert store.claim_message(a_message(), until=later(1))
        assert not store.claim_message(a_message(), until=later(1))
        (claimed,) = [m for m in store.messages() if m.channel == "slack"]
        assert (claimed.attempts, claimed.next_at) == (1, later(1))

    def test_a_delivered_message_is_pending_no_more(self, store: SqlStore) -> None:
        store.claim_message(a_message(), until=later(1))
        done = Delivery(a_message().key, 1, NOW, delivered=True, detail="200")
        assert store.finish_message(done, standing=Standing.DELIVERED, next_at=later(2))
        assert not store.finish_message(done, standing=Standing.DEAD, next_at=later(2))
        assert [m.channel for m in store.messages(standing=Standing.PENDING)] == ["mail"]
        assert store.deliveries(a_message().key) == (done,)
        assert not store.claim_message(replace(a_message(), attempts=1), until=later(3))

    def test_a_channels_receipt_is_that_of_the_incidents_first_message_that_it_took(self, store: SqlStore) -> None:
        assert store.receipt("i-1", "slack") is None
        store.record_alerts(None, model=MODEL, at=NOW, events=[an_event(2)], messages=[a_message(2)])
        for number, receipt in ((2, "later"), (1, "first")):
            taken = Delivery(a_message(number).key, 1, NOW, delivered=True, detail="200", receipt=receipt)
            store.finish_message(taken, standing=Standing.DELIVERED, next_at=NOW)
            assert store.deliveries(a_message(number).key) == (taken,)
        assert (store.receipt("i-1", "slack"), store.receipt("i-1", "mail"), store.receipt("i-2", "slack")) == ("first", None, None)

    def test_a_dead_letter_and_its_message_to_the_second_channel_are_one_write(self, store: SqlStore) -> None:
        store.claim_message(a_message(), until=later(1))
        second = a_message(channel="pager", key="second")
        failed = Delivery(a_message().key, 1, NOW, delivered=False, detail="500")
        assert store.finish_message(failed, standing=Standing.DEAD, next_at=NOW, second=second)
        assert {m.channel: m.standing.value for m in store.messages()} == {"mail": "pending", "pager": "pending", "slack": "dead"}


@pytest.mark.parametrize("at", ["INSERT INTO alert_look", "INSERT INTO incident_event", "INSERT INTO message"])
def test_killed_before_the_commit_neither_finding_nor_message_is_there_and_the_next_run_writes_both_once(
    store: SqlStore, url: str, at: str
) -> None:
    partner = Partner("stall", url, "alert", at)
    assert partner.says() == "stalled"
    assert partner.kill() == -signal.SIGKILL
    assert (store.alerted("e1"), store.incident_events(), store.messages()) == (False, {}, ())
    assert record_an_alert(store)
    assert not record_an_alert(store)
    assert len(store.messages()) == 2
