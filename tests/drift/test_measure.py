"""The drift of a window: features, prediction and the whole, from two profiles."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from tests.profile.build import layout_with, make_spec, profile_of, table
from vigil.drift.measure import measure_drift
from vigil.drift.statistics import ks_binning_error
from vigil.measurement import Layer, Measurement, Verdict
from vigil.profile.layout import Layout, layout_of
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import DriftMethod

EVEN, SHIFTED = [500, 500], [900, 100]  # PSI of the shift: 0.4 ln 1.8 + 0.4 ln 5 = 0.4 ln 9 = 0.88


def test_a_feature_breaches_with_its_numbers() -> None:
    """Value, threshold, rows of both sides, p-value, and the bins that moved."""
    found = measured({"x": SHIFTED}, {"x": EVEN})["psi", "x"]
    assert (found.layer, found.verdict, found.n, found.threshold) == (Layer.DRIFT, Verdict.BREACH, 1_000, 0.2)
    assert found.value == pytest.approx(0.4 * math.log(9), abs=1e-12)
    assert found.detail["reference_n"] == 1_000
    assert found.detail["p_value"] == found.detail["p_adjusted"] < 1e-12  # one feature: nothing to adjust
    assert found.detail["moved"] == [
        {"bin": "(-inf, 0]", "reference": 0.5, "current": 0.9},
        {"bin": "(0, inf]", "reference": 0.5, "current": 0.1},
    ]


def test_the_measurement_says_version_and_reference() -> None:
    """As they were given."""
    layout = layout_with({"x": [0.0]})
    profile = profile_of(layout, {"x": EVEN})
    found = measure_drift(profile, profile, make_spec({"x": "numeric"}), importance={}, version="7", reference_name="previous")
    assert {(m.version, m.reference) for m in found} == {("7", "previous")}


def test_a_small_effect_with_evidence_is_no_breach() -> None:
    """A million rows prove that 50 % became 51 %, and PSI is 0.0004."""
    found = measured({"x": [510_000, 490_000]}, {"x": [500_000, 500_000]})["psi", "x"]
    assert found.detail["p_adjusted"] < 1e-12
    assert found.verdict is Verdict.OK


def test_a_large_effect_without_evidence_is_no_breach() -> None:
    """10 of 20 became 15: PSI is 0.25 ln 3 = 0.27, and so much happens by chance in 1 window of 38."""
    found = measured({"x": [15, 5]}, {"x": [1_000, 1_000]}, drift={"minimum_rows": 10})["psi", "x"]
    assert found.value == pytest.approx(0.25 * math.log(3), abs=1e-12)
    assert 1 / 39 < found.detail["p_value"] < 1 / 38
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.BREACH), (20, Verdict.OK)])
def test_evidence_is_adjusted_for_the_number_of_features(count: int, verdict: Verdict) -> None:
    """A p-value of 0.0009 is below 1 % alone, and times 20 it is not: the other 19 features did not move at all."""
    names = [f"x{i}" for i in range(count)]
    window = {"x0": [124, 76]} | {name: [100, 100] for name in names[1:]}
    found = measured(window, {key: [2000, 2000] for key in names}, drift={"psi": 0.05})["psi", "x0"]
    assert found.verdict is verdict
    assert found.detail["p_adjusted"] == pytest.approx(found.detail["p_value"] * count)


def test_the_predictions_evidence_is_its_own() -> None:
    """The score's p-value is not adjusted for the 20 features, and its subject is the score column."""
    window = {f"x{i}": [100, 100] for i in range(20)} | {"score": [124, 76]}
    found = measured(window, {key: [2000, 2000] for key in window}, drift={"psi": 0.05})["psi", "score"]
    assert found.detail["p_adjusted"] == found.detail["p_value"]
    assert found.verdict is Verdict.BREACH


def test_prediction_drift_needs_the_score_on_both_sides() -> None:
    """A reference without scores has none to compare with."""
    layout = layout_with({"x": [0.0], "score": [0.5]})
    with_score, without = profile_of(layout, {"x": EVEN, "score": EVEN}), profile_of(layout, {"x": EVEN})
    spec = make_spec({"x": "numeric"})
    for current, reference in ((with_score, without), (without, with_score)):
        assert "score" not in {m.subject for m in measure_drift(current, reference, spec, importance={}, version="1")}


def test_prediction_drift_does_not_count_in_the_share() -> None:
    """The share is of features."""
    found = measured({"x": EVEN, "score": SHIFTED}, {"x": EVEN, "score": EVEN})
    assert found["psi", "score"].verdict is Verdict.BREACH
    assert found["drift_share", "*"].value == 0.0


