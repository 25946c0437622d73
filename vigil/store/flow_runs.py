"""The end of one of vigil's own runs: written once, by whoever is first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from vigil.errors import Conflict, StoreError
from vigil.store import tables
from vigil.store.rows import checked_text, utc


def end(connection: Connection, run_id: str, at: datetime, failure: str) -> bool:
    """Keep how the run ended; False where the same was kept before.

    Raises:
        Conflict: it ended in another way already.
        StoreError: it was never begun.
    """
    table = tables.flow_run
    ended = {"ended_at": utc(at, "at"), "failure": checked_text(failure, "failure")}
    moved = connection.execute(update(table).where(table.c.run_id == run_id, table.c.ended_at.is_(None)).values(**ended))
    if moved.rowcount == 1:
        return True
    stored = connection.execute(select(table).where(table.c.run_id == run_id)).mappings().first()
    if stored is None:
        raise StoreError(f"run {run_id!r} is not in the store: begin it first")
    if stored["failure"] != failure:
        raise Conflict(f"run {run_id} ended already with {stored['failure'] or 'success'!r}, not {failure or 'success'!r}")
    return False
