"""Domain objects for the store's tests, with every field filled in; a test names only what its rule is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vigil.alerts.incident import Event, Kind
from vigil.alerts.message import Message, MessageKind
from vigil.decision.types import Action, Decision, GateResult, GateState
from vigil.errors import TrainingOutcome
from vigil.measurement import Layer, Measurement, Verdict
from vigil.store.contract import Store
from vigil.store.records import Batch, Evaluation, TrainingAttempt, Version
from vigil.window import Window

MODEL = "flight-delay"
NOW = datetime(2013, 3, 9, 6, 30, 15, 123456, tzinfo=UTC)
WEEK = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC))


def later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def an_evaluation(evaluation_id: str = "e1", **changes: Any) -> Evaluation:
    fields: dict[str, Any] = {
        "evaluation_id": evaluation_id,
        "model": MODEL,
        "window": WEEK,
        "version": "1",
        "as_of": NOW,
        "spec_hash": "spec-1",
        "data_digest": "data-1",
        "labels_digest": "labels-1",
        "rows": 6000,
        "labels": 1200,
        "quality_passed": True,
        "code_version": "0.1.0",
    }
    return Evaluation(**{**fields, **changes})


def a_batch(path: str = "log/1.parquet", **changes: Any) -> Batch:
    fields: dict[str, Any] = {
        "model": MODEL,
        "kind": "predictions",
        "path": path,
        "sha256": "a" * 64,
        "size": 10,
        "modified_ns": 1_700_000_000_123_456_789,
        "first_us": 1_700_000_000_000_000,
        "last_us": -1,
        "seen_at": NOW,
    }
    return Batch(**{**fields, **changes})


def a_measurement(metric: str = "psi", **changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "layer": Layer.DRIFT,
        "metric": metric,
        "subject": "distance",
        "version": "1",
        "reference": "training",
        "value": 0.31,
        "low": 0.25,
        "high": 0.4,
        "n": 6000,
        "threshold": 0.2,
        "verdict": Verdict.BREACH,
        "detail": {"p": 0.001, "worst": ["[0, 200)", "[200, 400)"]},
    }
    return Measurement(**{**fields, **changes})


def a_training_attempt(number: int = 1, **changes: Any) -> TrainingAttempt:
    fields: dict[str, Any] = {
        "decision_id": "d1",
        "number": number,
        "model": MODEL,
        "at": NOW,
        "outcome": TrainingOutcome.CRASHED,
        "seconds": 1.5,
        "peak_mb": 250.25,
        "message": "was ended by SIGSEGV",
        "output": "epoch 1\n",
    }
    return TrainingAttempt(**{**fields, **changes})


def measurements_of_100_features() -> tuple[Measurement, ...]:
    return tuple(a_measurement(subject=f"feature_{number:03d}") for number in range(100))


def a_decision(decision_id: str = "d1", evaluation_id: str = "e1", **changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "decision_id": decision_id,
        "model": MODEL,
        "window": WEEK,
        "evaluation_id": evaluation_id,
        "version": "1",
        "as_of": NOW,
        "action": Action.RETRAIN,
        "reason": "AUC is 0.61, below 0.66",
        "gates": (
            GateResult("data_at_fault", GateState.PASSED, "No critical expectation failed.", {"failed": 0}),
            GateResult("harm", GateState.FIRED, "AUC is 0.61, below 0.66.", {"value": 0.61, "interval": [0.58, 0.64]}),
        ),
        "spec_hash": "spec-1",
        "code_version": "0.1.0",
    }
    return Decision(**{**fields, **changes})


def a_version(version: str = "1", **changes: Any) -> Version:
    fields: dict[str, Any] = {
        "model": MODEL,
        "version": version,
        "registered_at": NOW,
        "spec_hash": "spec-1",
        "metric": "roc_auc",
        "baseline": 0.68,
        "importance": {"distance": 0.25, "hour": 0.75},
        "training": {"windows": ["2013-01-01/2013-03-01"], "left_out": {}},
        "layout": '{"numeric":{}}',
        "profile": '{"rows":6000}',
    }
    return Version(**{**fields, **changes})


def save_spec(store: Store) -> None:
    store.save_spec(MODEL, "spec-1", '{"name":"flight-delay"}')


def save_decided(store: Store, *numbers: int) -> None:
    """Save the specification and, for each number k, evaluation ek with its decision dk, each about a week of its own."""
    save_spec(store)
    for number in numbers:
        window = WEEK.shifted(number - 1)
        store.record_evaluation(an_evaluation(f"e{number}", window=window), [])
        store.record_decision(a_decision(f"d{number}", f"e{number}", window=window), {"evaluations": [f"e{number}"]})


def an_event(number: int = 1, **changes: Any) -> Event:
    opened = {"window": WEEK.start.isoformat(), "tier": "P1", "owner": "ann", "signals": [], "title": "flight-delay: data at fault"}
    fields: dict[str, Any] = {
        "incident_id": "i-1",
        "number": number,
        "kind": Kind.OPENED if number == 1 else Kind.OBSERVED,
        "model": MODEL,
        "at": NOW,
        "by": "vigil",
        "body": opened if number == 1 else {"window": WEEK.start.isoformat()},
        "key": f"i-1|{number}",
    }
    return Event(**{**fields, **changes})


def a_message(number: int = 1, channel: str = "slack", **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "key": f"i-1:{number}:{channel}",
        "incident_id": "i-1",
        "number": number,
        "channel": channel,
        "kind": MessageKind.TRIGGER,
        "body": {"headline": "P1 flight-delay: data at fault", "lines": ["Łódź"], "tier": "P1"},
        "created_at": NOW,
        "next_at": NOW,
    }
    return Message(**{**fields, **changes})


def record_an_alert(store: Store) -> bool:
    return store.record_alerts("e1", model=MODEL, at=NOW, events=[an_event()], messages=[a_message(), a_message(channel="mail")])
