"""A session of reviews: the queue of one window, as it was made, and as a file for people with context and why each row is there.

Differs from :mod:`vigil.labels.request`, whose rows come without scores and reasons: whoever reviews judges what the model said. Of the
rows at random, whose labels count in estimates, the score is left out here too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.errors import ChampionNotFound, NotEnoughData
from vigil.labels.keeping import kept_plan
from vigil.labels.request import write_rows
from vigil.review.queue import Pick, Why, purposive
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import ReviewSession
from vigil.window import Window

SESSION, WHY, KNOWN_LABEL = "vigil_review", "vigil_why", "vigil_known_label"
OUTCOME, COMMENT, REVIEWER = "vigil_outcome", "vigil_comment", "vigil_reviewer"


@dataclass(frozen=True)
class Session:
    """The queue of a window. ``plan_id``: the plan of labels that its rows at random are; None where there are none."""

    session_id: str
    model: str
    window: Window
    rows: int
    seed: int
    made_at: datetime
    picks: tuple[Pick, ...]
    plan_id: str | None

    def to_json(self) -> str:
        return json.dumps({"picks": [[pick.id, pick.why] for pick in self.picks], "plan_id": self.plan_id})

    @classmethod
    def of(cls, kept: ReviewSession) -> Session:
        body = json.loads(kept.body)
        picks = tuple(Pick(each, tuple(why)) for each, why in body["picks"])
        fields = {name: getattr(kept, name) for name in ("session_id", "model", "window", "rows", "seed", "made_at")}
        return cls(**fields, picks=picks, plan_id=body["plan_id"])


def open_session(source: ModelSource, store: Store, spec: ModelSpec, window: Window, *, rows: int, seed: int, now: datetime) -> Session:
    """Return the session of a window, a number of rows and a seed: the stored one, or one that is made and stored.

    A share of the rows (``labels.control``) is a plan of labels, where any row is without a label; the rest is
    picked on purpose by what the champion knows.

    Raises:
        NotAllowed: the window's labels are not due yet.
        ChampionNotFound: the model has no champion.
    """
    session_id = session_id_of(spec, window, rows, seed)
    for kept in store.review_sessions(spec.model):
        if kept.session_id == session_id:
            return Session.of(kept)
    champion = store.champion(spec.model)
    version = None if champion is None else store.version(spec.model, champion.version)
    if version is None:
        raise ChampionNotFound(f"{spec.model} has no version in service; run `vigil adopt {spec.model}`")
    try:
        plan = kept_plan(source, store, spec, window, budget=max(round(spec.labels.control * rows), 2), seed=seed, now=now)
    except NotEnoughData:  # every row has a label
        plan = None
    chosen = [] if plan is None else [each for each, _ in plan.chosen]
    picked = purposive(source, spec, window, version, most=rows, now=now)
    reasons = {pick.id: pick.why for pick in picked}
    control = tuple(Pick(each, (*reasons.get(each, ()), Why.CONTROL.value)) for each in chosen)
    on_purpose = [pick for pick in picked if pick.id not in set(chosen)]
    picks = (*on_purpose[: max(rows - len(control), 0)], *control)
    made = Session(session_id, spec.model, window, rows, seed, now, picks, None if plan is None else plan.plan_id)
    store.save_review_session(ReviewSession(session_id, spec.model, window, rows, seed, now, made.to_json()))
    return made


def session_id_of(spec: ModelSpec, window: Window, rows: int, seed: int) -> str:
    """Return the id of the one session of a model for a window, a number of rows and a seed."""
    return "r-" + hashlib.sha256(json.dumps([spec.model, window.key, rows, seed]).encode()).hexdigest()[:12]


def session_file(session: Session) -> str:
    """Return where a session is written, relative to the project's folder."""
    return f"reviews/{session.model}-{session.window.start.date()}-{session.session_id}.csv"


def write_session(source: ModelSource, spec: ModelSpec, session: Session, path: Path) -> None:
    """Write the session's rows to ``path`` (``.csv`` or ``.parquet``), whole or not at all.

    A file that is there is left as it is: a person may have begun to fill it in.
    Left empty for the reviewer are the label, the outcome, a comment and a name. Texts are made harmless as in a request for labels.

    Raises:
        NotAllowed: the ending is another one.
    """
    if path.exists():
        return
    columns, ids = spec.columns, [pick.id for pick in session.picks]
    log, known = source.predictions(session.window), source.labelled([session.window], session.made_at)
    wanted = [columns.id, columns.time, columns.version, columns.score, *(name for name in spec.features if name in log.columns)]
    with source.reading_log():
        rows: pd.DataFrame = log.filter(log[columns.id].isin(ids)).select(*wanted).to_pandas()
        labels: Mapping[Any, float] = (
            known.filter(known[columns.id].isin(ids)).select(id=columns.id, label="label").to_pandas().set_index("id")["label"].to_dict()
        )
    here = rows.drop_duplicates(columns.id).set_index(columns.id)
    at_random = [Why.CONTROL.value in pick.why for pick in session.picks]
    rows = here.reindex(pd.Index(ids, name=columns.id)).reset_index()  # of one that has left the log since, the id alone
    rows[columns.score] = rows[columns.score].astype("object").mask(pd.Series(at_random, index=rows.index), None)
    rows.insert(0, SESSION, session.session_id)
    rows.insert(
        1, WHY, [Why.CONTROL.value if control else "; ".join(pick.why) for pick, control in zip(session.picks, at_random, strict=True)]
    )
    rows[KNOWN_LABEL] = pd.Series([labels.get(pick.id) for pick in session.picks], dtype="object")
    for name in (columns.label, OUTCOME, COMMENT, REVIEWER):
        rows[name] = pd.Series([None] * len(rows), dtype="object")
    write_rows(rows, path)
