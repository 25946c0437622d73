"""Domain objects to database rows and back. Everything that could not come back as it went in is refused here.

Refused with ``ValueError``, on both engines alike: NaN (SQLite would keep it as NULL), a time without an offset, JSON that
is not plain, and text that PostgreSQL cannot hold (NUL, lone surrogates). ``-0.0`` is kept as ``0.0``: SQLite cannot tell
them apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vigil.decision.types import Action, Decision, GateResult, GateState
from vigil.errors import TrainingOutcome
from vigil.measurement import Layer, Measurement, Verdict
from vigil.store.records import (
    Approval,
    Batch,
    ChallengerLook,
    Evaluation,
    FlowRun,
    LabelPlan,
    LookKind,
    Payoff,
    Promotion,
    PromotionKind,
    Retraining,
    RetrainingState,
    Review,
    ReviewSession,
    TrainingAttempt,
    Version,
)
from vigil.window import Window

Row = Mapping[str, Any]


def canonical_json(value: object, name: str) -> str:
    """Return plain JSON in one form only: sorted keys, no spaces, ASCII, shortest exact floats; NaN and infinity are refused.

    >>> canonical_json({"b": 0.1, "a": ["é"]}, "detail")
    '{"a":["\\\\u00e9"],"b":0.1}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` has to be plain JSON (text keys, finite numbers, lists, text, true, false, null): {error}") from error


def evaluation_row(evaluation: Evaluation) -> Row:
    return {
        "evaluation_id": _text(evaluation.evaluation_id, "evaluation_id"),
        "model": _text(evaluation.model, "model"),
        **window_columns(evaluation.window),
        "version": _text(evaluation.version, "version"),
        "as_of": utc(evaluation.as_of, "as_of"),
        "spec_hash": _text(evaluation.spec_hash, "spec_hash"),
        "data_digest": _text(evaluation.data_digest, "data_digest"),
        "labels_digest": _text(evaluation.labels_digest, "labels_digest"),
        "rows": int(evaluation.rows),
        "labels": int(evaluation.labels),
        "quality_passed": bool(evaluation.quality_passed),
        "code_version": _text(evaluation.code_version, "code_version"),
    }


def evaluation_of(row: Row) -> Evaluation:
    return Evaluation(
        evaluation_id=row["evaluation_id"],
        model=row["model"],
        window=window_of(row),
        version=row["version"],
        as_of=row["as_of"],
        spec_hash=row["spec_hash"],
        data_digest=row["data_digest"],
        labels_digest=row["labels_digest"],
        rows=row["rows"],
        labels=row["labels"],
        quality_passed=row["quality_passed"],
        code_version=row["code_version"],
    )


def measurement_row(measurement: Measurement) -> Row:
    return {
        "layer": measurement.layer.value,
        "metric": _text(measurement.metric, "metric"),
        "subject": _text(measurement.subject, "subject"),
        "version": _text(measurement.version, "version"),
        "reference": _text(measurement.reference, "reference"),
        "value": _number(measurement.value, "value", measurement),
        "low": _number(measurement.low, "low", measurement),
        "high": _number(measurement.high, "high", measurement),
        "n": int(measurement.n),
        "threshold": _number(measurement.threshold, "threshold", measurement),
        "verdict": measurement.verdict.value,
        "detail": canonical_json(dict(measurement.detail), "detail"),
    }


def measurement_of(row: Row) -> Measurement:
    return Measurement(
        layer=Layer(row["layer"]),
        metric=row["metric"],
        value=row["value"],
        verdict=Verdict(row["verdict"]),
        n=row["n"],
        subject=row["subject"],
        version=row["version"],
        reference=row["reference"],
        low=row["low"],
        high=row["high"],
        threshold=row["threshold"],
        detail=json.loads(row["detail"]),
    )


