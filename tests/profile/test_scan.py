"""The scan: profiles of rows, by version and segment, counted in the engine."""

from __future__ import annotations

import math
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from tests.profile.build import counted, layout_with, make_spec, table
from vigil.errors import SourceError
from vigil.profile.layout import Layout, Scale, layout_of
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows

X = make_spec({"x": "numeric"})
C = make_spec({"c": "categorical"})


def test_every_kind_of_value_is_counted_apart() -> None:
    """Bins (-inf, 0], (0, 1], (1, inf) hold -2, -0.0 and 0 | 0.5 and 1 | 3; null, NaN and both infinities are in none."""
    values = [-2.0, -0.0, 0.0, 0.5, 1.0, 3.0, None, math.nan, math.nan, math.inf, -math.inf, -math.inf]
    summary = profile_rows(table(x=values), X, layout_with({"x": [0.0, 1.0]}))["*", "*"].numeric["x"]
    assert summary.counts == (3, 2, 1)
    assert (summary.nulls, summary.nans, summary.plus_infs, summary.minus_infs) == (1, 2, 1, 2)
    assert (summary.minimum, summary.maximum, summary.n, summary.missing) == (-2.0, 3.0, 6, 6)
    assert summary.mean == 2.5 / 6  # -2 + 0 + 0 + 0.5 + 1 + 3
    assert summary.std == pytest.approx(math.sqrt(14.25 / 6 - (2.5 / 6) ** 2), abs=1e-6)  # 4 + 0.25 + 1 + 9


def test_minus_zero_leaves_no_trace() -> None:
    """-0.0 and 0.0 are one value: the profile is the same text whichever the rows have."""
    layout = layout_with({"x": [0.0]})
    minus, plus = (profile_rows(table(x=[zero, 1.0]), X, layout)["*", "*"].to_json() for zero in (-0.0, 0.0))
    assert minus == plus


def test_counts_and_moments_equal_numpys() -> None:
    """On 20,000 values, many of them exactly on an edge of 17 digits, every count, extreme and sum is equal."""
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.lognormal(3, 2, 9_990), np.repeat(rng.normal(size=1_000), 10), [math.nan, math.inf, -math.inf] * 4])
    layout = layout_of(table(x=values), X)
    edges = tuple(sorted({*layout.numeric["x"], *values[9_990:19_990:500]}))
    layout = Layout({"x": edges}, {}, layout.scales, {})
    summary = profile_rows(table(x=values), X, layout)["*", "*"].numeric["x"]
    assert summary == counted(values.tolist(), edges, layout.scales["x"])


@pytest.mark.parametrize("values", [[2**63 - 1, -(2**63), 0, None], [1.7e308, -1.7e308, 1e-320, 5.0], [1e300] * 5, [1e-310, 0.0]])
def test_extreme_numbers_neither_overflow_nor_vanish(values: list[float]) -> None:
    """Sums of 64-bit integers and of the largest floats are kept in fixed point."""
    layout = layout_of(table(x=values), X)
    summary = profile_rows(table(x=values), X, layout)["*", "*"].numeric["x"]
    assert summary.n == len([value for value in values if value is not None])
    assert summary.minimum == min(float(value) for value in values if value is not None)
    assert math.isfinite(summary.mean or 0.0)
    assert math.isfinite(summary.std or 0.0)


def test_a_wild_value_counts_as_far_as_the_fixed_point_reaches() -> None:
    """1e300 in a column of unit 1 counts as 2**20 in the mean, and as itself in the maximum."""
    summary = profile_rows(table(x=[0.0, 1e300]), X, layout_with({"x": [0.5]}))["*", "*"].numeric["x"]
    assert summary.mean == 2.0**19
    assert summary.maximum == 1e300


def test_categories_are_counted_by_level_other_unseen_and_null() -> None:
    """a twice, b never; z is of the reference's tail, new is not of the reference."""
    layout = Layout({}, {"c": ("a", "b")}, {}, {"c": ("z",)})
    summary = profile_rows(table(c=["a", "a", "z", "new", "A", None]), C, layout)["*", "*"].categorical["c"]
    assert (summary.counts, summary.other, summary.unseen, summary.nulls, summary.n) == ((2, 0), 1, 2, 1, 5)


