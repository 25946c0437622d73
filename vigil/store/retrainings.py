"""The one retraining of a decision: requested once, then moved along the edges of its states by compare-and-set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from vigil.errors import Conflict, StoreError
from vigil.store import rows, tables
from vigil.store.keep import insert_new, refuse_missing_parents
from vigil.store.records import EDGES, Retraining, RetrainingState


def request(connection: Connection, decision_id: str, model: str, champion: str, at: datetime) -> bool:
    """Create the retraining; False where the decision has one already."""
    row = rows.retraining_row(
        Retraining(decision_id=decision_id, model=model, state=RetrainingState.REQUESTED, requested_at=at, updated_at=at, champion=champion)
    )
    refuse_missing_parents(connection, tables.retraining, row)
    return insert_new(connection, tables.retraining, row)


def locked(connection: Connection, decision_id: str, what_for: str = "") -> Retraining:
    """Return the retraining, which nobody else moves until this transaction ends."""
    table = tables.retraining
    row = connection.execute(select(table).where(table.c.decision_id == decision_id).with_for_update()).mappings().first()
    if row is None:
        raise StoreError(f"decision {decision_id!r} has no retraining{what_for}: request it first")
    return rows.retraining_of(dict(row))


def advance(
    connection: Connection,
    decision_id: str,
    state: RetrainingState,
    *,
    at: datetime,
    challenger: str | None,
    comparison: Mapping[str, Any] | None,
    reason: str | None,
    by: str | None,
) -> Retraining:
    """Move the retraining to ``state``; what is None stays as it is. The row is locked from reading to commit."""
    table, now = tables.retraining, locked(connection, decision_id, f" to move to {state.value}")
    if now.state is state:
        _refuse_other_author(now, challenger=challenger, by=by)
        return now
    if state not in EDGES[now.state]:
        ways = ", ".join(edge.value for edge in EDGES[now.state]) or "nothing, it is final"
        raise Conflict(
            f"the retraining of decision {decision_id} is {now.state.value} since {now.updated_at.isoformat()} and cannot become "
            f"{state.value}; from there it can become: {ways}. Somebody else was first: read it again"
        )
    moved = replace(
        now,
        state=state,
        updated_at=rows.utc(at, "at"),
        challenger=now.challenger if challenger is None else challenger,
        comparison=now.comparison if comparison is None else comparison,
        reason=now.reason if reason is None else reason,
        by=now.by if by is None else by,
    )
    moved_row = rows.retraining_row(moved)
    connection.execute(update(table).where(table.c.decision_id == decision_id).values(**moved_row))
    return rows.retraining_of(moved_row)


def _refuse_other_author(now: Retraining, *, challenger: str | None, by: str | None) -> None:
    """The second of two approvers, or of two trained challengers, is told that the other was first."""
    for name, wanted, stored in (("challenger", challenger, now.challenger), ("by", by, now.by)):
        if wanted is not None and wanted != stored:
            raise Conflict(
                f"the retraining of decision {now.decision_id} is {now.state.value} already with {name} {stored!r}, not {wanted!r}. "
                "Somebody else was first: read it again"
            )
