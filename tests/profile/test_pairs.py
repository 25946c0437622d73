"""Correlations that a profile keeps: counted alike by both ways of counting, exact to add up, chosen by name or by strength."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.profile.build import layout_with, make_spec, table
from vigil.drift.shown import shown_beside
from vigil.errors import SpecError
from vigil.measurement import Verdict
from vigil.profile.counting import count_by_query
from vigil.profile.layout import Layout, layout_of
from vigil.profile.pairs import with_pairs
from vigil.profile.profile import PairSummary, Profile, profile_sum
from vigil.profile.reference import reference_of
from vigil.profile.scan import profile_rows
from vigil.profile.streaming import count_by_stream
from vigil.spec.load import load_model

PAIR = ("x", "y")
XY = make_spec({"x": "numeric", "y": "numeric"})
LAYOUT = layout_with({"x": [0.0], "y": [0.0]}).with_pairs((PAIR,))
floats = st.one_of(st.none(), st.floats(), st.floats(-3, 3), st.sampled_from([-0.0, math.nan, math.inf, -math.inf, 1.7e308, 2.0**20]))


def pair_of(x: object, y: object) -> PairSummary:
    columns = {"x": pa.array(x, pa.float64()), "y": pa.array(y, pa.float64())}
    return profile_rows(table(**columns), XY, LAYOUT)["*", "*"].pairs[PAIR]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=30), st.booleans())
@example([(None, 1.0), (math.nan, math.nan), (1.0, -math.inf)], False)
@example([(1.7e308, -1.7e308), (2.0**20, 2.0**20)] * 3, True)
def test_pairs_are_counted_alike_from_a_stream_and_by_a_query(rows: list[tuple[float | None, float | None]], segmented: bool) -> None:
    """Whole, by version and by segment; only rows where both are finite count."""
    x, y = zip(*rows, strict=True)
    groups = [f"g{i % 3}" for i in range(len(rows))]
    data = table(x=pa.array(x, pa.float64()), y=pa.array(y, pa.float64()), g=groups, model_version=[str(i % 2) for i in range(len(rows))])
    spec = make_spec({"x": "numeric", "y": "numeric", "g": "categorical"}, segments=["g"] if segmented else [])
    layout = layout_with({"x": [0.0], "y": [0.0]}, {"g": ["g0", "g1"]}).with_pairs((PAIR,))
    nothing = Profile.empty(layout)
    streamed = count_by_stream(data, spec, nothing, layout)
    assert streamed == count_by_query(data, spec, nothing, layout)
    finite = [pair for pair in rows if all(value is not None and math.isfinite(value) for value in pair)]
    assert sum(profile.pairs[PAIR].n for profile in streamed[0].values()) == len(finite)


def test_the_correlation_is_numpys() -> None:
    """Within the steps of the fixed point, where some rows lack one of both."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=200_000)
    y = 0.6 * x + 0.8 * rng.normal(size=x.size)
    x[::7], y[::11] = np.nan, np.inf
    both = np.isfinite(x) & np.isfinite(y)
    found = pair_of(x, y)
    assert found.n == both.sum()
    assert found.correlation == pytest.approx(np.corrcoef(x[both], y[both])[0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "expected"), [([1, 2, 3], [2, 4, 6], 1.0), ([1, 2, 3], [3, 2, 1], -1.0), ([5, 5], [1, 2], None), ([], [], None)]
)
def test_perfect_and_absent_correlations(x: list[float], y: list[float], expected: float | None) -> None:
    """A column that does not vary has none."""
    assert pair_of(x, y).correlation == expected


@given(st.lists(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=5), min_size=2, max_size=3))
@settings(max_examples=8, deadline=None)
def test_sums_of_profiles_are_the_profile_of_all_rows(parts: list[list[tuple[float, float]]]) -> None:
    """Added as objects and as the texts that the store keeps."""

    def profile(rows: list[tuple[float, float]]) -> Profile:
        x, y = zip(*rows, strict=True)
        return profile_rows(table(x=list(x), y=list(y)), XY, LAYOUT)["*", "*"]

    of_parts = [profile(part) for part in parts]
    whole = profile([row for part in parts for row in part])
    assert sum(of_parts[1:], of_parts[0]) == profile_sum(part.to_json() for part in of_parts) == whole
    assert Profile.from_json(whole.to_json()) == whole