@pytest.mark.parametrize(
    ("method", "value"),
    [
        (DriftMethod.PSI, 0.4 * math.log(9)),
        (DriftMethod.KS, 0.4),
        (
            DriftMethod.JENSEN_SHANNON,
            math.sqrt((0.5 * math.log(0.5 / 0.7) + 0.5 * math.log(0.5 / 0.3) + 0.9 * math.log(0.9 / 0.7) + 0.1 * math.log(0.1 / 0.3)) / 2),
        ),
    ],
)
def test_the_method_and_threshold_of_the_specification_are_used(method: DriftMethod, value: float) -> None:
    """By the drift section, or by the feature itself, which wins."""
    for spec in ({"features": {"x": "numeric"}, "drift": {"numeric": method}}, {"features": {"x": {"type": "numeric", "method": method}}}):
        found = measured({"x": SHIFTED}, {"x": EVEN}, **spec)[method.value, "x"]
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.threshold == (0.2 if method is DriftMethod.PSI else 0.1)
    own = measured({"x": SHIFTED}, {"x": EVEN}, features={"x": {"type": "numeric", "method": method, "threshold": 5.0}})[method.value, "x"]
    assert (own.threshold, own.verdict) == (5.0, Verdict.OK)


def test_chi_square_of_categories_counts_other_and_unseen() -> None:
    """Shares a 1/2, b 1/4, other 1/4 became a 1/2, b 1/4, unseen 1/4: V**2 = (1/4 + 1/4) / 2."""
    spec = {"features": {"c": {"type": "categorical", "method": "chi_square"}}}
    found = measured({}, {}, {"c": [400, 200, 0, 200]}, {"c": [400, 200, 200, 0]}, **spec)["chi_square", "c"]
    assert found.value == pytest.approx(0.5, abs=1e-12)
    assert [entry["bin"] for entry in found.detail["moved"]] == ["(other)", "(unseen)"]
    assert found.verdict is Verdict.BREACH


def test_wasserstein_is_in_the_references_standard_deviations() -> None:
    """Uniform on 0..100 has standard deviation 29.2; a shift by 10 is 0.34 of it, less the tenth that leaves the range."""
    spec = make_spec({"x": {"type": "numeric", "method": "wasserstein"}})
    reference, current = ([float(i % 101) for i in range(1_010)], [float(i % 101) + 10 for i in range(1_010)])
    layout = layout_of(table(x=reference), spec)
    then, now = (profile_rows(table(x=values), spec, layout)["*", "*"] for values in (reference, current))
    found = by_key(measure_drift(now, then, spec, importance={}, version="1"))
    exact = (sum(min(i + 10, 100) for i in range(101)) - sum(range(101))) / 101 / math.sqrt((101**2 - 1) / 12)
    assert abs((found["wasserstein", "x"].value or 0) - exact) <= found["wasserstein", "x"].detail["binning_error"]
    assert found["wasserstein", "x"].verdict is Verdict.BREACH
    assert found["mean_shift", "x"].value == pytest.approx(10 / math.sqrt((101**2 - 1) / 12), abs=1e-4)


