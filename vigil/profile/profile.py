"""A profile: what one scan keeps of some rows. Profiles of the same layout add up, so any union of rows is a sum of profiles.

Every number in it is an integer count, an integer sum in fixed point, or an extreme: adding them is exact, so the order
of rows, threads, files and merges leaves no trace and a rebuilt profile is equal byte for byte. (Sums of floats depend on
their order, and engines add in whatever order their threads finish.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, TypeVar

from pydantic_core import from_json as parse_json  # exact as json's, three times as fast

from vigil.errors import StoreError
from vigil.profile.layout import Layout, Pair, Scale

FIXED_POINT = 2**20  # moments are summed in steps of unit / FIXED_POINT; a value further than FIXED_POINT units away counts as that far
_FORMAT = 1
_ADDED = frozenset({"nulls", "nans", "plus_infs", "minus_infs", "total", "squares", "other", "unseen"})


@dataclass(frozen=True)
class NumericSummary:
    """One numeric column of some rows.

    Attributes:
        edges, scale: of the layout; bin ``j`` is ``(edges[j-1], edges[j]]``, the outer bins are open.
        counts: finite values per bin; one more than there are edges.
        nulls, nans, plus_infs, minus_infs: rows without a finite value, each kind apart; they are in none of the others.
        minimum, maximum: of the finite values; None where there is none.
        total, squares: sums of ``z`` and ``z**2``, ``z = (x - center) / unit``, in steps of ``1 / FIXED_POINT``.
    """

    edges: tuple[float, ...]
    scale: Scale
    counts: tuple[int, ...]
    nulls: int = 0
    nans: int = 0
    plus_infs: int = 0
    minus_infs: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: int = 0
    squares: int = 0

    @property
    def n(self) -> int:
        """The number of finite values."""
        return sum(self.counts)

    @property
    def missing(self) -> int:
        """Rows without a usable value: null, NaN or infinite."""
        return self.nulls + self.nans + self.plus_infs + self.minus_infs

    @property
    def mean(self) -> float | None:
        """The mean, within ``unit / 2**21`` of the exact one (values beyond ``2**20`` units count as that far)."""
        return None if self.n == 0 else self.scale.center + self.scale.unit * (self.total / (FIXED_POINT * self.n))

    @property
    def std(self) -> float | None:
        """The standard deviation (divided by n) of the same values; one below ``unit / 1000`` is lost in the steps."""
        if self.n == 0:
            return None
        variance = self.squares * FIXED_POINT * self.n - self.total**2  # in integers, so nothing cancels
        return self.scale.unit * math.sqrt(max(variance, 0) / (FIXED_POINT * self.n) ** 2)

    def __add__(self, other: NumericSummary) -> NumericSummary:
        return NumericSummary(
            edges=self.edges,
            scale=self.scale,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            nulls=self.nulls + other.nulls,
            nans=self.nans + other.nans,
            plus_infs=self.plus_infs + other.plus_infs,
            minus_infs=self.minus_infs + other.minus_infs,
            minimum=_either(min, self.minimum, other.minimum),
            maximum=_either(max, self.maximum, other.maximum),
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )


@dataclass(frozen=True)
class CategoricalSummary:
    """One categorical column of some rows.

    Attributes:
        levels: the layout's counted categories.
        counts: rows per counted category.
        nulls: rows without a value; they are in none of the others.
        other: rows of the reference's remaining categories.
        unseen: rows of categories that the reference did not have.
    """

    levels: tuple[str, ...]
    counts: tuple[int, ...]
    nulls: int = 0
    other: int = 0
    unseen: int = 0

    @property
    def n(self) -> int:
        """The number of rows with a value."""
        return sum(self.counts) + self.other + self.unseen

    @property
    def missing(self) -> int:
        """Rows without a usable value."""
        return self.nulls

    def __add__(self, other: CategoricalSummary) -> CategoricalSummary:
        return CategoricalSummary(
            levels=self.levels,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            nulls=self.nulls + other.nulls,
            other=self.other + other.other,
            unseen=self.unseen + other.unseen,
        )


@dataclass(frozen=True)
class PairSummary:
    """Two numeric columns of some rows, of those where both are finite: how many, and their moments in steps of ``1 / FIXED_POINT``.

    Attributes:
        left, right, left_squares, right_squares, products: sums of ``z``, ``z**2`` and ``z_left * z_right``, each column's ``z`` as in
            :class:`NumericSummary`.
    """

    n: int = 0
    left: int = 0
    right: int = 0
    left_squares: int = 0
    right_squares: int = 0
    products: int = 0

    @property
    def correlation(self) -> float | None:
        """Pearson's correlation, in [-1, 1]; None where a side has no spread (one below ``unit / 1000`` is lost in the steps)."""
        scaled = FIXED_POINT * self.n
        variances = (self.left_squares * scaled - self.left**2, self.right_squares * scaled - self.right**2)
        if min(variances) <= 0:
            return None
        found = (self.products * scaled - self.left * self.right) / math.sqrt(variances[0] * variances[1])
        return min(max(found, -1.0), 1.0)

    def __add__(self, other: PairSummary) -> PairSummary:
        return PairSummary(*map(sum, zip(astuple(self), astuple(other), strict=True)))


Summary = NumericSummary | CategoricalSummary


