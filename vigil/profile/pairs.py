"""Which pairs of numeric columns a profile keeps the correlation of: those that the specification names, and the reference's strongest.

Differs from :mod:`.layout` (points and categories of one column each), which holds the pairs that are chosen here.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, cast

import ibis

from vigil.profile.columns import batches
from vigil.profile.counting import in_steps
from vigil.profile.layout import Layout, Pair, some_rows
from vigil.spec.model import ModelSpec

_PAIRS_PER_QUERY = 200


def with_pairs(layout: Layout, rows: ibis.Table, spec: ModelSpec) -> Layout:
    """Add to ``layout`` the pairs that ``spec.drift.correlations`` asks for, by the reference's ``rows``."""
    wanted = spec.drift.correlations
    return layout.with_pairs((*wanted.pairs, *_strongest(layout, rows, spec, wanted.top)))


def _strongest(layout: Layout, rows: ibis.Table, spec: ModelSpec, count: int) -> list[Pair]:
    """The ``count`` pairs of features with the greatest absolute Pearson correlation that the specification does not name."""
    if count == 0:
        return []
    named = {frozenset(pair) for pair in spec.drift.correlations.pairs}
    features = [name for name in spec.features if name in layout.numeric]
    pairs = [pair for pair in combinations(features, 2) if frozenset(pair) not in named]
    some = some_rows(rows)
    stepped = some.select(**{f"z{i}": in_steps(some, name, layout.scales[name]) for i, name in enumerate(features)})
    place = {name: i for i, name in enumerate(features)}
    found: dict[Pair, float] = {}
    for part in batches(pairs, _PAIRS_PER_QUERY):
        columns = {f"r{j}": _correlation(stepped, place[left], place[right]) for j, (left, right) in enumerate(part)}
        answer = stepped.aggregate(**columns).to_pyarrow().to_pylist()[0]
        found |= {pair: abs(r) for j, pair in enumerate(part) if (r := answer[f"r{j}"]) is not None and math.isfinite(r)}
    return sorted(found, key=lambda pair: (-found[pair], pair))[:count]


def _correlation(stepped: ibis.Table, left: int, right: int) -> Any:
    x, y = stepped[f"z{left}"], stepped[f"z{right}"]
    both = x.notnull() & y.notnull()
    one, other = (cast("Any", ibis.ifelse(both, z, ibis.null("float64"))) for z in (x, y))
    return one.corr(other, how="pop")
