"""The strata of a window's planned labels, and the inclusion probability that a label has in them.

**How samples combine.** Within a stratum every sample treats all rows alike: the random one that runs anyway, and each planned one, which
draws from the rows not labelled yet. So, given how many rows of a stratum have a label, those that have one are a simple random sample of
it, and a labelled row's inclusion probability is *labelled rows of its stratum over rows of its stratum*, whatever the samples' own
probabilities, overlaps and lost answers were (post-stratification: Holt & Smith 1979, doi:10.2307/2344652). On average it is
``1 - (1 - p)(1 - q)`` for a random share p and a planned share q of the rest. It supposes that whether an answer is lost, or late, depends
on nothing but the stratum.

Differs from :mod:`vigil.labels.allocation`, which says how many labels of each stratum are asked for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

import ibis
import numpy as np
import numpy.typing as npt

from vigil.window import Window, parse_moment

METADATA = b"vigil.design"  # the key under which a file of planned labels carries its design
PREFIX = "plan-"  # how the names of such files begin


@dataclass(frozen=True)
class Design:
    """A partition of a window's rows by a segment's value and the score's band. Rows without a finite score are in no stratum.

    Attributes:
        segment: the column; None: by score alone.
        values: values of it that have strata of their own; all others, and null, are together.
        edges: a score lies in as many bands up as edges are below it.
        merged: cell (group of values x band) -> stratum; cells with few rows share one.
        asked, answered: labels asked for of each stratum, and those that came; ``answered`` is empty until the import.
        answered_at: the latest observation among them.
    """

    plan_id: str
    window: Window
    segment: str | None
    values: tuple[str, ...]
    edges: tuple[float, ...]
    merged: tuple[int, ...]
    asked: tuple[int, ...]
    answered: tuple[int, ...] = ()
    answered_at: datetime | None = None

    @property
    def bands(self) -> int:
        return len(self.edges) + 1

    def strata_of(self, score: npt.NDArray[np.float64], value: npt.NDArray[np.object_] | None) -> npt.NDArray[np.int64]:
        """Return each row's stratum; scores are finite."""
        group = np.full(len(score), len(self.values), dtype=np.int64)
        for index, name in enumerate(self.values):
            assert value is not None
            group[value == name] = index
        cell = group * self.bands + np.searchsorted(np.asarray(self.edges), score, side="left")
        strata: npt.NDArray[np.int64] = np.asarray(self.merged, dtype=np.int64)[cell]
        return strata

    def stratum(self, rows: ibis.Table, score: str) -> Any:
        """Return each row's stratum as an Ibis expression, as :meth:`strata_of` does; null without a finite score."""
        number = rows[score].cast("float64")
        band: Any = ibis.literal(0, "int64")
        for edge in self.edges:
            band = band + (number > edge).cast("int64")
        group: Any = ibis.literal(len(self.values), "int64")
        if self.segment is not None and self.values:
            text = rows[self.segment].cast("string")
            branches = [(text == name, ibis.literal(index, "int64")) for index, name in enumerate(self.values)]
            group = ibis.cases(*branches, else_=group)
        cell = group * self.bands + band
        stratum = ibis.cases(
            *((cell == index, ibis.literal(to, "int64")) for index, to in enumerate(self.merged)), else_=ibis.null("int64")
        )
        return ibis.ifelse(number.isnull() | number.isnan() | number.isinf(), ibis.null("int64"), stratum)

    def with_answers(self, answered: tuple[int, ...], at: datetime) -> Self:
        return replace(self, answered=answered, answered_at=at)

    def to_json(self) -> str:
        body = asdict(self) | {"window": [self.window.start.isoformat(), self.window.end.isoformat()]}
        body["answered_at"] = None if self.answered_at is None else self.answered_at.isoformat()
        return json.dumps(body, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        body = json.loads(text)
        start, end = (parse_moment(moment) for moment in body.pop("window"))
        at = body.pop("answered_at")
        lists = {name: tuple(body[name]) for name in ("values", "edges", "merged", "asked", "answered")}
        return cls(**(body | lists), window=Window(start, end), answered_at=None if at is None else parse_moment(at))