def test_a_category_is_the_same_whichever_type_the_file_gave_it() -> None:
    """3, 3.0 and the text 3 are one category: pandas writes whole numbers with nulls as floats."""
    layout = layout_of(table(c=[3, 4]), C)
    for values in ([3, 3, None], [3.0, 3.0, None], ["3", "3", None], [3.0, 3.0, math.nan]):
        summary = profile_rows(table(c=values), C, layout)["*", "*"].categorical["c"]
        assert (summary.counts, summary.nulls, summary.unseen) == ((2, 0), 1, 0)


def test_twenty_thousand_new_categories_are_all_unseen() -> None:
    """A window that shares no category with a reference of 20,000 has nothing but unseen rows."""
    layout = layout_of(table(c=[f"old{i}" for i in range(20_000)]), C)
    same = profile_rows(table(c=[f"old{i}" for i in range(20_000)]), C, layout)["*", "*"].categorical["c"]
    new = profile_rows(table(c=[f"new{i}" for i in range(20_000)]), C, layout)["*", "*"].categorical["c"]
    assert (sum(same.counts), same.other, same.unseen) == (50, 19_950, 0)
    assert (sum(new.counts), new.other, new.unseen) == (0, 0, 20_000)


def test_versions_and_segments_are_profiled_and_add_up() -> None:
    """Versions 1 and 2, origins EWR, JFK and null: each has its rows, `*` has all."""
    rows = table(
        x=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        origin=["EWR", "EWR", "JFK", "EWR", None, "XXX"],
        carrier=["UA", "UA", "UA", "B6", "B6", "B6"],
        model_version=["1", "1", "1", "2", "2", None],
    )
    spec = make_spec({"x": "numeric", "origin": "categorical", "carrier": "categorical"}, segments=["origin", "carrier"])
    layout = layout_with({"x": [3.0]}, {"origin": ["EWR", "JFK"], "carrier": ["UA", "B6"]})
    found = {key: profile.rows for key, profile in profile_rows(rows, spec, layout).items()}
    assert found == {
        ("*", "*"): 6,
        ("1", "*"): 3,
        ("2", "*"): 2,
        ("*", "origin=EWR"): 3,
        ("*", "origin=JFK"): 1,
        ("*", "origin=(null)"): 1,
        ("*", "origin=(other)"): 1,
        ("1", "origin=EWR"): 2,
        ("1", "origin=JFK"): 1,
        ("2", "origin=EWR"): 1,
        ("2", "origin=(null)"): 1,
        ("*", "carrier=UA"): 3,
        ("*", "carrier=B6"): 3,
        ("1", "carrier=UA"): 3,
        ("2", "carrier=B6"): 2,
    }


def test_segments_change_nothing_of_the_whole() -> None:
    """The whole window's profile is the same text with and without segments."""
    rng = np.random.default_rng(4)
    rows = table(x=rng.normal(size=500), c=rng.choice(list("abc"), 500), model_version=rng.choice(["1", "2"], 500))
    features = {"x": "numeric", "c": "categorical"}
    layout = layout_of(rows, make_spec(features))
    plain = profile_rows(rows, make_spec(features), layout)
    split = profile_rows(rows, make_spec(features, segments=["c"]), layout)
    assert all(split[key].to_json() == profile.to_json() for key, profile in plain.items())


def test_rows_without_a_version_column_are_all_versions() -> None:
    """Reference rows have no version."""
    assert set(profile_rows(table(x=[1.0]), X, layout_with({"x": [0.0]}))) == {("*", "*")}


def test_whole_number_versions_are_named_as_text() -> None:
    """A log that writes versions as numbers has the same keys."""
    rows = table(x=[1.0, 2.0], model_version=[1, 2])
    assert set(profile_rows(rows, X, layout_with({"x": [0.0]}))) == {("*", "*"), ("1", "*"), ("2", "*")}


def test_an_empty_window_is_an_empty_profile() -> None:
    """No row is a result: the profile that changes nothing when added."""
    spec = make_spec({"x": "numeric", "c": "categorical"}, segments=["c"])
    rows = table(x=[1.0], c=["a"], model_version=["1"])
    layout = layout_of(rows, spec)
    found = profile_rows(rows.filter(rows.x > 5), spec, layout)
    assert found == {("*", "*"): Profile.empty(layout)}


