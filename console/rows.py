"""What the store holds, as flat rows with the store's field names: what ``--json`` prints and tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vigil.errors import TrainingOutcome
from vigil.measurement import NOTHING, TRAINING, WHOLE, Layer, Measurement

if TYPE_CHECKING:
    from datetime import datetime

    from vigil.decision.types import Decision
    from vigil.spec.model import ModelSpec
    from vigil.store.contract import Store
    from vigil.store.records import Promotion, Retraining


def decision_row(decision: Decision, retraining: Retraining | None) -> dict[str, Any]:
    """One decision, with the state of the retraining that it started; ``retraining`` and ``challenger`` are null where none."""
    return {
        "model": decision.model,
        "window_start": decision.window.start,
        "window_end": decision.window.end,
        "action": decision.action,
        "reason": decision.reason,
        "gates": [{"gate": g.gate, "state": g.state, "sentence": g.sentence, "numbers": dict(g.numbers)} for g in decision.gates],
        "decision_id": decision.decision_id,
        "evaluation_id": decision.evaluation_id,
        "version": decision.version,
        "as_of": decision.as_of,
        "spec_hash": decision.spec_hash,
        "code_version": decision.code_version,
        "retraining": None if retraining is None else retraining.state,
        "challenger": None if retraining is None else retraining.challenger,
    }


def retraining_row(retraining: Retraining) -> dict[str, Any]:
    return asdict(retraining)


def promotion_row(promotion: Promotion) -> dict[str, Any]:
    return asdict(promotion)


def history_rows(store: Store, model: str) -> list[dict[str, Any]]:
    """What happened to the model's versions, oldest first: moves of the champion, other retrainings, and what promotions brought."""
    from vigil.decision.words import payoff_sentence

    versions = {version.version: version for version in store.versions(model)}

    def row(at: datetime, event: str, version: str | None, replaced: str | None, **rest: Any) -> dict[str, Any]:
        known = versions.get(version or "")
        measured = {"metric": None if known is None else known.metric, "baseline": None if known is None else known.baseline}
        return {"at": at, "event": event, "version": version, "replaced": replaced, **measured, **rest}

    moves = [row(p.at, p.kind, p.version, p.replaced, by=p.by, reason=p.reason, decision_id=p.decision_id) for p in store.promotions(model)]
    versions_of = {r.decision_id: r.challenger for r in store.retrainings(model)}
    others = [
        row(r.updated_at, r.state, r.challenger, None, by=r.by, reason=r.reason, decision_id=r.decision_id)
        for r in store.retrainings(model)
        if r.state != "promoted"
    ]
    failed = [
        row(a.at, f"training_{a.outcome}", None, None, by="", reason=a.message, decision_id=a.decision_id)
        for a in store.training_attempts(model)
        if a.outcome is not TrainingOutcome.TRAINED
    ]
    paid = [
        row(p.as_of, "payoff", versions_of.get(p.decision_id), None, by="", reason=payoff_sentence(p), decision_id=p.decision_id)
        for p in store.payoffs(model)
    ]
    return sorted(failed + moves + others + paid, key=lambda found: found["at"])


def attempt_rows(store: Store, model: str, decision_id: str) -> list[dict[str, Any]]:
    """How the attempts to train the challenger of a decision ended, in order."""
    return [asdict(attempt) for attempt in store.training_attempts(model) if attempt.decision_id == decision_id]


def measurement_row(measurement: Measurement) -> dict[str, Any]:
    return asdict(measurement)


def decision_rows(store: Store, decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    from vigil.decision.words import payoff_sentence

    known = (payoff for model in {d.model for d in decisions} for payoff in store.payoffs(model))
    payoffs = {payoff.decision_id: asdict(payoff) | {"sentence": payoff_sentence(payoff)} for payoff in known}
    rows = [decision_row(decision, store.retraining(decision.decision_id)) for decision in decisions]
    return [row | {"payoff": payoffs.get(row["decision_id"])} for row in rows]


def status_row(store: Store, spec: ModelSpec) -> dict[str, Any]:
    """How one model stands: champion, the latest evaluated window's figures, the latest decision, and what waits for a person."""
    champion = store.champion(spec.model)
    evaluations = store.evaluations(spec.model)
    latest = evaluations[-1] if evaluations else None
    measured = store.measurements([latest.evaluation_id])[latest.evaluation_id] if latest is not None else ()
    drift = find(measured, Layer.DRIFT, "drift_share")
    performance = find(measured, Layer.PERFORMANCE, spec.performance.metric.value)
    decided = [d for d in store.decisions(spec.model) if latest is not None and d.evaluation_id == latest.evaluation_id]
    decision = decided[-1] if decided else None
    trail = store.promotions(spec.model)
    waiting = [r.decision_id for r in store.retrainings(spec.model) if r.state == "waiting_for_approval"]
    return {
        "model": spec.model,
        "owner": spec.owner,
        "version": None if champion is None else champion.version,
        "since": None if champion is None else champion.since,
        "promoted": trail[-1].kind if trail else None,
        "window_start": None if latest is None else latest.window.start,
        "window_end": None if latest is None else latest.window.end,
        "as_of": None if latest is None else latest.as_of,
        "rows": None if latest is None else latest.rows,
        "labels": None if latest is None else latest.labels,
        "quality_passed": None if latest is None else latest.quality_passed,
        **_figure("drift_share", drift),
        "metric": spec.performance.metric,
        **_figure("performance", performance),
        "performance_low": None if performance is None else performance.low,
        "performance_high": None if performance is None else performance.high,
        "action": None if decision is None else decision.action,
        "reason": None if decision is None else decision.reason,
        "decision_id": None if decision is None else decision.decision_id,
        "waiting_for_approval": waiting,
    }


def find(measured: Sequence[Measurement], layer: Layer, metric: str) -> Measurement | None:
    """Return the whole window's measurement of ``metric`` that counts (of drift: against training); None where it was not measured."""
    of_the_window = (m for m in measured if m.layer is layer and m.metric == metric and m.subject == WHOLE)
    return next((m for m in of_the_window if m.reference in (TRAINING, NOTHING)), None)


def _figure(name: str, measurement: Measurement | None) -> Mapping[str, Any]:
    return {
        name: None if measurement is None else measurement.value,
        f"{name}_verdict": None if measurement is None else measurement.verdict,
    }
