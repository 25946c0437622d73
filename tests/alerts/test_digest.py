"""The weekly digest says what nobody was woken for, and which thresholds say nothing; OpenMetrics says the present, bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.alerts.build import a_spec, auc, day, drift, errors, latency, psi, quality
from tests.alerts.fleet import all_of, keep_look, see
from vigil.alerts.digest import Digest, digest, digest_text, post_digest
from vigil.alerts.message import Message
from vigil.alerts.openmetrics import openmetrics
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.channels import AlertSettings
from vigil.store.records import FlowRun
from vigil.store.sql import SqlStore


def digest_of(store: SqlStore, days: int, **changes: Any) -> Digest:
    return digest(store, [a_spec(**changes)], day(days).start)


class TestDigest:
    def test_a_minor_incident_is_named(self, store: SqlStore) -> None:
        for number in range(4):
            see(store, number, [psi("age", 0.3)])
        (model,) = digest_of(store, 4).models
        assert [(i.tier, i.title) for i in model.minor] == [("P2", "churn: inputs have drifted (age)")]
        assert "churn: inputs have drifted (age), open" in digest_text(digest_of(store, 4))

    def test_an_old_one_is_not(self, store: SqlStore) -> None:
        for number in range(4):
            see(store, number, [psi("age", 0.3)])
        assert digest_of(store, 20).models[0].minor == ()

    def test_a_threshold_that_fires_always_and_one_that_never_does(self, store: SqlStore) -> None:
        for number in range(10):
            see(store, number, [latency(300 if number != 4 else 100), errors(0.001)])
        (model,) = digest_of(store, 10).models
        assert [(h.signal.metric, h.breaches, h.windows) for h in model.always] == [("latency_p95_ms", 9, 10)]
        assert [(h.signal.metric, h.breaches) for h in model.never] == [("error_rate", 0)]

    def test_seven_windows_are_too_few_to_say_so(self, store: SqlStore) -> None:
        for number in range(7):
            see(store, number, [latency(300)])
        assert digest_of(store, 7).models[0].always == ()

    def test_windows_without_enough_labels_are_counted(self, store: SqlStore) -> None:
        few = Measurement(Layer.PERFORMANCE, "roc_auc", None, Verdict.NOT_ENOUGH_DATA, 3, version="1", threshold=0.7)
        for number in range(8):
            see(store, number, [few if number in (0, 5, 6) else auc(0.8)])
        (model,) = digest_of(store, 8).models
        assert (model.unlabelled, model.windows) == (2, 7)

    def test_a_model_without_an_owner_is_named(self, store: SqlStore) -> None:
        assert digest_of(store, 8, owner=" ").without_owner == ("churn",)
        assert "Without an owner: churn" in digest_text(digest_of(store, 8, owner=" "))


class TestOpenMetrics:
    @pytest.fixture
    def families(self, store: SqlStore) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        for number in range(3):
            see(store, number, [quality(breach=True), drift(0.5), psi("age", 0.3), latency(100)])
        parsed = text_string_to_metric_families(openmetrics(store, [a_spec(), a_spec("new")], day(3).start))
        return {f.name: {tuple(sorted(s.labels.items())): s.value for s in f.samples} for f in parsed}

    def test_the_text_is_openmetrics_with_the_latest_window(self, families: dict[str, Any]) -> None:
        """By the parser of Prometheus' own client."""
        assert families["vigil_metric_value"] == {
            (("layer", "drift"), ("metric", "drift_share"), ("model", "churn")): 0.5,
            (("layer", "system"), ("metric", "latency_p95_ms"), ("model", "churn")): 100.0,
        }
        assert families["vigil_window_end_timestamp_seconds"] == {(("model", "churn"),): day(2).end.timestamp()}
        assert families["vigil_window_length_seconds"] == {(("model", "churn"),): 86_400.0}
        assert families["vigil_breaches"][(("layer", "drift"), ("model", "churn"))] == 2.0

    def test_open_incidents_and_the_outbox_are_counted(self, families: dict[str, Any]) -> None:
        assert families["vigil_incidents"][(("model", "churn"), ("state", "open"), ("tier", "P1"))] == 1.0
        assert sum(families["vigil_incidents"].values()) == 1.0
        assert families["vigil_messages"][(("standing", "pending"),)] == 1.0

    def test_vigil_s_own_runs_are_told_by_model(self, store: SqlStore) -> None:
        """One took a minute; one was begun a day before and never ended."""
        for name, begun in (("lost", day(1).start), ("good", day(2).start)):
            store.begin_flow_run(FlowRun(name, "churn", begun))
        store.end_flow_run("good", at=day(2).start + timedelta(minutes=1))
        text = openmetrics(store, [a_spec(), a_spec("new")], day(3).start)
        assert 'vigil_flow_success_rate{model="churn"} 0.5' in text
        assert 'vigil_flow_duration_seconds{model="churn"} 60.0' in text
        assert 'vigil_flow_success_rate{model="new"}' not in text

    def test_features_and_segments_are_never_labels(self, store: SqlStore) -> None:
        see(store, 0, [psi(f"feature_{number}", 0.3) for number in range(500)])
        assert "feature_" not in openmetrics(store, [a_spec()], day(3).start)

    def test_more_than_fifty_metrics_are_left_out_and_counted(self, store: SqlStore) -> None:
        many = [Measurement(Layer.SYSTEM, f"metric_{number:02d}", 1.0, Verdict.OK, 1) for number in range(60)]
        see(store, 0, many)
        text = openmetrics(store, [a_spec()], day(3).start)
        assert text.count("vigil_metric_value{") == 50
        assert 'vigil_metrics_left_out{model="churn"} 10.0' in text


def test_a_trend_is_told_with_when_its_limit_is_reached(store: SqlStore) -> None:
    for number in range(60):
        keep_look(store, number, [latency(100.0 + number)], a_spec())
    text = digest_text(digest_of(store, 60))
    assert "trend   latency_p95_ms rises by 7 a week, now 156: at its limit 200 in about 6 weeks" in text


class TestPosting:
    settings = AlertSettings.model_validate(
        {
            "channels": {
                "team": {"kind": "webhook", "url": "https://example.org", "tiers": ["P1", "P2"]},
                "night": {"kind": "webhook", "url": "https://example.org"},
                "pager": {"kind": "pagerduty", "routing_key": "${KEY}", "tiers": ["P2"]},
            }
        }
    )

    def post(self, store: SqlStore, settings: AlertSettings | None = None, later: int = 0) -> tuple[Message, ...]:
        return post_digest(store, [a_spec()], settings or self.settings, day(7).start, day(7).start + timedelta(hours=7 + later))

    def test_those_who_take_p2_get_it_but_no_pager(self, store: SqlStore) -> None:
        for number in range(4):
            see(store, number, [psi("age", 0.3)], settings=self.settings)
        (message,) = self.post(store)
        assert (message.channel, message.body["headline"]) == ("team", "Digest: 0 trends, 1 minor incident")
        assert message.body["lines"][0] == "The week from 2024-01-01 to 2024-01-08"
        assert store.messages() == (message,)

    def test_a_week_is_told_once(self, store: SqlStore) -> None:
        assert self.post(store) == self.post(store, later=3)
        assert len(store.messages()) == 1

    def test_where_nobody_takes_p2_there_is_none(self, store: SqlStore) -> None:
        assert self.post(store, AlertSettings()) == ()
        assert store.messages() == ()

    def test_it_is_no_incident(self, store: SqlStore) -> None:
        self.post(store)
        assert (store.incident_events(), all_of(store)) == ({}, [])
