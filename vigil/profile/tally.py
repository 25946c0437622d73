"""Blocks of rows counted by numpy: what adds up to the summaries of :mod:`.profile`, group by group, exactly.

Differs from :mod:`.streaming`, which brings the blocks: here are arrays in and counts out. The numbers are those of :mod:`.counting`'s
query, equal to the last digit: sums are of whole numbers below 2**53, so the order of blocks and threads leaves no trace.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vigil.profile.counting import Group, reach
from vigil.profile.layout import Scale
from vigil.profile.profile import FIXED_POINT, CategoricalSummary, NumericSummary, PairSummary, Profile

_COMPARED_EDGES = 64  # beyond so many a binary search is cheaper than comparing with each
_EXACT = 2.0**53  # sums of whole floats are exact below, in whatever order they are added
_SPLIT = 2.0**30
_NAN, _PLUS, _MINUS, _NULL = range(4)  # after the bins

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass
class Numbers:
    """What was counted so far of one numeric column of one group: per bin, then NaN, infinite, minus infinite and null rows."""

    counts: Integers
    total: int = 0
    squares: int = 0
    low: float = math.inf
    high: float = -math.inf

    def __iadd__(self, other: Numbers) -> Numbers:
        self.counts += other.counts
        self.total, self.squares = self.total + other.total, self.squares + other.squares
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        return self

    def summary(self, nothing: NumericSummary) -> NumericSummary:
        *counts, nans, plus, minus, nulls = self.counts.tolist()
        held = sum(counts) > 0
        return replace(
            nothing,
            counts=tuple(counts),
            nulls=nulls,
            nans=nans,
            plus_infs=plus,
            minus_infs=minus,
            minimum=self.low + 0.0 if held else None,  # -0.0 is 0.0
            maximum=self.high + 0.0 if held else None,
            total=self.total,
            squares=self.squares,
        )


@dataclass
class Tally:
    """What was counted so far of one group; ``texts``: per column the rows of each level, then other, unseen and null."""

    rows: int
    numbers: list[Numbers]
    texts: list[Integers]
    pairs: list[PairSummary]

    @classmethod
    def of(cls, nothing: Profile) -> Tally:
        numbers = [Numbers(np.zeros(len(empty.edges) + 5, np.int64)) for empty in nothing.numeric.values()]
        texts = [np.zeros(len(empty.levels) + 3, np.int64) for empty in nothing.categorical.values()]
        return cls(0, numbers, texts, list(nothing.pairs.values()))

    def profile(self, nothing: Profile) -> Profile:
        numeric = {name: sums.summary(empty) for sums, (name, empty) in zip(self.numbers, nothing.numeric.items(), strict=True)}
        categorical = {name: _texts(sums, empty) for sums, (name, empty) in zip(self.texts, nothing.categorical.items(), strict=True)}
        return Profile(nothing.layout, self.rows, numeric, categorical, dict(zip(nothing.pairs, self.pairs, strict=True)))


def _texts(counts: Integers, nothing: CategoricalSummary) -> CategoricalSummary:
    *levels, other, unseen, nulls = counts.tolist()
    return replace(nothing, counts=tuple(levels), other=other, unseen=unseen, nulls=nulls)


@dataclass(frozen=True)
class Split:
    """A block's rows by group: ``code`` is each row's group; ``order`` and ``starts`` bring the groups together; no code is one group.

    ``cells``: width -> ``code * width``, made once for all columns of as many bins.
    """

    groups: list[Group]
    sizes: Integers
    code: Integers | None = None
    order: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    starts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    cells: dict[int, Integers] = field(default_factory=dict)

    @classmethod
    def of(cls, size: int, versions: tuple[Sequence[Any], Integers], segment: tuple[Sequence[Any], Integers]) -> Split:
        """Split ``size`` rows by version and segment; of both: the values that there are, and which of them each row has."""
        (names, version), (values, place) = versions, segment
        if len(names) == 1 and len(values) == 1:
            return cls([(names[0], values[0])], np.array([size]))
        code = version * len(values) + place
        sizes = np.bincount(code, minlength=len(names) * len(values))
        present = np.flatnonzero(sizes)
        groups = [(names[both // len(values)], values[both % len(values)]) for both in present.tolist()]
        if len(groups) == 1:
            return cls(groups, np.array([size]))
        code = (np.cumsum(sizes > 0) - 1)[code]
        order = np.argsort(code.astype(np.uint16) if present.size < 2**16 else code, kind="stable")
        return cls(groups, sizes[present], code, order, np.concatenate([[0], np.cumsum(sizes[present])[:-1]]))


def add_texts(codes: Integers, width: int, split: Split, sums: Sequence[Integers], scratch: Scratch) -> None:
    """Count the rows of each code, below ``width``, into the sums of the split's groups; ``scratch`` is overwritten."""
    for one, counts in zip(sums, _counted(codes, width, split, scratch), strict=True):
        one += counts


