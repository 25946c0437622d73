"""The layout of a profile: at which fixed points a numeric column is counted, and which categories of a categorical one.

It is made once, from the reference, and stays: counts at the same points can be added and compared. Differs from
:mod:`.profile`, which holds the counts.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ibis

from vigil.errors import StoreError
from vigil.profile.columns import as_number, as_text, batches, columns_to_profile, engine_of, finite_only
from vigil.spec.model import ModelSpec

BINS = 20  # numeric bins of equal reference mass: KS is then low by at most 1/20
COUNTED_LEVELS = 50  # categories counted one by one, the most frequent of the reference; convention
KNOWN_LEVELS = 50_000  # categories listed at all, so that a new one is told from a rare one
LAYOUT_ROWS = 100_000  # edges are quantiles of so many rows: their own share is then within 0.2 % (standard error) of a bin's 5 %
_FORMAT = 1
_COLUMNS_PER_QUERY = 50


Pair = tuple[str, str]


@dataclass(frozen=True)
class Scale:
    """The unit in which a numeric column's moments are summed: ``(x - center) / unit``. ``unit`` is a power of two."""

    center: float
    unit: float


@dataclass(frozen=True)
class Layout:
    """Where the columns of one model are counted.

    Attributes:
        numeric: column -> increasing edges; bin ``j`` is ``(edges[j-1], edges[j]]``, the outer bins are open.
        categorical: column -> the categories counted one by one, most frequent first.
        scales: numeric column -> the unit of its moments.
        tails: categorical column -> further categories of the reference, counted together as ``other``; None where there
            are more than can be listed: then all else is ``other`` and a new category cannot be told.
        pairs: numeric columns whose correlation is kept.
    """

    numeric: Mapping[str, tuple[float, ...]]
    categorical: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, Scale]
    tails: Mapping[str, tuple[str, ...] | None]
    pairs: tuple[Pair, ...] = ()

    def with_pairs(self, pairs: tuple[Pair, ...]) -> Layout:
        """Return the layout with the correlation of these pairs kept."""
        return replace(self, pairs=pairs)

    def known(self, column: str) -> tuple[str, ...] | None:
        """Return every category of the reference, or None where they are more than :data:`KNOWN_LEVELS`."""
        tail = self.tails[column]
        return None if tail is None else self.categorical[column] + tail

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JSON: two layouts count alike exactly when their digests are equal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        body = {
            "format": _FORMAT,
            "numeric": {
                name: {"edges": list(edges), "center": self.scales[name].center, "unit": self.scales[name].unit}
                for name, edges in self.numeric.items()
            },
            "categorical": {
                name: {"levels": list(levels), "tail": None if (tail := self.tails[name]) is None else list(tail)}
                for name, levels in self.categorical.items()
            },
        } | ({"pairs": self.pairs} if self.pairs else {})
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Read what :meth:`to_json` wrote.

        Raises:
            StoreError: another version of vigil wrote it.
        """
        body = json.loads(text)
        if body.get("format") != _FORMAT:
            raise StoreError(f"expected a layout of format {_FORMAT}, got {body.get('format')!r}; make it again from the reference")
        numeric, categorical = body["numeric"], body["categorical"]
        return cls(
            numeric={name: tuple(entry["edges"]) for name, entry in numeric.items()},
            categorical={name: tuple(entry["levels"]) for name, entry in categorical.items()},
            scales={name: Scale(entry["center"], entry["unit"]) for name, entry in numeric.items()},
            tails={name: None if entry["tail"] is None else tuple(entry["tail"]) for name, entry in categorical.items()},
            pairs=tuple((left, right) for left, right in body.get("pairs", ())),
        )


def layout_of(rows: ibis.Table, spec: ModelSpec) -> Layout:
    """Lay out the columns of ``spec`` by the reference's rows: quantiles as edges, the most frequent categories as levels.

    Of more than twice :data:`LAYOUT_ROWS` rows in DuckDB, edges are quantiles of a fixed pseudo-random part of them, chosen by their
    place; of fewer, and on other engines, of all, and their order does not matter. Categories are always those of all rows. A column
    without any finite value has no edge, hence one bin.

    Raises:
        SourceError: a feature's column is missing or cannot be profiled as the spec says.
    """
    numeric, categorical = columns_to_profile(rows, spec)
    edges: dict[str, tuple[float, ...]] = {}
    scales: dict[str, Scale] = {}
    some = some_rows(rows)
    for names in batches(numeric, _COLUMNS_PER_QUERY):
        for name, (quantiles, minimum, maximum) in _quantiles(some, names).items():
            whole = not (rows.schema()[name].is_floating() or rows.schema()[name].is_decimal())
            edges[name] = edges_at(quantiles, minimum, maximum, whole=whole)
            scales[name] = scale_at(quantiles, minimum, maximum)
    levels: dict[str, tuple[str, ...]] = {}
    tails: dict[str, tuple[str, ...] | None] = {}
    for name in categorical:
        found = _levels(rows, name)
        levels[name] = found[:COUNTED_LEVELS]
        tails[name] = tuple(sorted(found[COUNTED_LEVELS:])) if len(found) <= KNOWN_LEVELS else None
    return Layout(numeric=edges, categorical=levels, scales=scales, tails=tails)


def edges_at(quantiles: list[float], minimum: float | None, maximum: float | None, *, whole: bool) -> tuple[float, ...]:
    """Return increasing edges from quantiles of the reference.

    Where a bin's worth of the reference lies exactly on its minimum or maximum (zeros, a constant, few distinct values),
    that end gets a bin of its own, so that a value beyond it is seen.

    >>> edges_at([1.0, 2.5, 4.0], 0.0, 9.0, whole=True)
    (1.0, 2.0, 4.0)
    >>> edges_at([7.0, 7.0, 7.0], 7.0, 7.0, whole=True)
    (6.0, 7.0)
    """
    if minimum is None or maximum is None:
        return ()
    found = {float(math.floor(value)) if whole else value + 0.0 for value in quantiles}  # + 0.0 turns -0.0 into 0.0
    if maximum in found:
        found.add(_below(maximum, whole=whole))
    if minimum in found:
        found.add(_below(minimum, whole=whole))
    return tuple(sorted(edge + 0.0 for edge in found if math.isfinite(edge)))  # below the least float of all lies nothing


def scale_at(quantiles: list[float], minimum: float | None, maximum: float | None) -> Scale:
    """Return the median and the power of two above the reference's spread, as the unit of its moments.

    >>> scale_at([-3.0, 0.0, 2.0], -100.0, 100.0)
    Scale(center=0.0, unit=8.0)
    """
    if minimum is None or maximum is None:
        return Scale(0.0, 1.0)
    center = quantiles[len(quantiles) // 2] + 0.0
    spread = (quantiles[-1] - quantiles[0]) or (maximum - minimum) or abs(center) or 1.0
    spread = max(spread, abs(center) * 2.0**-40)  # finer than that a float64 beside the center cannot be
    exponent = 1000 if math.isinf(spread) else min(max(math.frexp(spread)[1], -1000), 1000)
    return Scale(center, math.ldexp(1.0, exponent))


def _below(value: float, *, whole: bool) -> float:
    if whole and abs(value) < 2.0**53:
        return value - 1.0
    return -sys.float_info.min if abs(value) < sys.float_info.min else math.nextafter(value, -math.inf)


def some_rows(rows: ibis.Table) -> ibis.Table:
    """Return some :data:`LAYOUT_ROWS` of many rows, the same every time; on other engines than DuckDB all of them.

    DuckDB keeps the order of rows, and a hash of their places has no pattern.
    """
    if engine_of(rows) != "duckdb":
        return rows
    of = int(rows.count().to_pyarrow().as_py()) // LAYOUT_ROWS
    if of < 2:
        return rows
    placed = rows.mutate(vigil_place=ibis.row_number())
    return placed.filter(placed.vigil_place.hash() % of == 0).drop("vigil_place")


def _quantiles(rows: ibis.Table, names: tuple[str, ...]) -> dict[str, tuple[list[float], float | None, float | None]]:
    schema = rows.schema()
    points = [index / BINS for index in range(1, BINS)]
    numbers = rows.select(**{f"x{i}": finite_only(as_number(rows[name]), schema[name], engine_of(rows)) for i, name in enumerate(names)})
    wanted: dict[str, Any] = {}
    for i in range(len(names)):
        column: Any = numbers[f"x{i}"]
        wanted |= {f"q{i}": column.quantile(points), f"l{i}": column.min(), f"h{i}": column.max()}
    answer = numbers.aggregate(**wanted).to_pyarrow().to_pylist()[0]
    return {name: (list(answer[f"q{i}"] or ()), answer[f"l{i}"], answer[f"h{i}"]) for i, name in enumerate(names)}


def _levels(rows: ibis.Table, name: str) -> tuple[str, ...]:
    level: Any = as_text(rows[name], engine_of(rows))
    counted = rows.select(level=level).filter(ibis._.level.notnull()).group_by("level").aggregate(n=ibis._.count())
    first = counted.order_by(ibis.desc("n"), "level").limit(KNOWN_LEVELS + 1)
    return tuple(row["level"] for row in sorted(first.to_pyarrow().to_pylist(), key=lambda row: (-row["n"], row["level"])))
