"""Looks that fail are an incident of their own: no evaluation is needed to open it, and nothing of the model joins it."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.alerts.build import MODEL, a_spec, day, latency
from tests.alerts.fleet import ONE_CHANNEL, all_of, see
from vigil.alerts.alerting import resolve
from vigil.alerts.incident import Incident, State
from vigil.alerts.monitoring import alert_on_runs
from vigil.spec.model import ModelSpec
from vigil.store.records import FlowRun
from vigil.store.sql import SqlStore

SPEC = a_spec()


def ran(store: SqlStore, number: int, failure: str = "", *, ends: bool = True, spec: ModelSpec = SPEC) -> datetime:
    """A run of a day's noon that took a minute, and what people are told two hours and a minute later; return that moment."""
    noon = day(number).start + timedelta(hours=12)
    store.begin_flow_run(FlowRun(f"{spec.model}-{number}", spec.model, noon))
    if ends:
        store.end_flow_run(f"{spec.model}-{number}", at=noon + timedelta(minutes=1), failure=failure)
    now = noon + timedelta(minutes=121)
    alert_on_runs(store, spec, ONE_CHANNEL, now)
    return now


def the_incident(store: SqlStore) -> Incident:
    (found,) = all_of(store)
    return found


class TestOpening:
    def test_looks_that_fail_open_one_incident_that_says_why(self, store: SqlStore) -> None:
        for number in range(3):
            ran(store, number, "SourceError: log.parquet: it is gone")
        found = the_incident(store)
        assert (found.model, found.tier, found.state, found.about_runs) == (MODEL, "P1", State.OPEN, True)
        assert found.causes[0]["cause"] == "infrastructure"
        assert found.causes[0]["why"] == "flow_success_rate is 0 (SourceError: log.parquet: it is gone)"
        assert [(message.kind, message.body["headline"]) for message in store.messages()] == [
            ("trigger", "P1 churn: infrastructure is disturbed (flow_success_rate)")
        ]

    def test_looks_that_were_killed_do_too_without_any_evaluation(self, store: SqlStore) -> None:
        for number in range(2):
            ran(store, number, ends=False)
        assert "never ended" in the_incident(store).causes[0]["why"]

    def test_one_failure_is_none(self, store: SqlStore) -> None:
        ran(store, 0, "broken")
        assert all_of(store) == []

    def test_a_look_that_takes_too_long_is_one_where_the_model_says_so(self, store: SqlStore) -> None:
        ran(store, 0)
        assert all_of(store) == []
        ran(store, 1, spec=a_spec(health={"pipeline": {"duration_seconds": 59}}))
        assert [signal.metric for signal in the_incident(store).signals] == ["flow_duration_s"]

    def test_declared_maintenance_is_silent(self, store: SqlStore) -> None:
        window = {"name": "move", "start": day(0).start, "end": day(2).end}
        spec = a_spec(alerts={"maintenance": [window]})
        for number in range(3):
            ran(store, number, "broken", spec=spec)
        assert all_of(store) == []


class TestOnce:
    def test_the_same_runs_say_the_same_once(self, store: SqlStore) -> None:
        for number in range(2):
            now = ran(store, number, "broken")
        before = store.incident_events()
        for hours in range(3):
            alert_on_runs(store, SPEC, ONE_CHANNEL, now + timedelta(hours=hours))
        assert store.incident_events() == before

    def test_what_a_person_resolved_stays_so_until_another_run(self, store: SqlStore) -> None:
        for number in range(2):
            now = ran(store, number, "broken")
        resolve(store, ONE_CHANNEL, the_incident(store).incident_id, by="ann", reason="the disk is back", at=now)
        alert_on_runs(store, SPEC, ONE_CHANNEL, now + timedelta(hours=1))
        assert the_incident(store).state is State.RESOLVED
        ran(store, 2, "broken")
        assert the_incident(store).state is State.REOPENED


class TestEnding:
    def test_when_the_latest_runs_succeed_on_two_days_it_is_over(self, store: SqlStore) -> None:
        """Of five runs 2, 2, 2, 1 and 0 failed: the last two days are in bounds."""
        for number, failure in enumerate(("broken", "broken", "", "", "", "")):
            ran(store, number, failure)
        assert the_incident(store).active
        ran(store, 6)
        found = the_incident(store)
        assert (found.state, found.last) == (State.RESOLVED, day(4).start.isoformat())


class TestApart:
    def test_what_is_found_of_the_model_is_another_incident(self, store: SqlStore) -> None:
        for number in range(2):
            ran(store, number, "broken")
        for number in range(2):
            see(store, number, [latency(500)], spec=SPEC)
        ours, others = sorted(all_of(store), key=lambda found: not found.about_runs)
        assert {signal.metric for signal in ours.signals} == {"flow_success_rate"}
        assert {signal.metric for signal in others.signals} == {"latency_p95_ms"}

    def test_where_the_looks_at_three_models_fail_it_is_one_incident_about_monitoring(self, store: SqlStore) -> None:
        for number in range(2):
            for model in ("a", "b", "c"):
                ran(store, number, "StoreError: full", spec=a_spec(model))
        (fleet,) = [found for found in all_of(store) if found.model == "fleet"]
        assert fleet.title == "Monitoring breaks under 3 models"
        assert len(fleet.members) == 3