class Scratch:
    """Memory that is used again for each block: getting new pages for it takes longer than the arithmetic on them."""

    def __init__(self, rows: int) -> None:
        self.x, self.z, self.sorted = np.empty(rows), np.empty(rows), np.empty(rows)
        self.above, self.bins, self.cells = np.empty(rows, np.bool_), np.empty(rows, np.uint8), np.empty(rows, np.intp)


def add_numbers(
    column: pa.Array, nothing: NumericSummary, splits: Sequence[Split], sums: Sequence[Sequence[Numbers]], scratch: Scratch
) -> None:
    """Count a block of float64 into ``sums``, of each of ``splits`` those of its groups; ``scratch`` is overwritten."""
    x, z = _values(column), scratch.z[: len(column)]
    low, high = float(x.min()), float(x.max())
    odd, kinds = np.zeros(0, np.intp), np.zeros(0, np.intp)
    if column.null_count or not (math.isfinite(low) and math.isfinite(high)):  # a NaN would be both
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        finite = np.isfinite(x) & valid
        odd = np.flatnonzero(~finite)
        value = x[odd]
        kind = np.where(np.isnan(value), _NAN, np.where(value > 0, _PLUS, _MINUS))
        kinds = len(nothing.edges) + 1 + np.where(valid[odd], kind, _NULL)
        held = odd.size < x.size
        np.copyto(scratch.x[: x.size], x)
        x = scratch.x[: x.size]
        x[odd] = x[finite.argmax()] if held else nothing.scale.center  # a finite value that is there, so that extremes are those of others
        low, high = (float(x.min()), float(x.max())) if held else (math.inf, -math.inf)
    counts = _binned(x, odd, kinds, nothing.edges, splits, scratch)
    extremes = [([low], [high]) if split.code is None else _extremes(x, odd, split, scratch) for split in splits]
    nearest, farthest = reach(nothing.scale)
    if low < nearest or high > farthest:
        x = np.clip(x, nearest, farthest)
    steps = _to_steps(x, nothing.scale, z)
    z[odd] = 0.0
    ends = (min(max(end, nearest), farthest) * steps - nothing.scale.center * steps for end in (low, high) if math.isfinite(end))
    largest = max(map(abs, ends), default=0.0) + 1.0
    totals = [_sums(z, split, largest) for split in splits]
    _multiply(z, z, z)
    squares = [_sums(z, split, largest**2 / FIXED_POINT + 1.0) for split in splits]
    for into, counted, total, square, (minima, maxima) in zip(sums, counts, totals, squares, extremes, strict=True):
        for i, one in enumerate(into):
            one += Numbers(counted[i], total[i], square[i], minima[i], maxima[i])


