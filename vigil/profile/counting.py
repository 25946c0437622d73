"""Rows counted by the engine where they lie: one aggregate query per batch of columns, that every engine computes alike.

Differs from :mod:`.streaming`, which counts the same from a stream of rows and is faster where the rows come out of DuckDB.
Both answer with equal numbers; this one says what they are.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import ibis

from vigil.profile.columns import as_number, as_text, batches, engine_of, exactly, finite_only, may_be_endless
from vigil.profile.layout import Layout, Pair, Scale
from vigil.profile.profile import FIXED_POINT, CategoricalSummary, NumericSummary, PairSummary, Profile
from vigil.spec.model import ModelSpec

OTHER_SEGMENT = "(other)"  # segment values that the layout does not count one by one
_COLUMNS_PER_QUERY = 40
_PAIRS_PER_QUERY = 40
_COUNTED, _OTHER, _UNSEEN, _NULL = range(4)

Group = tuple[str | None, str | None]  # version, segment value
Counted = dict[Group, Profile]


def count_by_query(rows: ibis.Table, spec: ModelSpec, nothing: Profile, layout: Layout) -> list[Counted]:
    """Count the columns of ``nothing`` by version and, one after the other, by each segment column of ``spec`` (or once without).

    Args:
        nothing: the profile of no rows, of the columns to count.
    """
    segments: list[str | None] = list(spec.segments) if spec.segments else [None]
    return [_counted(rows, spec, nothing, layout, segment) for segment in segments]


def _counted(rows: ibis.Table, spec: ModelSpec, nothing: Profile, layout: Layout, segment: str | None) -> Counted:
    engine = engine_of(rows)
    keys = _keyed(rows, engine, spec, layout, segment)
    sizes: dict[Group, int] = {}
    numbers: dict[Group, dict[str, NumericSummary]] = {}
    for names in list(batches(nothing.numeric, _COLUMNS_PER_QUERY)) or [()]:
        for row in _answers(_numeric_query(keys, rows, engine, names, layout)):
            group = (row.get("version"), row.get("segment"))
            sizes[group] = row["rows"]
            summaries = numbers.setdefault(group, {})
            summaries |= {name: _numeric_summary(row, i, nothing.numeric[name]) for i, name in enumerate(names)}
    pairs: dict[Group, dict[Pair, PairSummary]] = {group: {} for group in sizes}
    for some in batches(nothing.pairs, _PAIRS_PER_QUERY):
        for row in _answers(_pair_query(keys, rows, some, layout)):
            group = (row.get("version"), row.get("segment"))
            pairs[group] |= {pair: PairSummary(*(int(row[f"s{j}_{k}"] or 0) for k in range(6))) for j, pair in enumerate(some)}
    texts: dict[Group, dict[str, CategoricalSummary]] = {group: {} for group in sizes}
    for names in batches(nothing.categorical, _COLUMNS_PER_QUERY):
        found: dict[Group, dict[tuple[int, int, str | None], int]] = {group: {} for group in sizes}
        for row in _answers(_categorical_query(keys, rows, engine, names, layout)):
            found[row.get("version"), row.get("segment")][row["column"], row["kind"], row["level"]] = row["n"]
        for group, counts in found.items():
            texts[group] |= {name: _categorical_summary(counts, i, nothing.categorical[name]) for i, name in enumerate(names)}
    return {group: Profile(nothing.layout, size, numbers[group], texts[group], pairs[group]) for group, size in sizes.items() if size > 0}


def _keyed(rows: ibis.Table, engine: str, spec: ModelSpec, layout: Layout, segment: str | None) -> Mapping[str, Any]:
    keys: dict[str, Any] = {}
    if spec.columns.version in rows.columns:
        keys["version"] = as_text(rows[spec.columns.version], engine)
    if segment is not None:
        value = as_text(rows[segment], engine)
        kept = value.isin(layout.categorical.get(segment, ()))
        keys["segment"] = ibis.cases((value.isnull(), ibis.null("string")), (kept, value), else_=OTHER_SEGMENT)
    return keys


def _answers(query: ibis.Table) -> Iterator[dict[str, Any]]:
    backend = query.get_backend()
    if backend.name == "pyspark":  # Ibis goes by way of pandas, where a whole number beside a null is a float
        yield from backend.raw_sql(backend.compile(query)).toArrow().to_pylist()
    else:
        yield from query.to_pyarrow().to_pylist()


def _numeric_query(keys: Mapping[str, Any], rows: ibis.Table, engine: str, names: tuple[str, ...], layout: Layout) -> ibis.Table:
    """One row per group: for each column its null, NaN and infinite rows, extremes, moments, and counts at or below each edge."""
    kinds = [rows.schema()[name] for name in names]
    raw = rows.select(**keys, row=ibis.literal(1), **{f"x{i}": as_number(rows[name]) for i, name in enumerate(names)})
    finite = raw.select(raw, **{f"f{i}": finite_only(raw[f"x{i}"], kind, engine) for i, kind in enumerate(kinds)})
    scaled = finite.select(finite, **{f"z{i}": _scaled(finite[f"f{i}"], layout.scales[name], engine) for i, name in enumerate(names)})
    wanted: dict[str, Any] = {"rows": scaled.count()}
    for i, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        x: Any = scaled[f"x{i}"]
        f: Any = scaled[f"f{i}"]
        z: Any = scaled[f"z{i}"]
        wanted |= {f"present{i}": x.count(), f"low{i}": f.min(), f"high{i}": f.max()}
        wanted |= {f"total{i}": _exact_sum(z), f"squares{i}": _exact_sum(_product(z, z))}
        if may_be_endless(kind):
            wanted |= {f"nan{i}": x.isnan().sum(), f"plus{i}": (x == exactly(math.inf)).sum(), f"minus{i}": (x == exactly(-math.inf)).sum()}
        wanted |= {f"edge{i}_{j}": (x <= exactly(edge)).sum() for j, edge in enumerate(layout.numeric[name])}
    return scaled.group_by(list(keys)).aggregate(**wanted) if keys else scaled.aggregate(**wanted)


def _pair_query(keys: Mapping[str, Any], rows: ibis.Table, pairs: tuple[Pair, ...], layout: Layout) -> ibis.Table:
    """One row per group: for each pair the rows where both are finite, and of those the sums, in the order of :class:`PairSummary`."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    scaled = rows.select(**keys, **{f"z{i}": in_steps(rows, name, layout.scales[name]) for i, name in enumerate(names)})
    wanted: dict[str, Any] = {}
    for j, pair in enumerate(pairs):
        x, y = (scaled[f"z{names.index(name)}"] for name in pair)
        both = x.notnull() & y.notnull()
        x, y = (ibis.ifelse(both, z, ibis.null("float64")) for z in (x, y))
        sums = (both.sum(), _exact_sum(x), _exact_sum(y), *(_exact_sum(_product(a, b)) for a, b in ((x, x), (y, y), (x, y))))
        wanted |= {f"s{j}_{k}": total for k, total in enumerate(sums)}
    return scaled.group_by(list(keys)).aggregate(**wanted) if keys else scaled.aggregate(**wanted)


