"""Counting from DuckDB's stream: equal, to the last digit, to counting by a query of the engine."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.profile.build import layout_with, make_spec, table
from tests.profile.engines import everything, spec_of_everything
from vigil.profile.counting import Counted, count_by_query
from vigil.profile.layout import Layout, Scale, layout_of
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.profile.streaming import count_by_stream
from vigil.spec.model import ModelSpec

X = make_spec({"x": "numeric"})
floats = st.one_of(st.none(), st.floats(), st.sampled_from([-0.0, 0.0, 1.0, math.nan, math.inf, -math.inf, 5e-324, 1.7e308]))


def both(rows: ibis.Table, spec: ModelSpec, layout: Layout) -> tuple[list[Counted], list[Counted]]:
    """The rows counted in both ways."""
    nothing = Profile.empty(layout)
    return count_by_stream(rows, spec, nothing, layout), count_by_query(rows, spec, nothing, layout)


def layout_at(edges: list[float], scale: Scale, levels: tuple[str, ...] = (), tail: tuple[str, ...] | None = ()) -> Layout:
    categorical = {"g": levels} if levels else {}
    return Layout({"x": tuple(edges)}, categorical, {"x": scale}, {"g": tail} if levels else {})


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(floats, min_size=1, max_size=40),
    edges=st.lists(st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0), max_size=5, unique=True).map(sorted),
    center=st.floats(-1e6, 1e6),
    exponent=st.integers(-30, 30),
    segmented=st.booleans(),
)
@example(values=[None, None], edges=[0.0], center=0.0, exponent=0, segmented=False)
@example(values=[math.nan, math.inf, -math.inf, None], edges=[], center=0.0, exponent=0, segmented=True)
@example(values=[-0.0, 0.0], edges=[0.0], center=0.0, exponent=0, segmented=False)
@example(values=[None, 3.0, None], edges=[5.0], center=9.0, exponent=0, segmented=False)
@example(values=[1.7e308, -1.7e308, 7.0], edges=[0.0], center=1e6, exponent=-30, segmented=True)
def test_any_floats_are_counted_alike(
    values: list[float | None], edges: list[float], center: float, exponent: int, *, segmented: bool
) -> None:
    """Nulls, NaN, infinities, -0.0, the smallest and the largest, with any edges and any unit, whole, by version and by segment."""
    groups = [None if i % 3 == 0 else f"g{i % 4}" for i in range(len(values))]
    rows = table(x=pa.array(values, pa.float64()), g=pa.array(groups, pa.string()), model_version=[str(i % 2) for i in range(len(values))])
    spec = make_spec({"x": "numeric", "g": "categorical"}, segments=["g"] if segmented else [])
    streamed, queried = both(rows, spec, layout_at(edges, Scale(center, 2.0**exponent), ("g1",), ("g2",)))
    assert streamed == queried


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30), st.integers(-(2**63), 2**63 - 1))
def test_any_64_bit_integers_are_counted_alike(values: list[int | None], edge: int) -> None:
    """Beyond 2**53, where not every whole number is a float, both round to the same one."""
    streamed, queried = both(table(x=pa.array(values, pa.int64())), X, layout_at([float(edge)], Scale(0.0, 1.0)))
    assert streamed == queried


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False, None]),
        pa.array([Decimal("1.10"), Decimal("-2.25"), None, Decimal("123456789012345.67")], pa.decimal128(20, 2)),
        pa.array([2**64 - 1, 0, 1], pa.uint64()),
        pa.array([0.1, math.nan, None, math.inf], pa.float32()),
        pa.array([7.0] * 100),
        pa.array([None, None], pa.float64()),
    ],
)
def test_every_kind_of_number_is_counted_alike(values: pa.Array) -> None:
    """Booleans, decimals, unsigned, 32-bit, constant and absent values."""
    streamed, queried = both(table(x=values), X, layout_at([0.0, 1.1, 7.0], Scale(0.5, 4.0)))
    assert streamed == queried


@pytest.mark.parametrize(
    ("levels", "tail"),
    [
        (("1", "a'b", ""), ("x",)),
        (("1",), None),
        (("1", "é"), tuple(f"level {i}" for i in range(1_500))),
        (tuple(f"{i}" for i in range(1_200)), ()),
    ],
)
def test_categories_are_counted_alike(levels: tuple[str, ...], tail: tuple[str, ...] | None) -> None:
    """Few known ones, which DuckDB encodes; a list that was too long; many, which are looked up here. Nulls, unseen and quotes too."""
    values = ["1", "a'b", "", "x", None, "new", "é", "level 7", "1199", "1"] * 3
    layout = layout_at([0.0], Scale(0.0, 1.0), levels, tail)
    rows = table(g=pa.array(values, pa.string()), x=pa.array(range(30), pa.float64()))
    for segments in ([], ["g"]):
        streamed, queried = both(rows, make_spec({"x": "numeric", "g": "categorical"}, segments=segments), layout)
        assert streamed == queried


def test_everything_that_engines_count_differently_is_counted_alike() -> None:
    """64-bit extremes, decimals, times, hostile names and values, two segment columns."""
    spec, rows = spec_of_everything(), ibis.memtable(everything())
    streamed, queried = both(rows, spec, layout_of(rows, spec))
    assert streamed == queried


def test_several_blocks_are_counted_as_one() -> None:
    """200,000 rows are four blocks; one has a NaN, one a null, and 70 edges are searched instead of compared."""
    rng = np.random.default_rng(7)
    values = rng.lognormal(0.0, 3.0, 200_000)
    values[100_000] = math.nan
    mask = np.zeros(values.size, bool)
    mask[150_000] = True
    columns: dict[str, Any] = {"x": pa.array(values, mask=mask), "model_version": rng.choice(["1", "2"], values.size)}
    rows = table(**columns, g=rng.choice([f"{i}" for i in range(30)], values.size))
    spec = make_spec({"x": "numeric", "g": "categorical"}, segments=["g"])
    for count in (19, 70):
        edges = np.quantile(values[:90_000], np.arange(1, count + 1) / (count + 1)).tolist()
        streamed, queried = both(rows, spec, layout_at(edges, Scale(1.0, 2.0), tuple(f"{i}" for i in range(20)), ("20", "21")))
        assert streamed == queried


def test_a_wide_table_streams_in_smaller_blocks(tmp_path: Path) -> None:
    """300 columns of 30,000 rows: several blocks where 25 columns were one, and the same counts."""
    rng = np.random.default_rng(9)
    names = [f"x{i}" for i in range(300)]
    pq.write_table(pa.table({name: rng.normal(size=30_000) for name in names}), tmp_path / "wide.parquet")
    rows = ibis.duckdb.connect().read_parquet(tmp_path / "wide.parquet")
    layout = layout_with({name: [-1.0, 0.0, 1.0] for name in names})
    whole = profile_rows(rows, make_spec(dict.fromkeys(names, "numeric")), layout)["*", "*"]
    few = profile_rows(rows, make_spec(dict.fromkeys(names[:3], "numeric")), layout)["*", "*"]
    assert whole.rows == 30_000
    assert {name: whole.numeric[name] for name in names[:3]} == dict(few.numeric)


def test_moments_too_large_for_a_float_are_summed_without_loss() -> None:
    """70,000 values at the fixed point's end: z is 2**40, its square 2**60 steps each, and three rows of one step more show."""
    values = [2.0**20] * 70_000 + [2.0**-20] * 3
    summary = profile_rows(table(x=values), X, layout_with({"x": [1.0]}))["*", "*"].numeric["x"]
    assert summary.total == 70_000 * 2**40 + 3
    assert summary.squares == 70_000 * 2**60


def test_columns_that_are_not_profiled_cost_nothing_and_change_nothing() -> None:
    """Only what the layout has is counted; without any column the rows still are."""
    rows = table(x=[1.0, 2.0], other=["a", "b"])
    layout = replace(layout_with({"x": [1.5]}), numeric={}, scales={})
    assert profile_rows(rows, X, layout)["*", "*"].rows == 2
