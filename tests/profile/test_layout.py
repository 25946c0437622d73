"""The layout: where a reference's columns are counted."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from tests.profile.build import layout_with, make_spec, table
from vigil.errors import SourceError, StoreError
from vigil.profile.layout import BINS, COUNTED_LEVELS, KNOWN_LEVELS, LAYOUT_ROWS, Layout, layout_of
from vigil.profile.scan import profile_rows

X = make_spec({"x": "numeric"})
C = make_spec({"c": "categorical"})


def test_edges_are_the_references_quantiles() -> None:
    """Of 0, 1, ..., 100 the quantiles at 5 %, 10 %, ... are 5, 10, ..., 95."""
    assert layout_of(table(x=list(range(101))), X).numeric["x"] == tuple(float(5 * i) for i in range(1, BINS))


def test_bins_of_a_continuous_reference_hold_equal_shares() -> None:
    """2,000 distinct values in 20 bins are 100 in each."""
    rows = table(x=np.random.default_rng(1).normal(size=2_000))
    layout = layout_of(rows, X)
    assert profile_rows(rows, X, layout)["*", "*"].numeric["x"].counts == (100,) * BINS


def test_edges_of_whole_numbers_are_whole() -> None:
    """An edge between 3 and 4 counts like 3; as 3 it is the same on every engine and in every file."""
    assert all(edge == int(edge) for edge in layout_of(table(x=[1, 2, 3, 4, 5, 7, 9, 12]), X).numeric["x"])


def test_a_constant_has_a_bin_of_its_own() -> None:
    """What is below and what is above a constant is counted apart from it."""
    layout = layout_of(table(x=[7.5] * 30), X)
    counts = profile_rows(table(x=[7.5, 7.5, 7.4, 7.6, 7.7]), X, layout)["*", "*"].numeric["x"].counts
    assert counts == (1, 2, 2)


def test_a_heavy_end_has_a_bin_of_its_own() -> None:
    """Half of the reference is exactly 0, its least value: then a negative value is in a bin that the reference has empty."""
    reference = [0.0] * 50 + [float(i) for i in range(1, 51)]
    layout = layout_of(table(x=reference), X)
    counts = profile_rows(table(x=[-1.0, 0.0, 0.0, -0.0]), X, layout)["*", "*"].numeric["x"].counts
    assert counts[:2] == (1, 3)


def test_the_least_float_of_all_may_be_a_heavy_end() -> None:
    """As where -inf was replaced by it: below it lies nothing, so it needs no edge there."""
    least = -sys.float_info.max
    layout = layout_of(table(x=[least] * 40 + [float(i) for i in range(60)]), make_spec({"x": "numeric"}))
    assert layout.numeric["x"][0] == least
    assert Layout.from_json(layout.to_json()) == layout


@pytest.mark.parametrize("nothing", [pa.nulls(3), [float("nan")] * 3, [float("inf"), float("-inf"), None], pa.array([], pa.float64())])
def test_a_column_without_a_finite_value_has_one_bin(nothing: object) -> None:
    """No edge, so all finite values of a later window are in one bin."""
    layout = layout_of(table(x=nothing), X)
    assert layout.numeric["x"] == ()
    assert profile_rows(table(x=[1.0, 2.0]), X, layout)["*", "*"].numeric["x"].counts == (2,)


def test_nan_and_infinities_do_not_move_the_edges() -> None:
    """The quantiles are those of the finite values."""
    values = [float(i) for i in range(101)]
    wild = [float("nan"), float("inf"), float("-inf"), None]
    assert layout_of(table(x=values + wild * 50), X) == layout_of(table(x=values), X)


def test_the_order_of_rows_does_not_matter() -> None:
    """The same rows in another order have the same digest."""
    rng = np.random.default_rng(2)
    values, names = rng.lognormal(size=5_000), rng.choice(list("abcdef"), 5_000)
    order = rng.permutation(5_000)
    spec = make_spec({"x": "numeric", "c": "categorical"})
    one = layout_of(table(x=values, c=names), spec)
    two = layout_of(table(x=values[order], c=names[order]), spec)
    assert one.digest == two.digest


def test_levels_are_the_most_frequent_first_then_by_name() -> None:
    """b twice; a, B and c once each, in the order of their code points."""
    assert layout_of(table(c=["c", "b", "a", "b", "B", None]), C).categorical["c"] == ("b", "B", "a", "c")


def test_levels_beyond_the_cap_are_known_but_counted_together() -> None:
    """Of 60 categories the 50 most frequent are counted one by one; the other 10 are `other`, a new one is unseen."""
    names = [f"k{i:02d}" for i in range(COUNTED_LEVELS + 10)]
    reference = [name for i, name in enumerate(names) for _ in range(100 - i)]
    layout = layout_of(table(c=reference), C)
    assert layout.categorical["c"] == tuple(names[:COUNTED_LEVELS])
    assert layout.known("c") == tuple(names)
    summary = profile_rows(table(c=["k00", "k59", "k58", "new"]), C, layout)["*", "*"].categorical["c"]
    assert (summary.counts[0], summary.other, summary.unseen) == (1, 2, 1)


def test_more_levels_than_can_be_listed_are_all_other() -> None:
    """Beyond the known levels a new category cannot be told from a rare one, and the layout says so."""
    layout = layout_of(table(c=[f"{i:06d}" for i in range(KNOWN_LEVELS + 1)]), C)
    assert layout.known("c") is None
    summary = profile_rows(table(c=["000000", "050000", "new", None]), C, layout)["*", "*"].categorical["c"]
    assert (summary.counts[0], summary.other, summary.unseen, summary.nulls) == (1, 2, 0, 1)


def test_the_unit_of_moments_is_a_power_of_two_near_the_spread() -> None:
    """5 % to 95 % of 0..100 is 90 wide, and 128 is the next power of two; its middle is 50."""
    scale = layout_of(table(x=list(range(101))), X).scales["x"]
    assert (scale.center, scale.unit) == (50.0, 128.0)


def test_a_layout_reads_back_what_it_wrote() -> None:
    """JSON and digest are the same after a round trip."""
    spec = make_spec({"x": "numeric", "c": "categorical"})
    layout = layout_of(table(x=[0.1, 0.2, 1 / 3], c=["é", '"', "\u202e"]), spec)
    assert Layout.from_json(layout.to_json()) == layout
    assert Layout.from_json(layout.to_json()).digest == layout.digest


def test_another_edge_is_another_digest() -> None:
    """One bit of one edge is enough."""
    assert layout_with({"x": [0.3]}).digest != layout_with({"x": [0.1 + 0.2]}).digest


def test_a_layout_of_another_format_is_refused() -> None:
    """Instead of being misread."""
    body = json.loads(layout_with({"x": [1.0]}).to_json()) | {"format": 99}
    with pytest.raises(StoreError, match="format 1, got 99"):
        Layout.from_json(json.dumps(body))


def test_the_score_is_laid_out_where_the_reference_has_it() -> None:
    """A reference without scores has a layout without."""
    assert set(layout_of(table(x=[1.0], score=[0.5]), X).numeric) == {"x", "score"}
    assert set(layout_of(table(x=[1.0]), X).numeric) == {"x"}


def test_numbers_of_every_kind_are_numbers() -> None:
    """Booleans, decimals, unsigned and 32-bit columns are all laid out."""
    columns = {
        "flag": pa.array([True, False, None]),
        "price": pa.array([Decimal("1.10"), Decimal("2.20"), None], pa.decimal128(20, 2)),
        "bytes": pa.array([2**64 - 1, 0, 1], pa.uint64()),
        "single": pa.array([0.1, 0.2, None], pa.float32()),
    }
    layout = layout_of(table(**columns), make_spec(dict.fromkeys(columns, "numeric")))
    assert set(layout.numeric) == set(columns)


def test_a_missing_feature_is_named() -> None:
    """With the columns that there are and what to do next."""
    with pytest.raises(SourceError, match=r"model m: column `x`: the feature is not in the rows; they have y, z\..*Rename") as caught:
        layout_of(table(y=[1], z=[2]), X)
    assert caught.value.column == "x"


@pytest.mark.parametrize("values", [["1", "2"], pa.array([0], pa.timestamp("us"))])
def test_a_numeric_feature_that_holds_no_numbers_is_refused(values: object) -> None:
    """A text column is not silently dropped or parsed."""
    with pytest.raises(SourceError, match="expected numbers, the column's type is") as caught:
        layout_of(table(x=values), X)
    assert caught.value.column == "x"


@pytest.mark.parametrize("values", [[[1]], [{"a": 1}], [b"raw"]])
def test_a_categorical_feature_of_nested_values_is_refused(values: object) -> None:
    """A list, a struct or raw bytes is not a category."""
    with pytest.raises(SourceError, match="expected plain values"):
        layout_of(table(c=values), C)


def test_many_rows_are_laid_out_by_a_fixed_part_of_them() -> None:
    """Of 400,000 rows a quarter is looked at: each bin's share of all rows is a twentieth within 4 standard errors, the same every time."""
    rng = np.random.default_rng(11)
    values = rng.normal(size=4 * LAYOUT_ROWS)
    rows = table(x=values, c=["a"] * (4 * LAYOUT_ROWS - 1) + ["rare"])
    spec = make_spec({"x": "numeric", "c": "categorical"})
    layout = layout_of(rows, spec)
    shares = np.searchsorted(np.sort(values), layout.numeric["x"]) / values.size
    assert layout == layout_of(rows, spec)
    assert layout.numeric["x"] != tuple(np.quantile(values, np.arange(1, 20) / 20))
    assert np.abs(shares - np.arange(1, 20) / 20).max() < 4 * 0.5 / np.sqrt(LAYOUT_ROWS)
    assert layout.categorical["c"] == ("a", "rare")