def in_steps(rows: ibis.Table, name: str, scale: Scale) -> Any:
    """Return a column's finite values as :class:`~vigil.profile.profile.NumericSummary` sums them, others as null."""
    engine = engine_of(rows)
    return _scaled(finite_only(as_number(rows[name]), rows.schema()[name], engine), scale, engine)


def _product(one: Any, other: Any) -> Any:
    return (one * other * (1.0 / FIXED_POINT) + 0.5).floor()


def reach(scale: Scale) -> tuple[float, float]:
    """Return the lowest and the highest value that the moments tell apart: ``FIXED_POINT`` units around the center."""
    far = FIXED_POINT * scale.unit
    return max(scale.center - far, -sys.float_info.max), min(scale.center + far, sys.float_info.max)


def _scaled(finite: Any, scale: Scale, engine: str) -> Any:
    """``(x - center) / unit`` in whole steps of ``1 / FIXED_POINT``. Powers of two, so every engine gets the same bits."""
    low, high = reach(scale)
    steps = FIXED_POINT / scale.unit
    near: Any = ibis.ifelse(finite < exactly(low), exactly(low), ibis.ifelse(finite > exactly(high), exactly(high), finite))
    if steps < 1.0 and engine == "postgres":  # where others round a product to zero, PostgreSQL raises underflow
        near = ibis.ifelse(near.abs() <= exactly(math.ldexp(1.0, -1074 - math.frexp(steps)[1])), exactly(0.0), near)
    return (near * exactly(steps) - exactly(scale.center * steps) + 0.5).floor().cast("float64")