def decision_row(decision: Decision, evidence: Mapping[str, Any]) -> Row:
    gates = [
        {"gate": gate.gate, "state": gate.state.value, "sentence": gate.sentence, "numbers": dict(gate.numbers)} for gate in decision.gates
    ]
    return {
        "decision_id": _text(decision.decision_id, "decision_id"),
        "evaluation_id": _text(decision.evaluation_id, "evaluation_id"),
        "model": _text(decision.model, "model"),
        **window_columns(decision.window),
        "version": _text(decision.version, "version"),
        "as_of": utc(decision.as_of, "as_of"),
        "action": decision.action.value,
        "reason": _text(decision.reason, "reason"),
        "gates": canonical_json(gates, "gates"),
        "evidence": canonical_json(dict(evidence), "evidence"),
        "spec_hash": _text(decision.spec_hash, "spec_hash"),
        "code_version": _text(decision.code_version, "code_version"),
    }


def decision_of(row: Row) -> Decision:
    return Decision(
        decision_id=row["decision_id"],
        model=row["model"],
        window=window_of(row),
        evaluation_id=row["evaluation_id"],
        version=row["version"],
        as_of=row["as_of"],
        action=Action(row["action"]),
        reason=row["reason"],
        gates=tuple(
            GateResult(gate["gate"], GateState(gate["state"]), gate["sentence"], gate["numbers"]) for gate in json.loads(row["gates"])
        ),
        spec_hash=row["spec_hash"],
        code_version=row["code_version"],
    )


def evidence_of(row: Row) -> Mapping[str, Any]:
    evidence: Mapping[str, Any] = json.loads(row["evidence"])
    return evidence


def version_row(version: Version) -> Row:
    return {
        "model": _text(version.model, "model"),
        "version": _text(version.version, "version"),
        "registered_at": utc(version.registered_at, "registered_at"),
        "spec_hash": _text(version.spec_hash, "spec_hash"),
        "metric": _text(version.metric, "metric"),
        "baseline": _number(version.baseline, "baseline", version.version),
        "importance": canonical_json(dict(version.importance), "importance"),
        "training": canonical_json(dict(version.training), "training"),
        "layout": _text(version.layout, "layout"),
        "profile": _text(version.profile, "profile"),
        "decision_id": version.decision_id,
        "parent": version.parent,
    }


def version_of(row: Row) -> Version:
    return Version(
        model=row["model"],
        version=row["version"],
        registered_at=row["registered_at"],
        spec_hash=row["spec_hash"],
        metric=row["metric"],
        baseline=row["baseline"],
        importance=json.loads(row["importance"]),
        training=json.loads(row["training"]),
        layout=row["layout"],
        profile=row["profile"],
        decision_id=row["decision_id"],
        parent=row["parent"],
    )


def promotion_row(promotion: Promotion) -> Row:
    return {
        "model": promotion.model,
        "token": promotion.token,
        "version": promotion.version,
        "replaced": promotion.replaced,
        "kind": promotion.kind.value,
        "by": _text(promotion.by, "by"),
        "reason": _text(promotion.reason, "reason"),
        "at": promotion.at,
        "decision_id": promotion.decision_id,
    }


def promotion_of(row: Row) -> Promotion:
    return Promotion(
        model=row["model"],
        token=row["token"],
        version=row["version"],
        replaced=row["replaced"],
        kind=PromotionKind(row["kind"]),
        by=row["by"],
        reason=row["reason"],
        at=row["at"],
        decision_id=row["decision_id"],
    )


def retraining_row(retraining: Retraining) -> Row:
    return {
        "decision_id": retraining.decision_id,
        "model": retraining.model,
        "state": retraining.state.value,
        "requested_at": utc(retraining.requested_at, "at"),
        "updated_at": utc(retraining.updated_at, "at"),
        "champion": _text(retraining.champion, "champion"),
        "challenger": None if retraining.challenger is None else _text(retraining.challenger, "challenger"),
        "comparison": canonical_json(dict(retraining.comparison), "comparison"),
        "reason": _text(retraining.reason, "reason"),
        "by": _text(retraining.by, "by"),
    }


def retraining_of(row: Row) -> Retraining:
    return Retraining(
        decision_id=row["decision_id"],
        model=row["model"],
        state=RetrainingState(row["state"]),
        requested_at=row["requested_at"],
        updated_at=row["updated_at"],
        champion=row["champion"],
        challenger=row["challenger"],
        comparison=json.loads(row["comparison"]),
        reason=row["reason"],
        by=row["by"],
    )


