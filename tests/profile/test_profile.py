"""Profiles add up: in any order, to the profile of all rows together."""

from __future__ import annotations

import json
import math
from functools import reduce
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profile.build import counted, layout_with, make_spec, profile_of, table
from vigil.errors import StoreError
from vigil.profile.layout import Scale
from vigil.profile.profile import CategoricalSummary, Profile, profile_sum
from vigil.profile.scan import profile_rows

EDGES = (-1.5, 0.0, 0.1 + 0.2, 1e6)
LAYOUT = layout_with({"x": EDGES}, {"c": ["a", "b"]})
SPEC = make_spec({"x": "numeric", "c": "categorical"})

numbers = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(EDGES)), max_size=30)
categories = st.builds(CategoricalSummary, st.just(("a", "b")), st.tuples(*[st.integers(0, 99)] * 2), *[st.integers(0, 99)] * 3)
profiles = st.builds(
    lambda values, c: Profile(LAYOUT.digest, len(values), {"x": counted(values, EDGES, Scale(0.0, 1.0))}, {"c": c}), numbers, categories
)


@given(profiles, profiles, profiles)
def test_adding_is_associative_and_commutative_to_the_byte(a: Profile, b: Profile, c: Profile) -> None:
    """Whoever adds whatever first."""
    assert ((a + b) + c).to_json() == (a + (b + c)).to_json() == ((c + a) + b).to_json()


@given(profiles)
def test_the_empty_profile_changes_nothing(a: Profile) -> None:
    """Adding it from either side."""
    assert a + Profile.empty(LAYOUT) == a == Profile.empty(LAYOUT) + a


@given(profiles)
def test_a_profile_reads_back_what_it_wrote(a: Profile) -> None:
    """The same object and the same text."""
    assert Profile.from_json(a.to_json()) == a
    assert Profile.from_json(a.to_json()).to_json() == a.to_json()


@given(st.lists(profiles, min_size=1, max_size=4))
def test_the_sum_of_what_was_written_is_the_sum(some: list[Profile]) -> None:
    """Whether the texts are added or the profiles read from them, to the byte."""
    assert profile_sum(part.to_json() for part in some).to_json() == reduce(add, some).to_json()


def test_a_sum_of_what_was_written_leaves_out_columns_that_one_side_lacks() -> None:
    """As adding does: the first has x, the second x and c."""
    one, both = profile_of(LAYOUT, {"x": [1, 0, 0, 0, 2]}), profile_of(LAYOUT, {"x": [0, 3, 0, 0, 0]}, {"c": [1, 1, 0, 1]})
    for some in ([one, both], [both, one]):
        assert profile_sum(part.to_json() for part in some) == some[0] + some[1]
    assert (one + both).column("c") is None


def test_a_sum_of_what_was_written_refuses_what_adding_refuses() -> None:
    """Two layouts, another format; and nothing at all, of which no layout is known."""
    mine, other = Profile.empty(LAYOUT), Profile.empty(layout_with({"x": [0.0]}))
    with pytest.raises(ValueError, match="profiles of different layouts cannot be added"):
        profile_sum([mine.to_json(), other.to_json()])
    with pytest.raises(StoreError, match="expected a profile of format 1, got 0"):
        profile_sum([mine.to_json(), mine.to_json().replace('"format":1', '"format":0')])
    with pytest.raises(ValueError, match="at least one profile"):
        profile_sum([])


@settings(max_examples=15, deadline=None)
@given(numbers, numbers, st.integers(0, 2**32 - 1))
def test_the_sum_is_the_profile_of_the_union(one: list[float | None], two: list[float | None], seed: int) -> None:
    """Scanned apart and added is scanned together, to the byte."""
    names = [["a", "b", "new", None][(seed >> (i % 16)) % 4] for i in range(len(one) + len(two))]
    parts = (one, names[: len(one)]), (two, names[len(one) :]), (one + two, names)
    first, second, union = (profile_rows(_rows(x, c), SPEC, LAYOUT)["*", "*"] for x, c in parts)
    assert (first + second).to_json() == union.to_json()


@settings(max_examples=25, deadline=None)
@given(numbers)
def test_the_engine_counts_as_numpy_does(values: list[float | None]) -> None:
    """For any floats at all: subnormal, huge, NaN, infinite, on an edge."""
    assert profile_rows(_rows(values, ["a"] * len(values)), SPEC, LAYOUT)["*", "*"].numeric["x"] == counted(values, EDGES, Scale(0.0, 1.0))


def test_profiles_of_different_layouts_cannot_be_added() -> None:
    """Counts between other edges are other numbers."""
    with pytest.raises(ValueError, match="profile both with the same layout"):
        Profile.empty(LAYOUT) + Profile.empty(layout_with({"x": [1.0]}))


def test_a_column_of_one_side_only_is_left_out_of_the_sum() -> None:
    """A sum that claimed the score of only some rows would be wrong."""
    layout = layout_with({"x": [0.0], "score": [0.5]})
    both = profile_of(layout, {"x": [1, 1], "score": [1, 1]}) + profile_of(layout, {"x": [2, 0]})
    assert set(both.numeric) == {"x"}
    assert both.numeric["x"].counts == (3, 1)


def test_a_profile_of_another_format_is_refused() -> None:
    """Instead of being misread."""
    body = json.loads(Profile.empty(LAYOUT).to_json()) | {"format": 0}
    with pytest.raises(StoreError, match="format 1, got 0; profile the rows again"):
        Profile.from_json(json.dumps(body))


def test_moments_of_no_value_are_none() -> None:
    """Not NaN, not 0."""
    summary = Profile.empty(LAYOUT).numeric["x"]
    assert (summary.mean, summary.std, summary.n) == (None, None, 0)


def test_variance_does_not_cancel_far_from_the_center() -> None:
    """Half 1e6 and half 1e6 + 1 has standard deviation 1/2, although the squares are near 1e12."""
    summary = counted([1e6, 1e6 + 1.0] * 50, EDGES, Scale(0.0, 1.0))
    assert math.isclose(summary.std or 0.0, 0.5, abs_tol=1e-3)


def _rows(x: list[float | None], c: list[str | None]) -> object:
    import pyarrow as pa

    return table(x=pa.array(x, pa.float64()), c=pa.array(c, pa.string()))