def _exact_sum(whole: Any) -> Any:
    """Sum whole numbers without rounding: as integers, so the order of adding cannot matter, in 38 digits."""
    return whole.cast("int64").sum().cast("decimal(38, 0)")


def _numeric_summary(row: Mapping[str, Any], i: int, nothing: NumericSummary) -> NumericSummary:
    nans, plus, minus = (int(row.get(f"{kind}{i}") or 0) for kind in ("nan", "plus", "minus"))
    at_or_below = [int(row[f"edge{i}_{j}"] or 0) - minus for j in range(len(nothing.edges))]
    finite = row[f"present{i}"] - nans - plus - minus
    low, high = row[f"low{i}"], row[f"high{i}"]
    return replace(
        nothing,
        counts=tuple(above - below for below, above in pairwise([0, *at_or_below, finite])),
        nulls=row["rows"] - row[f"present{i}"],
        nans=nans,
        plus_infs=plus,
        minus_infs=minus,
        minimum=None if low is None else low + 0.0,  # -0.0 is 0.0
        maximum=None if high is None else high + 0.0,
        total=int(row[f"total{i}"] or 0),
        squares=int(row[f"squares{i}"] or 0),
    )


def _categorical_query(keys: Mapping[str, Any], rows: ibis.Table, engine: str, names: tuple[str, ...], layout: Layout) -> ibis.Table:
    """One row per group, column and kept category: the engine counts every category, then folds what is not counted one by one."""
    texts = [as_text(rows[name], engine) for name in names]
    if engine == "pyspark":  # it would read the rows once for each part of a union, and shuffle each by itself
        stacked = rows.select(**keys, level=ibis.array(texts)).unnest("level", offset="column")
        every = stacked.group_by([*keys, "column", "level"]).aggregate(n=ibis._.count())
        return _folded(every, keys, every["column"], dict(enumerate(names)), layout)
    parts = []
    for index, (name, text) in enumerate(zip(names, texts, strict=True)):
        every = rows.select(**keys, level=text).group_by([*keys, "level"]).aggregate(n=ibis._.count())
        parts.append(_folded(every, keys, ibis.literal(index, "int64"), {index: name}, layout))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _folded(every: ibis.Table, keys: Mapping[str, Any], column: Any, names: Mapping[int, str], layout: Layout) -> ibis.Table:
    """``every``: a row per category; ``column``: which of ``names`` it is of."""

    def one_of(levels: Mapping[str, Any]) -> Any:
        if len(names) == 1:
            return next(iter(levels.values()))
        return ibis.or_(*((column == index) & levels[name] for index, name in names.items()))

    counted = one_of({name: every.level.isin(layout.categorical[name]) for name in names.values()})
    rare = one_of({name: _in_tail(every, layout.tails[name]) for name in names.values()})
    kind = ibis.cases((every.level.isnull(), _NULL), (counted, _COUNTED), (rare, _OTHER), else_=_UNSEEN)
    kept = every.select(
        *keys,
        column=column.cast("int64"),
        kind=kind.cast("int64"),
        level=ibis.ifelse(counted, every.level, ibis.null("string")),
        n=every.n,
    )
    return kept.group_by([*keys, "column", "kind", "level"]).aggregate(n=kept.n.sum().cast("int64"))


def _in_tail(every: ibis.Table, tail: tuple[str, ...] | None) -> Any:
    return ibis.literal(True) if tail is None else every.level.isin(tail)


def _categorical_summary(counts: Mapping[tuple[int, int, str | None], int], i: int, nothing: CategoricalSummary) -> CategoricalSummary:
    return replace(
        nothing,
        counts=tuple(counts.get((i, _COUNTED, level), 0) for level in nothing.levels),
        nulls=counts.get((i, _NULL, None), 0),
        other=counts.get((i, _OTHER, None), 0),
        unseen=counts.get((i, _UNSEEN, None), 0),
    )