def test_a_profile_without_pairs_is_written_as_before() -> None:
    """Stored profiles and layouts of specifications that do not use it keep their bytes."""
    layout = layout_with({"x": [0.0]})
    assert "pairs" not in layout.to_json()
    assert "pairs" not in Profile.empty(layout).to_json()
    assert Layout.from_json(LAYOUT.to_json()) == LAYOUT
    assert "correlations" not in XY.canonical_json()


def test_the_strongest_pairs_of_the_reference_are_taken_beside_the_named_ones() -> None:
    """z follows x, w follows y less; x with y is named, so it does not count among the strongest."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 500))
    columns = {
        "x": x,
        "y": y,
        "z": x + 0.1 * rng.normal(size=500),
        "w": y + rng.normal(size=500),
        "same": np.ones(500),
        "none": [None] * 500,
    }
    rows = table(**{name: pa.array(values, pa.float64()) for name, values in columns.items()})
    chosen = {"pairs": [["x", "y"]], "top": 2}
    spec = make_spec(dict.fromkeys(columns, "numeric"), drift={"correlations": chosen})
    assert with_pairs(layout_of(rows, spec), rows, spec).pairs == (("x", "y"), ("x", "z"), ("y", "w"))


def test_a_changed_correlation_is_shown_with_its_evidence() -> None:
    """The margins are those of the reference: only what goes together has changed."""
    rng = np.random.default_rng(3)
    spec = make_spec({"x": "numeric", "y": "numeric"}, drift={"correlations": {"pairs": [["x", "y"]]}})

    def rows(together: float) -> dict[str, np.ndarray]:
        x = rng.normal(size=2_000)
        return {"x": x, "y": together * x + math.sqrt(1 - together**2) * rng.normal(size=x.size), "score": rng.uniform(size=x.size)}

    before = table(**rows(0.7))
    layout, reference = reference_of(before, before, spec)
    found = {}
    for name, together in (("same", 0.7), ("other", 0.0)):
        now = profile_rows(table(**rows(together)), spec, layout)["*", "*"]
        (found[name],) = [m for m in shown_beside(now, reference, spec) if m.metric == "correlation_change"]
    assert {m.subject for m in found.values()} == {"x ~ y"}
    assert found["other"].value == pytest.approx(-0.7, abs=0.06)
    assert found["other"].detail["p_value"] < 1e-9
    assert abs(found["same"].value or 0.0) < 0.06
    assert found["same"].detail["p_value"] > 0.01
    few = shown_beside(profile_rows(table(x=[1.0, 2.0], y=[1.0, 2.0]), spec, layout)["*", "*"], reference, spec)
    assert [m.verdict for m in few if m.metric == "correlation_change"] == [Verdict.NOT_ENOUGH_DATA]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("[[x, g]]", "'g' is not a numeric feature; those are: x, y"),
        ("[[x, nowhere]]", "'nowhere' is not a numeric feature"),
        ("[[x, x]]", "'x' with 'x' is one feature"),
        ("[[x, y], [y, x]]", "stands there twice"),
    ],
)
def test_pairs_that_cannot_be_watched_are_refused(tmp_path: Path, pairs: str, said: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        f"model: m\nowner: o\ntask: binary\nsource: {{predictions: a/*.parquet, labels: b/*.parquet, reference: r.parquet}}\n"
        f"features: {{x: numeric, y: numeric, g: categorical}}\ndrift: {{correlations: {{pairs: {pairs}}}}}\n"
        "performance: {metric: roc_auc, tolerated_loss: 0.02}\ntraining: {trainer: 'trainer:fit'}\n"
    )
    with pytest.raises(SpecError, match=said):
        load_model(path)


def test_the_strongest_of_very_many_features_are_not_looked_for() -> None:
    with pytest.raises(ValueError, match="at most 100 numeric features; here are 101: name the pairs"):
        make_spec({f"x{i}": "numeric" for i in range(101)}, drift={"correlations": {"top": 1}})
