"""What a person is asked to let serve, and the answer: bound to what was asked, given once, by one transaction with what follows from it.

Differs from :mod:`vigil.store.retrainings`, which knows the states of a retraining but not what a person saw when it began to wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from vigil.errors import Conflict, NotAllowed
from vigil.store import champions, retrainings, rows, tables
from vigil.store.keep import keep
from vigil.store.records import Approval, Promotion, PromotionKind, Retraining, RetrainingState

APPROVED, REJECTED = "approved", "rejected"


def find(connection: Connection, decision_id: str) -> Approval | None:
    row = connection.execute(select(tables.approval).where(tables.approval.c.decision_id == decision_id)).mappings().first()
    return None if row is None else rows.approval_of(dict(row))


def ask(connection: Connection, asked: Approval, *, comparison: Mapping[str, Any], reason: str, at: datetime) -> Retraining:
    """Let the retraining wait; the champion has to be the one that was compared with."""
    past = champions.trail(connection, asked.model)
    if not past or (past[-1].version, past[-1].token) != (asked.champion, asked.token):
        raise Conflict(
            f"version {asked.challenger} of {asked.model} was compared with version {asked.champion} (token {asked.token}), which is "
            "not champion any more: nobody was asked. Read the champion again, then compare again"
        )
    keep(connection, tables.approval, rows.approval_row(asked), keys=[("decision_id",)], not_content=("asked_at", "expires_at"))
    return retrainings.advance(
        connection, asked.decision_id, RetrainingState.WAITING, at=at, challenger=None, comparison=comparison, reason=reason, by=None
    )


def answer(
    connection: Connection, decision_id: str, *, approve: bool, by: str, reason: str, at: datetime, evidence: str | None
) -> Retraining:
    """Approve or reject; approving moves the champion. The retraining is locked from reading to commit: of two who answer one is first."""
    retraining = retrainings.locked(connection, decision_id)
    asked = find(connection, decision_id)
    word, state = (APPROVED, RetrainingState.PROMOTED) if approve else (REJECTED, RetrainingState.REJECTED)
    if asked is not None and asked.answer is not None:
        if (asked.answer, asked.by) == (word, by):
            return retraining
        raise Conflict(
            f"the challenger of decision {decision_id}, version {asked.challenger}, was {asked.answer} by {asked.by} before "
            f"({asked.reason!r}). An approval works once: nothing was changed"
        )
    if asked is None or retraining.state is not RetrainingState.WAITING:
        raise NotAllowed(
            f"the challenger of {decision_id} does not wait for approval: its state is {retraining.state}. {retraining.reason}"
        )
    if evidence is not None and not asked.evidence.startswith(evidence):
        raise Conflict(
            f"decision {decision_id} waits with evidence {asked.evidence[:12]}, not {evidence}: read `vigil why` again, then decide"
        )
    moment = rows.utc(at, "at")
    if moment >= asked.expires_at:
        raise NotAllowed(
            f"the challenger of {decision_id} could be approved until {asked.expires_at.isoformat()} (comparison.approval_days); "
            "what it was compared on is old by now. The next decision to retrain makes another"
        )
    if approve:
        champions.move(
            connection,
            Promotion(
                model=asked.model,
                token=asked.token + 1,
                version=asked.challenger,
                replaced=None,
                kind=PromotionKind.PROMOTED,
                by=by,
                reason=reason,
                at=moment,
                decision_id=decision_id,
            ),
        )
    answered = {"answer": word, "by": by, "reason": reason, "answered_at": moment}
    connection.execute(update(tables.approval).where(tables.approval.c.decision_id == decision_id).values(**answered))
    return retrainings.advance(connection, decision_id, state, at=at, challenger=None, comparison=None, reason=reason, by=by)


def expire(connection: Connection, decision_id: str, at: datetime) -> bool:
    """End the wait of a retraining that nobody can answer any more; False where it does not wait, or may be answered still."""
    retraining, asked = retrainings.locked(connection, decision_id), find(connection, decision_id)
    if asked is None or retraining.state is not RetrainingState.WAITING:
        return False
    champion = champions.trail(connection, asked.model)[-1]
    if champion.token != asked.token:
        reason = (
            f"It was compared with version {asked.champion}, and since then the champion has moved, to version {champion.version}; "
            "the next decision to retrain makes another."
        )
    elif rows.utc(at, "at") >= asked.expires_at:
        reason = f"Nobody answered by {asked.expires_at.isoformat()}; the champion stays."
    else:
        return False
    retrainings.advance(connection, decision_id, RetrainingState.EXPIRED, at=at, challenger=None, comparison=None, reason=reason, by=None)
    return True