def approval_row(approval: Approval) -> Row:
    """A row of what is asked; the answer is written by :mod:`vigil.store.approvals`."""
    return {
        "decision_id": _text(approval.decision_id, "decision_id"),
        "model": _text(approval.model, "model"),
        "challenger": _text(approval.challenger, "challenger"),
        "champion": _text(approval.champion, "champion"),
        "token": int(approval.token),
        "evidence": _text(approval.evidence, "evidence"),
        "asked_at": utc(approval.asked_at, "asked_at"),
        "expires_at": utc(approval.expires_at, "expires_at"),
    }


def approval_of(row: Row) -> Approval:
    return Approval(**{name: row[name] for name in Approval.__dataclass_fields__})


def training_attempt_row(attempt: TrainingAttempt) -> Row:
    return {
        "decision_id": _text(attempt.decision_id, "decision_id"),
        "number": int(attempt.number),
        "model": _text(attempt.model, "model"),
        "at": utc(attempt.at, "at"),
        "outcome": attempt.outcome.value,
        "seconds": float(attempt.seconds),
        "peak_mb": float(attempt.peak_mb),
        "message": _text(attempt.message, "message"),
        "output": _text(attempt.output, "output"),
    }


def training_attempt_of(row: Row) -> TrainingAttempt:
    fields = {name: row[name] for name in TrainingAttempt.__dataclass_fields__}
    return TrainingAttempt(**{**fields, "outcome": TrainingOutcome(row["outcome"])})


def challenger_look_row(look: ChallengerLook) -> Row:
    return {
        "decision_id": _text(look.decision_id, "decision_id"),
        "kind": look.kind.value,
        **window_columns(look.window),
        "model": _text(look.model, "model"),
        "as_of": utc(look.as_of, "as_of"),
        **{name: _number(getattr(look, name), name, look.decision_id) for name in ("champion", "challenger")},
        "n": int(look.n),
        "comparison": canonical_json(dict(look.comparison), "comparison"),
    }


def challenger_look_of(row: Row) -> ChallengerLook:
    return ChallengerLook(
        decision_id=row["decision_id"],
        kind=LookKind(row["kind"]),
        model=row["model"],
        window=window_of(row),
        as_of=row["as_of"],
        champion=row["champion"],
        challenger=row["challenger"],
        n=row["n"],
        comparison=json.loads(row["comparison"]),
    )


def flow_run_row(run: FlowRun) -> Row:
    return {
        "run_id": _text(run.run_id, "run_id"),
        "model": _text(run.model, "model"),
        "begun_at": utc(run.begun_at, "begun_at"),
        "ended_at": None if run.ended_at is None else utc(run.ended_at, "ended_at"),
        "failure": _text(run.failure, "failure"),
    }


def flow_run_of(row: Row) -> FlowRun:
    return FlowRun(**{name: row[name] for name in FlowRun.__dataclass_fields__})


def payoff_row(payoff: Payoff) -> Row:
    numbers = {name: _number(getattr(payoff, name), name, payoff.decision_id) for name in ("predicted", "realised", "low", "high")}
    return {
        "decision_id": _text(payoff.decision_id, "decision_id"),
        "model": _text(payoff.model, "model"),
        "as_of": utc(payoff.as_of, "as_of"),
        "metric": _text(payoff.metric, "metric"),
        **numbers,
        "n": int(payoff.n),
        "windows": int(payoff.windows),
    }


def payoff_of(row: Row) -> Payoff:
    return Payoff(**{name: row[name] for name in Payoff.__dataclass_fields__})


def profile_set_row(model: str, window: Window, data_digest: str, layout_digest: str) -> Row:
    return {
        "model": _text(model, "model"),
        **window_columns(window),
        "data_digest": _text(data_digest, "data_digest"),
        "layout_digest": _text(layout_digest, "layout_digest"),
    }


