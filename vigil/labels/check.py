"""What is odd about observed labels, without being an error: those of no prediction, two in conflict at one moment, those from the future.

Nothing of it is measured wrong: a label of no prediction measures nothing, of two at one moment the larger counts in any order of arrival,
a label is known from its moment on. But each says that something upstream is. Differs from :mod:`vigil.sources.observations`, which refuses
what cannot be used, and from :mod:`vigil.labels.answers`, which refuses all of it in a request that came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import ibis

from vigil.measurement import Verdict
from vigil.sources.labels import LABEL, not_after
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec

EVER = datetime(9999, 1, 1, tzinfo=UTC)


class Oddity(StrEnum):
    """What is looked for."""

    NO_PREDICTION = "of no prediction"
    CONFLICT = "in conflict at one moment"
    FUTURE = "from the future"


@dataclass(frozen=True)
class Found:
    """How many predictions' labels are odd so, and the least of their ids; None where there are none."""

    oddity: Oddity
    count: int
    example: Any

    @property
    def verdict(self) -> Verdict:
        return Verdict.WARNING if self.count else Verdict.OK


def check_labels(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[Found, ...]:
    """Look for every :class:`Oddity` among all observations of labels, by three aggregates in the engine.

    Raises:
        SourceError: an inclusion probability is outside (0, 1], or a label is one that the task cannot have.
    """
    observed, columns = source.observations(EVER), spec.columns
    key, moment = observed[columns.id], observed[columns.label_time]
    known: Any = not_after(moment, now)
    log = source.predictions()
    told = observed.group_by(each=key, at=moment).agg(said=observed[LABEL].nunique())
    odd = {
        Oddity.NO_PREDICTION: observed.anti_join(log, [(observed[columns.id], log[columns.id])]).select(each=columns.id),
        Oddity.CONFLICT: told.filter(told["said"] > 1).select("each"),
        Oddity.FUTURE: observed.filter(~known).select(each=columns.id),
    }
    return tuple(_found(source, oddity, rows) for oddity, rows in odd.items())


def _found(source: ModelSource, oddity: Oddity, rows: ibis.Table) -> Found:
    with source.reading_log():
        (answer,) = rows.aggregate(count=rows["each"].nunique(), example=rows["each"].min()).to_pyarrow().to_pylist()
    return Found(oddity, int(answer["count"]), answer["example"])