def wasserstein_of(reference: list[float], current: list[float], laid_out_by: list[float]) -> Measurement:
    spec = make_spec({"x": {"type": "numeric", "method": "wasserstein"}})
    layout = layout_of(table(x=laid_out_by), spec)
    then, now = (profile_rows(table(x=values), spec, layout)["*", "*"] for values in (reference, current))
    return by_key(measure_drift(now, then, spec, importance={}, version="1"))["wasserstein", "x"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_long_tail_of_a_skewed_column_does_not_decide_the_wasserstein(sign: float) -> None:
    """Log-normal amounts that rose by a fifth: of the raw rows it is 0.01, though the rise is beyond chance."""
    rng = np.random.default_rng(0)
    reference, current = sign * rng.lognormal(3, 2.5, 50_000), sign * 1.2 * rng.lognormal(3, 2.5, 50_000)
    raw = wasserstein_distance(reference, current) / reference.std()
    found = wasserstein_of(reference.tolist(), current.tolist(), reference.tolist())
    assert raw < 0.02
    assert found.detail["p_value"] < 1e-6
    assert found.value is not None
    assert found.value < 2 * raw
    assert found.verdict is Verdict.OK


def test_a_reference_beside_the_layout_of_another_is_compared_all_the_same() -> None:
    """A window before that lies wholly below the edges of the training, or above them: it is one bin, and nothing is seen to move."""
    laid_out = [float(value) for value in range(5_000)]
    for level in (-1e6, 1e6):
        then, now = ([level + i % 7 / 100 for i in range(500)] for _ in range(2))
        assert wasserstein_of(then, now, laid_out).value == 0.0


@pytest.mark.parametrize("method", ["psi", "jensen_shannon", "ks", "wasserstein"])
@pytest.mark.parametrize("now", [6.0, 8.0, math.pi])
def test_a_constant_that_changes_is_drift_by_every_numeric_method(method: str, now: float) -> None:
    """Always 7 became always something else: the largest drift there is."""
    spec = make_spec({"x": {"type": "numeric", "method": method}})
    layout = layout_of(table(x=[7.0] * 300), spec)
    then, after, same = (profile_rows(table(x=[value] * 300), spec, layout)["*", "*"] for value in (7.0, now, 7.0))
    assert by_key(measure_drift(after, then, spec, importance={}, version="1"))[method, "x"].verdict is Verdict.BREACH
    unchanged = by_key(measure_drift(same, then, spec, importance={}, version="1"))
    assert (unchanged[method, "x"].value, unchanged[method, "x"].verdict) == (0.0, Verdict.OK)
    assert unchanged["mean_shift", "x"].verdict is Verdict.NOT_ENOUGH_DATA  # no spread, no unit


def test_ks_tells_its_binning_error() -> None:
    """In the measurement's detail."""
    found = measured({"x": SHIFTED}, {"x": EVEN}, drift={"numeric": "ks"})["ks", "x"]
    assert found.detail["binning_error"] == ks_binning_error(EVEN, SHIFTED) == 0.9


def test_the_share_is_weighted_with_importance() -> None:
    """a (weight 3) drifts, b (weight 1) does not: 3/4; unknown names and negative weights count nothing."""
    sides = {"a": SHIFTED, "b": EVEN, "c": SHIFTED}, {"a": EVEN, "b": EVEN, "c": EVEN}
    found = measured(*sides, importance={"a": 3.0, "b": 1.0, "c": -2.0, "gone": 50.0})["drift_share", "*"]
    assert (found.value, found.verdict, found.threshold) == (0.75, Verdict.BREACH, 0.3)
    assert found.detail["drifted"] == {"a": 0.75, "c": 0.0}
    assert found.detail["weights"] == "importance"


@pytest.mark.parametrize("importance", [{}, {"a": 0.0, "b": 0.0}, {"gone": 1.0}])
def test_without_importance_all_features_weigh_the_same(importance: dict[str, float]) -> None:
    """One of two drifts: 1/2."""
    found = measured({"a": SHIFTED, "b": EVEN}, {"a": EVEN, "b": EVEN}, importance=importance)["drift_share", "*"]
    assert (found.value, found.detail["weights"]) == (0.5, "equal")


def test_the_share_breaches_from_its_threshold_on() -> None:
    """1 of 4 features: a breach at 0.25, none at 0.26."""
    sides = {"a": SHIFTED, "b": EVEN, "c": EVEN, "d": EVEN}, dict.fromkeys("abcd", EVEN)
    assert measured(*sides, drift={"share": 0.25})["drift_share", "*"].verdict is Verdict.BREACH
    assert measured(*sides, drift={"share": 0.26})["drift_share", "*"].verdict is Verdict.OK


def test_features_without_enough_rows_are_left_out_of_the_share() -> None:
    """a drifts; b has 199 rows where 200 are needed: the share is of a alone, and b is listed."""
    found = measured({"a": SHIFTED, "b": [190, 9]}, {"a": EVEN, "b": EVEN}, importance={"a": 0.1, "b": 0.9})
    assert (found["psi", "b"].value, found["psi", "b"].verdict, found["psi", "b"].n) == (None, Verdict.NOT_ENOUGH_DATA, 199)
    assert found["drift_share", "*"].value == 1.0
    assert found["drift_share", "*"].detail["not_enough_data"] == ["b"]
    enough = measured({"a": SHIFTED, "b": [190, 10]}, {"a": EVEN, "b": EVEN}, importance={"a": 0.1, "b": 0.9})
    assert enough["psi", "b"].verdict is Verdict.BREACH


@pytest.mark.parametrize(("now", "then"), [([0, 0], EVEN), ([1, 0], EVEN), (EVEN, [0, 0]), (EVEN, [100, 99])])
def test_too_few_rows_on_either_side_are_a_result(now: list[int], then: list[int]) -> None:
    """An empty window, one row, an empty or a small reference: no exception, no NaN, no value."""
    found = measured({"x": now}, {"x": then})
    assert {found[key].verdict for key in (("psi", "x"), ("drift_share", "*"))} == {Verdict.NOT_ENOUGH_DATA}
    assert {found[key].value for key in (("psi", "x"), ("drift_share", "*"))} == {None}


def test_an_empty_window_measures_nothing_and_says_so() -> None:
    """Every measurement is there, without value."""
    layout = layout_with({"x": [0.0]}, {"c": ["a"]})
    spec = make_spec({"x": "numeric", "c": "categorical"})
    found = measure_drift(Profile.empty(layout), profile_of(layout, {"x": EVEN}, {"c": [500, 0, 0]}), spec, importance={}, version="1")
    assert {(m.value, m.verdict) for m in found} == {(None, Verdict.NOT_ENOUGH_DATA)}
    assert {(m.metric, m.subject) for m in found} == {
        ("drift_share", "*"),
        ("psi", "x"),
        ("psi", "c"),
        ("null_share", "x"),
        ("mean_shift", "x"),
        ("p5_shift", "x"),
        ("p50_shift", "x"),
        ("p95_shift", "x"),
        ("variance_ratio", "x"),
        ("null_share", "c"),
        ("unseen_share", "c"),
    }


def test_null_share_counts_every_kind_of_missing_value() -> None:
    """Null, NaN and infinity: 3 of 4 rows have no usable number; only shown, whatever it is."""
    spec = make_spec({"x": "numeric"})
    layout = layout_with({"x": [0.0]})
    then, now = (profile_rows(table(x=values), spec, layout)["*", "*"] for values in ([1.0, None], [None, math.nan, math.inf, 1.0]))
    found = by_key(measure_drift(now, then, spec, importance={}, version="1"))["null_share", "x"]
    assert (found.value, found.verdict, found.threshold, found.n, found.detail["reference"]) == (0.75, Verdict.OK, None, 4, 0.5)


def test_twenty_thousand_disjoint_categories_are_drift() -> None:
    """Evidently reports no drift here; every row of the window is unseen."""
    spec = make_spec({"c": "categorical"})
    old, new = table(c=[f"old{i}" for i in range(20_000)]), table(c=[f"new{i}" for i in range(20_000)])
    layout = layout_of(old, spec)
    then, now = (profile_rows(rows, spec, layout)["*", "*"] for rows in (old, new))
    found = by_key(measure_drift(now, then, spec, importance={}, version="1"))
    assert found["psi", "c"].verdict is Verdict.BREACH
    assert found["unseen_share", "c"].value == 1.0


def test_a_feature_that_a_profile_lacks_is_not_enough_data() -> None:
    """A feature that was added to the specification after the reference was made."""
    layout = layout_with({"x": [0.0]})
    profile = profile_of(layout, {"x": EVEN})
    found = by_key(measure_drift(profile, profile, make_spec({"x": "numeric", "new": "numeric"}), importance={}, version="1"))
    assert found["psi", "new"].verdict is Verdict.NOT_ENOUGH_DATA
    assert found["drift_share", "*"].detail["not_enough_data"] == ["new"]


def test_profiles_of_different_layouts_are_refused() -> None:
    """Counts between other edges would give a number, and a wrong one."""
    one, two = layout_with({"x": [0.0]}), layout_with({"x": [1.0]})
    with pytest.raises(ValueError, match="two profiles of one layout"):
        measure_drift(profile_of(one, {"x": EVEN}), profile_of(two, {"x": EVEN}), make_spec({"x": "numeric"}), importance={}, version="1")


def test_measurements_are_plain_json_with_keys_of_their_own() -> None:
    """They are stored as they are: no NaN, no numpy type, no key twice."""
    layout = layout_with({"x": [0.0], "score": [0.5]}, {"c": ["a", "b"]})
    sides = [profile_of(layout, {"x": x, "score": EVEN}, {"c": c}) for x, c in ((SHIFTED, [1_000, 0, 0, 3]), (EVEN, [500, 500, 0, 0]))]
    spec = make_spec({"x": {"type": "numeric", "method": "ks"}, "c": "categorical"})
    found = measure_drift(sides[0], sides[1], spec, importance={"x": 1.0}, version="1")
    for m in found:
        json.dumps([m.value, m.n, m.threshold, dict(m.detail)], allow_nan=False)
        assert m.value is None or type(m.value) is float
    assert len({m.key for m in found}) == len(found)


def measured(
    now: dict[str, list[int]],
    then: dict[str, list[int]],
    now_categories: dict[str, list[int]] | None = None,
    then_categories: dict[str, list[int]] | None = None,
    *,
    importance: dict[str, float] | None = None,
    **spec: Any,
) -> dict[tuple[str, str], Measurement]:
    """Measure counts of two bins per number (edge 0) and of levels a and b, other, unseen per category."""
    layout: Layout = layout_with({key: [0.0] for key in now}, {key: ["a", "b"] for key in now_categories or {}})
    features = spec.pop("features", {name: "numeric" for name in now if name != "score"})
    current, reference = profile_of(layout, now, now_categories), profile_of(layout, then, then_categories)
    return by_key(measure_drift(current, reference, make_spec(features, **spec), importance=importance or {}, version="1"))


def by_key(found: tuple[Measurement, ...]) -> dict[tuple[str, str], Measurement]:
    return {(m.metric, m.subject): m for m in found}