def profile_row(version: str, segment: str, body: str) -> Row:
    return {"version": _text(version, "version"), "segment": _text(segment, "segment"), "body": _text(body, "body")}


def batch_row(batch: Batch) -> Row:
    return {
        "model": _text(batch.model, "model"),
        "kind": _text(batch.kind, "kind"),
        "path": _text(batch.path, "path"),
        "sha256": _text(batch.sha256, "sha256"),
        "size": int(batch.size),
        "modified_ns": int(batch.modified_ns),
        "first_us": batch.first_us,
        "last_us": batch.last_us,
        "seen_at": utc(batch.seen_at, "seen_at"),
        "by": _text(batch.by, "by"),
        "reason": _text(batch.reason, "reason"),
    }


def batch_of(row: Row) -> Batch:
    return Batch(**{name: row[name] for name in Batch.__dataclass_fields__})


def label_plan_row(plan: LabelPlan) -> Row:
    return {
        "plan_id": _text(plan.plan_id, "plan_id"),
        "model": _text(plan.model, "model"),
        **window_columns(plan.window),
        "budget": int(plan.budget),
        "seed": int(plan.seed),
        "made_at": utc(plan.made_at, "made_at"),
        "body": _text(plan.body, "body"),
    }


def label_plan_of(row: Row) -> LabelPlan:
    return LabelPlan(row["plan_id"], row["model"], window_of(row), row["budget"], row["seed"], row["made_at"], row["body"])


def review_session_row(session: ReviewSession) -> Row:
    return {
        "session_id": _text(session.session_id, "session_id"),
        "model": _text(session.model, "model"),
        **window_columns(session.window),
        "rows": int(session.rows),
        "seed": int(session.seed),
        "made_at": utc(session.made_at, "made_at"),
        "body": _text(session.body, "body"),
    }


def review_session_of(row: Row) -> ReviewSession:
    return ReviewSession(row["session_id"], row["model"], window_of(row), row["rows"], row["seed"], row["made_at"], row["body"])


def review_row(review: Review) -> Row:
    texts = ("session_id", "model", "prediction_id", "outcome", "comment", "reviewer")
    return {
        **{name: _text(getattr(review, name), name) for name in texts},
        "label": _number(review.label, "label", review),
        "at": utc(review.at, "at"),
    }


def review_of(row: Row) -> Review:
    return Review(**{name: row[name] for name in Review.__dataclass_fields__})


def spec_row(model: str, spec_hash: str, body: str) -> Row:
    return {"spec_hash": _text(spec_hash, "spec_hash"), "model": _text(model, "model"), "body": _text(body, "body")}


def report_row(evaluation_id: str, kind: str, path: str) -> Row:
    return {"evaluation_id": _text(evaluation_id, "evaluation_id"), "kind": _text(kind, "kind"), "path": _text(path, "path")}


def checked_text(value: str, name: str) -> str:
    """Return ``value``; what PostgreSQL could not hold is refused."""
    return _text(value, name)


def utc(moment: datetime, name: str) -> datetime:
    """Return ``moment`` in UTC; without an offset it is refused, because nobody knows which moment it is."""
    if moment.tzinfo is None:
        raise ValueError(f"`{name}` has to be timezone-aware, got {moment!r}: see vigil.window.as_utc")
    return moment.astimezone(UTC)


def window_columns(window: Window) -> Row:
    return {"window_start": utc(window.start, "window.start"), "window_end": utc(window.end, "window.end")}


def window_of(row: Row) -> Window:
    return Window(row["window_start"], row["window_end"])


def _number(value: float | None, name: str, owner: object) -> float | None:
    if value is None:
        return None
    number = float(value)
    if math.isnan(number):
        raise ValueError(f"`{name}` is NaN, which is never stored: give None (verdict not_enough_data) instead, in {owner}")
    return number + 0.0  # -0.0 becomes 0.0


def _text(value: str, name: str) -> str:
    if "\0" in value:
        raise ValueError(f"`{name}` holds a NUL character, which PostgreSQL cannot store: {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"`{name}` is not valid Unicode text: {value!r:.80}") from error
    return str(value)
