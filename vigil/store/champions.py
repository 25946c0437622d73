"""The champion of a model: the last row of its promotions. Moving it is an insert of the next token, which one writer wins.

There is no second place that says who serves, so the audit trail and the state cannot disagree.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from vigil.errors import Conflict
from vigil.store import rows, tables
from vigil.store.keep import insert_new, refuse_missing_parents
from vigil.store.records import Promotion


def last_promotion(connection: Connection, model: str) -> Promotion | None:
    table = tables.promotion
    row = connection.execute(select(table).where(table.c.model == model).order_by(table.c.token.desc()).limit(1)).mappings().first()
    return None if row is None else rows.promotion_of(dict(row))


def move(connection: Connection, wanted: Promotion) -> Promotion:
    """Append ``wanted``, whose token is the expected one plus 1; ``replaced`` is filled in here.

    Raises:
        Conflict: the champion has moved since the expected token was read, or ``wanted`` by the same decision is past already.
        StoreError: the version or the decision is not saved.
    """
    last = last_promotion(connection, wanted.model)
    if last is not None and _serves_already(last, wanted):
        return last
    refuse_missing_parents(connection, tables.promotion, rows.promotion_row(wanted))
    _refuse_moved(last, wanted)
    _refuse_past(connection, wanted)
    promotion = replace(wanted, replaced=None if last is None else last.version)
    if insert_new(connection, tables.promotion, rows.promotion_row(promotion)):
        return promotion
    winner = last_promotion(connection, wanted.model)  # PostgreSQL: it committed while the insert waited for it
    if winner is not None and _serves_already(winner, wanted):
        return winner
    raise _moved(winner, wanted)


def _serves_already(last: Promotion, wanted: Promotion) -> bool:
    return (last.version, last.decision_id) == (wanted.version, wanted.decision_id)


def _refuse_moved(last: Promotion | None, wanted: Promotion) -> None:
    if wanted.token - 1 != (0 if last is None else last.token):
        raise _moved(last, wanted)


def _moved(last: Promotion | None, wanted: Promotion) -> Conflict:
    now = "none" if last is None else f"version {last.version} with token {last.token}, since {last.at.isoformat()} by {last.by}"
    return Conflict(
        f"the champion of {wanted.model} has moved: token {wanted.token - 1} was expected, the champion is {now}. "
        f"Version {wanted.version} was not made champion: read the champion again, then decide again"
    )


def _refuse_past(connection: Connection, wanted: Promotion) -> None:
    """A decision makes a version champion once: a retry after a rollback must not undo the rollback."""
    if wanted.decision_id is None:
        return
    table = tables.promotion
    query = select(table.c.token).where(table.c.decision_id == wanted.decision_id, table.c.version == wanted.version)
    token = connection.execute(query).scalar()
    if token is not None:
        raise Conflict(
            f"decision {wanted.decision_id} made version {wanted.version} of {wanted.model} champion before (token {token}), and it has "
            "been replaced since. To bring it back is a new decision: promote it without this decision's id"
        )