def add_pair(columns: Sequence[pa.Array], scales: Sequence[Scale], split: Split, tallies: Sequence[Tally], place: int) -> None:
    """Count a block's two columns into the pair at ``place`` of the split's groups: the rows where both are finite."""
    values = [_values(column) for column in columns]
    both = np.logical_and.reduce(
        [np.isfinite(x) for x in values] + [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
    )
    steps = [np.empty(both.size), np.empty(both.size)]
    for x, scale, z in zip(values, scales, steps, strict=True):
        _to_steps(np.clip(np.where(both, x, scale.center), *reach(scale)), scale, z)
        z[~both] = 0.0
    left, right = steps
    products = [_multiply(a, b, np.empty(both.size)) for a, b in ((left, left), (right, right), (left, right))]
    sums = [_sums(whole, split, float(np.abs(whole).max(initial=1.0))) for whole in (both.astype(float), left, right, *products)]
    for tally, found in zip(tallies, zip(*sums, strict=True), strict=True):
        tally.pairs[place] += PairSummary(*found)


def _to_steps(x: Floats, scale: Scale, out: Floats) -> float:
    """Write values as whole steps around the center, in the query's order of operations, so that the bits are the same."""
    steps = FIXED_POINT / scale.unit
    np.multiply(x, steps, out=out)
    np.subtract(out, scale.center * steps, out=out)
    np.add(out, 0.5, out=out)
    np.floor(out, out=out)
    return steps


def _multiply(one: Floats, other: Floats, out: Floats) -> Floats:
    np.multiply(one, other, out=out)
    np.multiply(out, 1.0 / FIXED_POINT, out=out)
    np.add(out, 0.5, out=out)
    np.floor(out, out=out)
    return out


def _values(column: pa.Array) -> Floats:
    """Return the column's floats without copying them; what stands in a null's place is any number."""
    bare = pa.Array.from_buffers(pa.float64(), len(column), [None, column.buffers()[1]], offset=column.offset)
    values: Floats = bare.to_numpy()
    return values


def _counted(codes: NDArray[Any], width: int, split: Split, scratch: Scratch) -> NDArray[Any]:
    if split.code is None:
        return np.bincount(codes, minlength=width)[None, :]
    groups = len(split.groups)
    if width not in split.cells:
        split.cells[width] = split.code * width
    return np.bincount(np.add(split.cells[width], codes, out=scratch.cells[: codes.size]), minlength=groups * width).reshape(groups, width)


def _binned(
    x: Floats, odd: Integers, kinds: Integers, edges: Sequence[float], splits: Sequence[Split], scratch: Scratch
) -> list[NDArray[Any]]:
    """Count, of each split, each group's values of each bin, and the ``odd`` ones as their ``kinds``; all of ``x`` is finite."""
    width = len(edges) + 5
    if all(split.code is None for split in splits) and len(edges) <= _COMPARED_EDGES:
        counts = np.zeros(width, np.int64)
        counts[: len(edges) + 1] = _between(x, edges, scratch)
        if odd.size:  # they stand as one finite value in x
            counts[bisect_left(edges, x[odd[0]])] -= odd.size
            counts += np.bincount(kinds, minlength=width)
        return [counts[None, :]] * len(splits)
    bins = _bins(x, edges, scratch)
    bins[odd] = kinds
    return [_counted(bins, width, split, scratch) for split in splits]


def _between(x: Floats, edges: Sequence[float], scratch: Scratch) -> Integers:
    """Count the values of each bin by the values above each edge: two thirds of the time that each value's bin would take."""
    above = scratch.above[: x.size]
    beyond = [x.size]
    for edge in edges:
        np.greater(x, edge, out=above)
        beyond.append(int(np.count_nonzero(above)))
    return -np.diff(np.array([*beyond, 0]))


def _bins(x: Floats, edges: Sequence[float], scratch: Scratch) -> NDArray[Any]:
    """Return how many edges lie below each value: the number of its bin."""
    if len(edges) > _COMPARED_EDGES:
        return np.searchsorted(np.array(edges), x, side="left")
    found, above = scratch.bins[: x.size], scratch.above[: x.size]
    found[:] = 0
    for edge in edges:
        np.greater(x, edge, out=above)
        np.add(found, above.view(np.uint8), out=found)
    return found


def _extremes(x: Floats, odd: Integers, split: Split, scratch: Scratch) -> tuple[list[float], list[float]]:
    """Return each group's least and greatest value, infinite where it has none but odd ones."""
    found: list[list[float]] = []
    together = scratch.sorted[: x.size]
    for extreme, none in ((np.minimum, math.inf), (np.maximum, -math.inf)):
        values = x
        if odd.size:
            values = x.copy()
            values[odd] = none
        if odd.size or not found:
            values.take(split.order, out=together, mode="clip")  # two times as fast as with checks of the places
        found.append(extreme.reduceat(together, split.starts).tolist())
    return found[0], found[1]


def _sums(whole: Floats, split: Split, largest: float) -> list[int]:
    """Sum whole floats of at most ``largest`` by group, exactly: in two halves where one sum could round."""
    if largest * whole.size < _EXACT:
        return [int(value) for value in _plain_sums(whole, split)]
    upper = np.floor(whole / _SPLIT)
    lower = whole - upper * _SPLIT
    return [int(a) * int(_SPLIT) + int(b) for a, b in zip(_plain_sums(upper, split), _plain_sums(lower, split), strict=True)]


def _plain_sums(whole: Floats, split: Split) -> list[float]:
    if split.code is None:
        return [float(whole.sum())]
    summed: list[float] = np.bincount(split.code, weights=whole, minlength=len(split.groups)).tolist()
    return summed