@dataclass(frozen=True)
class Profile:
    """The columns of some rows, counted by one layout, of which ``layout`` is the digest.

    A column of the layout that the rows did not have (a reference without the score) is absent.
    """

    layout: str
    rows: int
    numeric: Mapping[str, NumericSummary]
    categorical: Mapping[str, CategoricalSummary]
    pairs: Mapping[Pair, PairSummary] = field(default_factory=dict)

    def column(self, name: str) -> Summary | None:
        """Return the column's summary; None where the rows did not have it."""
        return self.numeric.get(name) or self.categorical.get(name)

    @classmethod
    def empty(cls, layout: Layout) -> Profile:
        """Return the profile of no rows: what adding leaves as it was."""
        return cls(
            layout=layout.digest,
            rows=0,
            numeric={name: NumericSummary(edges, layout.scales[name], (0,) * (len(edges) + 1)) for name, edges in layout.numeric.items()},
            categorical={name: CategoricalSummary(levels, (0,) * len(levels)) for name, levels in layout.categorical.items()},
            pairs={pair: PairSummary() for pair in layout.pairs},
        )

    def __add__(self, other: Profile) -> Profile:
        """Return the profile of both sets of rows. Columns that only one side has are left out.

        Raises:
            ValueError: the layouts differ, so the counts cannot be added.
        """
        if self.layout != other.layout:
            raise _different_layouts(self.layout, other.layout)
        return Profile(
            layout=self.layout,
            rows=self.rows + other.rows,
            numeric={name: summary + other.numeric[name] for name, summary in self.numeric.items() if name in other.numeric},
            categorical={
                name: summary + other.categorical[name] for name, summary in self.categorical.items() if name in other.categorical
            },
            pairs={pair: summary + other.pairs[pair] for pair, summary in self.pairs.items() if pair in other.pairs},
        )

    def to_json(self) -> str:
        """Write the profile as canonical JSON: equal profiles are equal texts."""
        body = {
            "format": _FORMAT,
            "layout": self.layout,
            "rows": self.rows,
            "numeric": {
                name: vars(summary) | {"scale": [summary.scale.center, summary.scale.unit]} for name, summary in self.numeric.items()
            },
            "categorical": {name: vars(summary) for name, summary in self.categorical.items()},
        }
        if self.pairs:
            body["pairs"] = [[*pair, *astuple(summary)] for pair, summary in sorted(self.pairs.items())]
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what :meth:`to_json` wrote.

        Raises:
            StoreError: another version of vigil wrote it.
        """
        return _profile_from(_read(text))


def profile_sum(texts: Iterable[str]) -> Profile:
    """Return the sum of profiles written by :meth:`Profile.to_json`; at least one.

    Equal to adding what :meth:`Profile.from_json` reads, at a fraction of its time: numbers are added as they are read, and only
    the sum becomes a profile. A column that one of them lacks is left out.

    Raises:
        StoreError: another version of vigil wrote one of them.
        ValueError: the layouts differ, so the counts cannot be added; or there is nothing to add.
    """
    bodies = [_read(text) for text in texts]
    if not bodies:
        raise ValueError("a sum needs at least one profile; without any there is Profile.empty(layout)")
    layouts = sorted({body["layout"] for body in bodies})
    if len(layouts) > 1:
        raise _different_layouts(*layouts[:2])
    first = bodies[0]
    columns = {
        kind: {
            name: _entry_sum([body[kind][name] for body in bodies]) for name in first[kind] if all(name in body[kind] for body in bodies)
        }
        for kind in ("numeric", "categorical")
    }
    pairs = [_pairs_from(body) for body in bodies]
    summed = {pair: sum((found[pair] for found in pairs), PairSummary()) for pair in pairs[0] if all(pair in found for found in pairs)}
    total = _profile_from({**first, **columns, "rows": sum(body["rows"] for body in bodies)})
    return replace(total, pairs=summed)


def _entry_sum(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = dict(entries[0])
    total["counts"] = list(map(sum, zip(*(entry["counts"] for entry in entries), strict=True)))
    for name in _ADDED & total.keys():
        total[name] = sum(entry[name] for entry in entries)
    for name, choose in (("minimum", min), ("maximum", max)):
        if name in total:
            total[name] = choose((entry[name] for entry in entries if entry[name] is not None), default=None)
    return total


def _read(text: str) -> dict[str, Any]:
    body: dict[str, Any] = parse_json(text)
    if body.get("format") != _FORMAT:
        raise StoreError(f"expected a profile of format {_FORMAT}, got {body.get('format')!r}; profile the rows again")
    return body


def _profile_from(body: Mapping[str, Any]) -> Profile:
    return Profile(
        layout=body["layout"],
        rows=body["rows"],
        numeric={name: _numeric_from(entry) for name, entry in body["numeric"].items()},
        categorical={
            name: CategoricalSummary(**entry | {"levels": tuple(entry["levels"]), "counts": tuple(entry["counts"])})
            for name, entry in body["categorical"].items()
        },
        pairs=_pairs_from(body),
    )


def _pairs_from(body: Mapping[str, Any]) -> dict[Pair, PairSummary]:
    return {(left, right): PairSummary(*sums) for left, right, *sums in body.get("pairs", ())}


def _numeric_from(entry: Mapping[str, Any]) -> NumericSummary:
    read = {"edges": tuple(entry["edges"]), "counts": tuple(entry["counts"]), "scale": Scale(*entry["scale"])}
    return NumericSummary(**{**entry, **read})


def _different_layouts(one: str, other: str) -> ValueError:
    return ValueError(f"profiles of different layouts cannot be added ({one[:12]} and {other[:12]}); profile both with the same layout")


_T = TypeVar("_T")


def _either(choose: Callable[[_T, _T], _T], one: _T | None, two: _T | None) -> _T | None:
    if one is None or two is None:
        return two if one is None else one
    return choose(one, two)
