"""Rows counted as they stream out of DuckDB: one pass serves all columns, versions and segments, and memory holds a few blocks.

Differs from :mod:`.counting`, which lets the engine count and serves every engine. DuckDB reads, casts and encodes; numpy counts in
this process (:mod:`.tally`) while DuckDB's threads read on: numpy compares a block that lies in the processor's cache with an edge in a
quarter of a nanosecond a value, where DuckDB's comparison (which orders NaN) takes three. More threads that count gain nothing: each
step is so short that they wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vigil.measurement import WHOLE
from vigil.profile.columns import as_number, as_text
from vigil.profile.counting import OTHER_SEGMENT, Counted, Group
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.tally import Integers, Scratch, Split, Tally, add_numbers, add_pair, add_texts
from vigil.sources.columns import quote_text
from vigil.spec.model import ModelSpec

_BLOCK = 2**16  # rows: half a megabyte a column, which stays in the cache while 19 edges are looked at
_COLUMNS, _SMALLEST_BLOCK = 50, 2**12  # blocks of more columns have fewer rows, so that a block is at most some 30 MB
_ENCODED_LEVELS = 1_000  # up to so many known categories DuckDB encodes them; its dictionary comes with every block
_DUCKDB = "duckdb"


def count_by_stream(rows: ibis.Table, spec: ModelSpec, nothing: Profile, layout: Layout) -> list[Counted]:
    """Count as :func:`~vigil.profile.counting.count_by_query` does; ``rows`` are DuckDB's."""
    stream = _Stream.of(rows, spec, nothing, layout)
    size = max(_BLOCK * _COLUMNS // max(len(stream.texts) + len(nothing.numeric), _COLUMNS), _SMALLEST_BLOCK)
    scratch, tallies = Scratch(size), [dict[Group, Tally]() for _ in stream.segments]
    for block in _blocks(rows, stream.sql, size):
        stream.add(block, tallies, scratch)
    return [{group: tally.profile(nothing) for group, tally in groups.items()} for groups in tallies]


def _blocks(rows: ibis.Table, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """Stream the answer out of DuckDB. Ibis 12 calls a method that DuckDB 2 no longer has, so its own stream cannot be used."""
    backend: Any = rows.get_backend()
    backend._run_pre_execute_hooks(rows)  # makes tables that live in memory known to the connection
    for block in backend.con.sql(sql).to_arrow_reader(size):
        if block.num_rows:
            yield block


@dataclass(frozen=True)
class _Texts:
    """A categorical column in the stream: what its codes mean."""

    known: tuple[str, ...]  # the categories counted one by one, then the others of the reference
    counted: int
    unlisted: int  # the code of what is not known: unseen, or other where the reference had too many to list
    encoded: bool

    @classmethod
    def of(cls, levels: tuple[str, ...], tail: tuple[str, ...] | None) -> _Texts:
        known = levels + (tail or ())
        unlisted = len(levels) + (0 if tail is None else 1)
        return cls(known, len(levels), unlisted, 0 < len(known) <= _ENCODED_LEVELS)

    @property
    def width(self) -> int:
        return self.counted + 3

    def codes(self, column: pa.Array, absent: pa.Array) -> Integers:
        """Return each row's code: its level's place, then other, unseen and null."""
        indices = column.indices if self.encoded else _places(column, self.known)
        codes = np.minimum(_plain(indices), self.counted)
        if indices.null_count:
            codes[indices.is_null().to_numpy(zero_copy_only=False)] = self.unlisted
            codes[absent.to_numpy(zero_copy_only=False)] = self.counted + 2
        return codes

    def by_segment(self, codes: Integers) -> tuple[Sequence[str | None], Integers]:
        """Return the values of a segment and each row's: what is not counted one by one is together."""
        places = np.where(codes == self.counted + 2, self.counted + 1, np.minimum(codes, self.counted))
        return (*self.known[: self.counted], OTHER_SEGMENT, None), places


@dataclass(frozen=True)
class _Stream:
    """What DuckDB is asked for and how the answer is counted. Columns: version, numbers, then of each text its place and absence."""

    sql: str
    versioned: bool
    nothing: Profile
    texts: dict[str, _Texts]
    segments: tuple[str, ...]  # the whole (*) where the specification names none

    @classmethod
    def of(cls, rows: ibis.Table, spec: ModelSpec, nothing: Profile, layout: Layout) -> _Stream:
        names = dict.fromkeys([*nothing.categorical, *spec.segments])
        texts = {name: _Texts.of(layout.categorical.get(name, ()), layout.tails.get(name)) for name in names}
        versioned = spec.columns.version in rows.columns
        wanted: dict[str, Any] = {"v": as_text(rows[spec.columns.version], _DUCKDB)} if versioned else {}
        wanted |= {f"x{i}": as_number(rows[name]) for i, name in enumerate(nothing.numeric)}
        wanted |= {f"t{i}": as_text(rows[name], _DUCKDB) for i, name in enumerate(texts)}
        chosen = ["v"] if versioned else []
        chosen += [f"x{i}" for i in range(len(nothing.numeric))]
        for i, text in enumerate(texts.values()):
            chosen += [f"{_encoded(f't{i}', text.known)} AS p{i}" if text.encoded else f"t{i}", f"t{i} IS NULL AS a{i}"]
        inner = rows.get_backend().compile(rows.select(**wanted or {"row": ibis.literal(1)}))
        sql = f"SELECT {', '.join(chosen or ['row'])} FROM ({inner})"  # noqa: S608 - names of our own, and what Ibis wrote
        return cls(sql, versioned, nothing, texts, tuple(spec.segments) or (WHOLE,))

    def add(self, block: pa.RecordBatch, tallies: list[dict[Group, Tally]], scratch: Scratch) -> None:
        """Count a block into ``tallies``: for each segment column (or once) those of each group."""
        one = ((None,), np.zeros(block.num_rows, np.intp))
        versions = _versions(block.column(0)) if self.versioned else one
        first = int(self.versioned)
        place = first + len(self.nothing.numeric)
        codes = {
            name: text.codes(block.column(place + 2 * i), block.column(place + 2 * i + 1))
            for i, (name, text) in enumerate(self.texts.items())
        }
        segments = [self.texts[name].by_segment(codes[name]) if name in codes else one for name in self.segments]
        splits = [Split.of(block.num_rows, versions, segment) for segment in segments]
        found = [self._of_groups(split, groups) for split, groups in zip(splits, tallies, strict=True)]
        with np.errstate(all="ignore"):  # what stands in a null's place is any number
            for i, empty in enumerate(self.nothing.numeric.values()):
                sums = [[tally.numbers[i] for tally in groups] for groups in found]
                add_numbers(block.column(first + i), empty, splits, sums, scratch)
            places = {name: first + i for i, name in enumerate(self.nothing.numeric)}
            for place, pair in enumerate(self.nothing.pairs):
                columns, scales = [block.column(places[name]) for name in pair], [self.nothing.numeric[name].scale for name in pair]
                for split, groups in zip(splits, found, strict=True):
                    add_pair(columns, scales, split, groups, place)
        for i, name in enumerate(self.nothing.categorical):
            for split, groups in zip(splits, found, strict=True):
                add_texts(codes[name], self.texts[name].width, split, [tally.texts[i] for tally in groups], scratch)

    def _of_groups(self, split: Split, tallies: dict[Group, Tally]) -> list[Tally]:
        for group, size in zip(split.groups, split.sizes.tolist(), strict=True):
            if group not in tallies:
                tallies[group] = Tally.of(self.nothing)
            tallies[group].rows += size
        return [tallies[group] for group in split.groups]


def _places(column: pa.Array, known: Sequence[str]) -> pa.Array:
    return pc.index_in(column, value_set=pa.array(known, pa.string()))


def _encoded(column: str, known: Sequence[str]) -> str:
    """A DuckDB expression that gives a text's place among the known ones, null for others; it looks each distinct text up once."""
    levels = ", ".join(map(quote_text, known))
    return f"TRY_CAST({column} AS ENUM({levels}))"


def _versions(column: pa.Array) -> tuple[Sequence[str | None], Integers]:
    found = column.dictionary_encode(null_encoding="encode")
    return found.dictionary.to_pylist(), _plain(found.indices)


def _plain(indices: pa.Array) -> Integers:
    """Return whole numbers of any width as an array of our own; what stands in a null's place is any number."""
    kind = np.dtype(indices.type.to_pandas_dtype())
    bare = np.frombuffer(indices.buffers()[1], kind, count=indices.offset + len(indices))[indices.offset :]
    return bare.astype(np.intp)
