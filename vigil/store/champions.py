"""The champion of a model: the last row of its promotions. Moving it is an insert of the next token, which one writer wins.

There is no second place that says who serves, so the audit trail and the state cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from vigil.errors import Conflict
from vigil.store import rows, tables
from vigil.store.keep import insert_new, refuse_missing_parents
from vigil.store.records import Promotion


def trail(connection: Connection, model: str) -> tuple[Promotion, ...]:
    """Return all promotions of the model, oldest first; the last is the champion's. One query, so one moment of the database."""
    table = tables.promotion
    query = select(table).where(table.c.model == model).order_by(table.c.token)
    return tuple(rows.promotion_of(dict(row)) for row in connection.execute(query).mappings())


def move(connection: Connection, wanted: Promotion) -> Promotion:
    """Append ``wanted``, whose token is the expected one plus 1; ``replaced`` is filled in here.

    Raises:
        Conflict: the champion has moved since the expected token was read, or ``wanted`` by the same decision is past already.
        StoreError: the version or the decision is not saved.
    """
    refuse_missing_parents(connection, tables.promotion, rows.promotion_row(wanted))
    past = trail(connection, wanted.model)
    last = past[-1] if past else None
    if last is not None and _same_move(last, wanted):
        return last
    if wanted.token - 1 != (last.token if last else 0):
        raise _moved(last, wanted)
    _refuse_second_time(past, wanted)
    promotion = replace(wanted, replaced=last.version if last else None)
    if insert_new(connection, tables.promotion, rows.promotion_row(promotion)):
        return promotion
    winner = trail(connection, wanted.model)[-1]  # PostgreSQL: it committed while the insert waited for it
    if _same_move(winner, wanted):
        return winner
    raise _moved(winner, wanted)


def _same_move(last: Promotion, wanted: Promotion) -> bool:
    return (last.version, last.decision_id) == (wanted.version, wanted.decision_id)


def _moved(last: Promotion | None, wanted: Promotion) -> Conflict:
    now = "none" if last is None else f"version {last.version} with token {last.token}, since {last.at.isoformat()} by {last.by}"
    return Conflict(
        f"the champion of {wanted.model} has moved: token {wanted.token - 1} was expected, the champion is {now}. "
        f"Version {wanted.version} was not made champion: read the champion again, then decide again"
    )


def _refuse_second_time(past: Sequence[Promotion], wanted: Promotion) -> None:
    """A decision makes a version champion once: a retry after a rollback must not undo the rollback."""
    before = [each.token for each in past if wanted.decision_id is not None and _same_move(each, wanted)]
    if before:
        raise Conflict(
            f"decision {wanted.decision_id} made version {wanted.version} of {wanted.model} champion before (token {before[0]}), and it "
            "has been replaced since. To bring it back is a new decision: promote it without this decision's id"
        )
