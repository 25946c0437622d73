"""The ledger of decisions: a chain of hashes, each over the one before it and over all that a decision rests on.

Differs from the decisions themselves, which say what was decided: the chain tells whether they, their evaluations and their
measurements are still what they were. It is written in the decision's own transaction, one link at a time. What it cannot see: links
cut off its end. For that keep its head (the last hash) somewhere else, and have it verified.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, insert, select, text

from vigil.store import tables
from vigil.store.rows import Row

START = "0" * 64  # what the first link follows
_ADVISORY_LOCK = 0x6C6564676572  # "ledger" in ASCII: on PostgreSQL, who appends; on SQLite a writer has the database for itself
_AT_ONCE = 200  # decisions read at once

# the columns that a link covers; what was linked once has to verify for ever, so columns that come later are not added here
_DECISION = ("decision_id", "evaluation_id", "model", "window_start", "window_end", "version", "as_of", "action", "reason", "gates")
_DECISION_MORE = ("evidence", "spec_hash", "code_version")
_EVALUATION = ("evaluation_id", "model", "window_start", "window_end", "version", "as_of", "spec_hash", "data_digest", "labels_digest")
_EVALUATION_MORE = ("rows", "labels", "quality_passed", "code_version")
_KEY = ("evaluation_id", "layer", "metric", "subject", "version", "reference")
_MEASUREMENT = (*_KEY, "value", "low", "high", "n", "threshold", "verdict", "detail")


@dataclass(frozen=True)
class LedgerCheck:
    """What a look through the whole chain found.

    Attributes:
        links: how many links hold, from the first.
        head: the hash of the last of them.
        broken: the first link that does not hold, and why, in plain words; None where all do.
    """

    links: int
    head: str
    broken: str | None


def append(connection: Connection, decision_id: str) -> None:
    """Link a decision that this transaction has just written to the end of the chain."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
    table = tables.ledger
    last = connection.execute(select(table.c.position, table.c.hash).order_by(table.c.position.desc()).limit(1)).first()
    position, previous = (last.position + 1, last.hash) if last is not None else (1, START)
    facts = _facts(connection, [decision_id])[decision_id]
    row = {"position": position, "decision_id": decision_id, "previous": previous, "hash": _hash(previous, facts)}
    connection.execute(insert(table), row)


def verify(connection: Connection, head: str | None = None) -> LedgerCheck:
    """Go through the chain from its start to the first link that does not hold.

    Args:
        head: a hash that was the chain's head once; where it is no link of it any more, links were cut off or replaced.
    """
    previous, links, heads = START, 0, {START}
    for link, facts in _links(connection):
        broken = _why_broken(link, facts, links + 1, previous)
        if broken is not None:
            return LedgerCheck(links, previous, broken)
        previous, links = link["hash"], links + 1
        heads.add(previous)
    decision, ledger = tables.decision.c, tables.ledger.c
    unlinked = select(decision.decision_id).where(decision.decision_id.not_in(select(ledger.decision_id))).order_by(decision.seq)
    missing = connection.execute(unlinked).scalars().first()
    broken = None
    if missing is not None:
        broken = f"decision {missing} is in no link of the chain: its link was taken away, or it was written past the ledger"
    elif head is not None and head not in heads:
        broken = f"no link has the hash {head}, which was the head once: links were cut off or replaced"
    return LedgerCheck(links, previous, broken)


def _why_broken(link: Row, facts: str | None, position: int, previous: str) -> str | None:
    name = f"link {link['position']}, decision {link['decision_id']}"
    if link["position"] != position:
        return f"{name}: link {position} is missing before it"
    if link["previous"] != previous:
        return f"{name}: it does not follow the link before it"
    if facts is None:
        return f"{name}: the decision or its evaluation is not in the store any more"
    if link["hash"] != _hash(previous, facts):
        return f"{name}: the decision, its evaluation or its measurements are not what they were"
    return None


def _links(connection: Connection) -> Iterator[tuple[Row, str | None]]:
    """Yield each link with what it covers as it stands now, in order."""
    last = 0
    query = select(tables.ledger).order_by(tables.ledger.c.position).limit(_AT_ONCE)
    while some := [dict(row) for row in connection.execute(query.where(tables.ledger.c.position > last)).mappings()]:
        facts = _facts(connection, [link["decision_id"] for link in some])
        yield from ((link, facts.get(link["decision_id"])) for link in some)
        last = some[-1]["position"]


def _facts(connection: Connection, decision_ids: Sequence[str]) -> Mapping[str, str]:
    """Return what a link covers of each decision, as text: the decision, its evaluation and all its measurements."""
    decisions = _read(connection, tables.decision, (*_DECISION, *_DECISION_MORE), "decision_id", decision_ids)
    ids = [row["evaluation_id"] for row in decisions]
    evaluations = {
        row["evaluation_id"]: row for row in _read(connection, tables.evaluation, (*_EVALUATION, *_EVALUATION_MORE), "evaluation_id", ids)
    }
    measured: dict[str, list[Row]] = {evaluation_id: [] for evaluation_id in ids}
    for row in _read(connection, tables.measurement, _MEASUREMENT, "evaluation_id", ids):
        measured[row["evaluation_id"]].append(row)
    found = {}
    for decision in decisions:
        of = decision["evaluation_id"]
        if of in evaluations:
            parts = sorted(measured[of], key=lambda row: tuple(row[name] for name in _KEY))
            found[decision["decision_id"]] = json.dumps([decision, evaluations[of], parts], sort_keys=True, default=_as_text)
    return found


def _read(connection: Connection, table: Table, columns: Sequence[str], key: str, wanted: Sequence[str]) -> list[Row]:
    query = select(*(table.c[name] for name in columns)).where(table.c[key].in_(wanted))
    return [dict(row) for row in connection.execute(query).mappings()]


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a ledger holds no {type(value).__name__}")


def _hash(previous: str, facts: str) -> str:
    return hashlib.sha256(f"{previous}\n{facts}".encode()).hexdigest()
