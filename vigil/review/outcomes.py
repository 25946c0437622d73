"""A session that came back: what reviewers said of each row, checked as a whole, then kept, or refused and nothing of it kept.

Labels of rows at random become labels like any that were asked for; labels of rows picked on purpose stay here, for in an estimate
they would stand for rows that they are not like (:mod:`vigil.review.queue`). Differs from :mod:`vigil.labels.answers`, which keeps labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from vigil.errors import LabelError
from vigil.labels.answers import Answer, Imported, keep_answers, label_of, read_table
from vigil.labels.keeping import plans_of
from vigil.review.session import COMMENT, OUTCOME, REVIEWER, SESSION, Session
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Review


class Outcome(StrEnum):
    """What a reviewer found."""

    RIGHT = "right"  # the model
    WRONG = "wrong"  # the model
    DATA_FAULT = "data fault"  # what it was given
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Reviewed:
    """What an import did. ``new``: rows about which something else was said than before; ``labels``: what became of those at random."""

    session_id: str
    rows: int
    reviewed: int
    new: int
    labels: Imported | None


def import_reviews(source: ModelSource, store: Store, spec: ModelSpec, path: Path, *, by: str, now: datetime) -> Reviewed:
    """Check ``path``, a session filled in, and keep what it says; ``by`` reviewed the rows that name nobody.

    All rows of the session are in the file, in any order; one without label, outcome and comment was not reviewed. The same file again
    changes nothing; a corrected one adds reviews, of which the latest counts.

    Raises:
        LabelError: a row or column is wrong; the message names it. Nothing is kept.
        NotAllowed: labels of rows at random cannot be written where ``source.labels`` reads them.
    """
    table = list(read_table(path))
    session = _session_of(table, store, spec, path)
    said = _reviews(table, session, spec, path, by=by, now=now)
    labels = _labels_at_random(source, store, spec, session, said, path, now)
    before = latest_reviews(store.reviews(spec.model))
    new = [review for review in said if not _same(before.get((review.session_id, review.prediction_id)), review)]
    store.save_reviews(new)
    return Reviewed(session.session_id, len(session.picks), len(said), len(new), labels)


def latest_reviews(reviews: Sequence[Review]) -> Mapping[tuple[str, str], Review]:
    """Return the latest review of each row of each session, of reviews in the order of recording."""
    return {(review.session_id, review.prediction_id): review for review in reviews}


def _session_of(table: Sequence[Mapping[str, Any]], store: Store, spec: ModelSpec, path: Path) -> Session:
    if not table:
        raise LabelError("the file has no rows; fill in the session and import that", file=path.name)
    for name in (SESSION, spec.columns.id, spec.columns.label, OUTCOME, COMMENT, REVIEWER):
        if name not in table[0]:
            raise LabelError("is missing; import a file that `vigil review open` wrote", file=path.name, column=name)
    known = {kept.session_id: kept for kept in store.review_sessions(spec.model)}
    for number, row in enumerate(table, start=1):
        if row[SESSION] != table[0][SESSION] or row[SESSION] not in known:
            names = ", ".join(sorted(known)) or "none"
            raise LabelError(
                f"expected one session in every row, one of: {names}; got {row[SESSION]!r}", file=path.name, row=number, column=SESSION
            )
    return Session.of(known[table[0][SESSION]])


def _reviews(table: Sequence[Mapping[str, Any]], session: Session, spec: ModelSpec, path: Path, *, by: str, now: datetime) -> list[Review]:
    waiting = {str(pick.id) for pick in session.picks}
    found = []
    for number, row in enumerate(table, start=1):

        def wrong(message: str, column: str, number: int = number) -> LabelError:
            return LabelError(message, file=path.name, row=number, column=column)

        each = str(row[spec.columns.id])
        if each not in waiting:
            raise wrong(f"session {session.session_id} has no prediction {each!r}, or it stands there twice", spec.columns.id)
        waiting.remove(each)
        label, outcome = label_of(row[spec.columns.label], spec, wrong), _text(row[OUTCOME])
        if outcome and outcome not in {*Outcome}:
            raise wrong(f"expected one of: {', '.join(Outcome)}, or nothing; got {outcome!r}", OUTCOME)
        comment = _text(row[COMMENT])
        if label is not None or outcome or comment:
            found.append(Review(session.session_id, session.model, each, label, outcome, comment, _text(row[REVIEWER]) or by, now))
    if waiting:
        raise LabelError(
            f"has not all rows of session {session.session_id}, {min(waiting)!r} is not among them; was it cut off? A row that was not "
            "reviewed stays, empty",
            file=path.name,
        )
    return found


def _labels_at_random(
    source: ModelSource, store: Store, spec: ModelSpec, session: Session, said: Sequence[Review], path: Path, now: datetime
) -> Imported | None:
    """Take the labels of the rows at random in as answers to their plan; None where nobody gave one."""
    given = {review.prediction_id: review.label for review in said}
    for plan in plans_of(store, spec.model):
        if plan.plan_id == session.plan_id and any(given.get(str(each)) is not None for each, _ in plan.chosen):
            answers = [
                Answer(number, each, given.get(str(each)), now, plan.probability[stratum])
                for number, (each, stratum) in enumerate(sorted(plan.chosen, key=str), start=1)
            ]
            return keep_answers(source, spec, plan, answers, path, now=now)
    return None


def _same(before: Review | None, after: Review) -> bool:
    return before is not None and (before.label, before.outcome, before.comment, before.reviewer) == (
        after.label,
        after.outcome,
        after.comment,
        after.reviewer,
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