def test_hostile_column_names_are_only_names() -> None:
    """Quotes, markup, 300 characters, right-to-left marks, and the names that the query itself uses."""
    numeric = ['"; DROP TABLE x; --', "</script>", "é" * 300, "\u202eabc", "a b.c", "select", "x0", "f0", "z0", "rows", "row", "version"]
    texts = ["level", "kind", "column", "n", "segment", "'; --"]
    columns = {name: [1.0, 2.0, 3.0] for name in numeric} | {name: ["a'", 'b"', None] for name in texts}
    spec = make_spec(dict.fromkeys(numeric, "numeric") | dict.fromkeys(texts, "categorical"), segments=["segment", "'; --"])
    rows = table(**columns, model_version=["1", "1", "1"])
    layout = layout_of(rows, spec)
    profile = profile_rows(rows, spec, layout)["1", "*"]
    assert {name: summary.mean for name, summary in profile.numeric.items()} == dict.fromkeys(numeric, 2.0)
    assert {name: (s.counts, s.nulls) for name, s in profile.categorical.items()} == dict.fromkeys(texts, ((1, 1), 1))


def test_a_rebuilt_profile_is_equal_byte_for_byte(tmp_path: Path) -> None:
    """The same rows in another order, over other files and read by other threads, are the same text."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.lognormal(0, 3, 50_000), "c": rng.choice(list("abcdefgh"), 50_000), "model_version": "1"})
    frame.to_parquet(tmp_path / "whole.parquet", row_group_size=2_000)
    shuffled = frame.sample(frac=1.0, random_state=6)
    for part in range(5):
        shuffled.iloc[part::5].to_parquet(tmp_path / f"part{part}.parquet")
    spec = make_spec({"x": "numeric", "c": "categorical"})
    one, two = ibis.duckdb.connect(threads=1), ibis.duckdb.connect(threads=4)
    whole, parts = one.read_parquet(tmp_path / "whole.parquet"), two.read_parquet(tmp_path / "part*.parquet")
    layout = layout_of(whole, spec)
    assert layout_of(parts, spec).to_json() == layout.to_json()
    assert profile_rows(parts, spec, layout)["1", "*"].to_json() == profile_rows(whole, spec, layout)["1", "*"].to_json()


def test_a_wide_table_is_scanned_in_batches() -> None:
    """41 numeric and 41 categorical columns are one more of each than a query takes; each has its own counts."""
    numbers = {f"x{i}": [float(i), float(i), math.nan] for i in range(41)}
    texts = {f"c{i}": [f"v{i}", None, "w"] for i in range(41)}
    spec = make_spec(dict.fromkeys(numbers, "numeric") | dict.fromkeys(texts, "categorical"))
    layout = layout_with({name: [20.5] for name in numbers}, {name: [values[0]] for name, values in texts.items()})
    profile = profile_rows(table(**numbers, **texts), spec, layout)["*", "*"]
    assert [profile.numeric[f"x{i}"].counts for i in range(41)] == [(2, 0)] * 21 + [(0, 2)] * 20
    assert {(s.counts, s.nulls, s.unseen) for s in profile.categorical.values()} == {((1,), 1, 1)}


def test_a_layouts_score_that_the_rows_lack_is_left_out() -> None:
    """Reference rows may come without scores; the features are profiled all the same."""
    layout = layout_with({"x": [0.0], "score": [0.5]})
    assert set(profile_rows(table(x=[1.0]), X, layout)["*", "*"].numeric) == {"x"}
    assert set(profile_rows(table(x=[1.0], score=[0.1]), X, layout)["*", "*"].numeric) == {"x", "score"}


def test_a_window_whose_feature_turned_to_text_is_refused() -> None:
    """With the column's name and its type, instead of a report without the feature."""
    with pytest.raises(SourceError, match="column `x`: expected numbers, the column's type is string"):
        profile_rows(table(x=["1.0", "oops"]), X, layout_with({"x": [0.0]}))


def test_the_scale_is_what_the_moments_are_summed_in() -> None:
    """1 and 3 around 2 in units of 4 are -1/4 and 1/4: sum 0, sum of squares 1/8 of 2**20."""
    layout = Layout({"x": (2.0,)}, {}, {"x": Scale(2.0, 4.0)}, {})
    summary = profile_rows(table(x=[1.0, 3.0]), X, layout)["*", "*"].numeric["x"]
    assert (summary.total, summary.squares, summary.mean, summary.std) == (0, 2**17, 2.0, 1.0)
