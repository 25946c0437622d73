"""What is shown beside the statistics: in the column's own terms, from so many rows on, and never judged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.profile.build import counted, layout_with, make_spec
from vigil.drift.measure import measure_drift
from vigil.measurement import Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile

EDGES = [float(edge) for edge in range(5, 100, 5)]


def shown(now: list[float] | np.ndarray, then: list[float] | np.ndarray, column: str = "x", **spec: Any) -> dict[str, Measurement]:
    """What is shown of a column whose values stand in twentieths of 0 to 100 (a score: of 0 to 1)."""
    edges = [edge / 100 for edge in EDGES] if column == "score" else EDGES
    layout: Layout = layout_with({"x": EDGES, "score": [edge / 100 for edge in EDGES]})
    rest = {"x": counted([], EDGES, layout.scales["x"])}
    sides = [Profile(layout.digest, len(v), rest | {column: counted(v, edges, layout.scales[column])}, {}) for v in (now, then)]
    measured = measure_drift(sides[0], sides[1], make_spec({"x": "numeric"}, **spec), importance={}, version="1")
    return {m.metric: m for m in measured if m.subject == column}


def uniform(low: int, high: int) -> list[float]:
    """Ten rows on every whole number above ``low`` up to ``high``."""
    return [float(value) for value in range(low + 1, high + 1)] * 10


def test_percentiles_move_with_the_rows_and_the_tails_apart_from_the_middle() -> None:
    """1 to 100 became 1 to 50: the p95 fell from 95 to 47.5, the median from 50 to 25, the p5 from 5 to 2.5, in units of 28.87."""
    found = shown(uniform(0, 50), uniform(0, 100))
    std = math.sqrt((100**2 - 1) / 12)
    for metric, now, then in (("p5_shift", 2.5, 5.0), ("p50_shift", 25.0, 50.0), ("p95_shift", 47.5, 95.0)):
        assert abs((found[metric].value or 0) - (now - then) / std) <= found[metric].detail["binning_error"]
        assert found[metric].detail["binning_error"] <= 10 / std  # a bin of 5 on either side
    assert (found["variance_ratio"].value or 0) == pytest.approx((50**2 - 1) / (100**2 - 1), rel=1e-6)


def test_the_same_rows_have_not_moved() -> None:
    found = shown(uniform(0, 100), uniform(0, 100))
    assert {metric: found[metric].value for metric in ("p5_shift", "p50_shift", "p95_shift", "variance_ratio", "mean_shift")} == {
        "p5_shift": 0.0,
        "p50_shift": 0.0,
        "p95_shift": 0.0,
        "variance_ratio": 1.0,
        "mean_shift": 0.0,
    }


def test_what_is_shown_is_never_judged() -> None:
    """However far it moved."""
    found = shown(uniform(90, 100), uniform(0, 10))
    assert {(m.verdict, m.threshold) for metric, m in found.items() if metric != "psi"} == {(Verdict.OK, None)}


@pytest.mark.parametrize(
    ("metric", "enough"), [("p5_shift", 100), ("p50_shift", 10), ("p95_shift", 100), ("variance_ratio", 30), ("mean_shift", 1)]
)
def test_each_has_a_smallest_number_of_rows(metric: str, enough: int) -> None:
    """One row less is not enough data, on the window's side."""
    rows = uniform(0, 100)
    assert shown(rows[:enough], rows)[metric].verdict is Verdict.OK
    few = shown(rows[: enough - 1], rows)[metric]
    assert (few.value, few.verdict) == (None, Verdict.NOT_ENOUGH_DATA)


def test_a_reference_without_spread_has_no_unit() -> None:
    """Always 7: neither a shift nor a ratio has a value."""
    found = shown(uniform(0, 100), [7.0] * 500)
    assert {found[metric].value for metric in ("p5_shift", "p50_shift", "p95_shift", "variance_ratio", "mean_shift")} == {None}


def test_the_class_ratio_is_the_share_that_the_score_calls_positive() -> None:
    """Of scores 0.01 to 1.00 in hundredths 51 are at least 0.5; the bin (0.45, 0.5] leaves 5 of 100 open."""
    scores = [i / 100 for i in range(1, 101)]
    found = shown(scores, scores, "score")["positive_share"]
    assert abs((found.value or 0) - 0.51) <= found.detail["binning_error"] <= 0.05 + 1e-9
    assert found.detail["reference"] == found.value


def test_a_surer_model_has_a_higher_rate_of_confident_scores() -> None:
    """All at 0.02 or 0.98 against all at 0.5: every score against none; at 0.5 all are called positive."""
    sure, unsure = [0.02] * 50 + [0.98] * 50, [0.5] * 100
    found = shown(sure, unsure, "score")
    assert (found["high_confidence_rate"].value, found["high_confidence_rate"].detail["reference"]) == (1.0, 0.0)
    assert abs((found["positive_share"].value or 0) - 0.5) <= found["positive_share"].detail["binning_error"]
    assert found["positive_share"].detail["reference"] == 1.0


def test_an_unsure_model_has_scores_of_more_entropy() -> None:
    """All at 0.5 have one bit; of others the mean over the rows is within the error of the bins."""
    rows = np.random.default_rng(3).beta(0.4, 0.6, 5000)
    found = shown(rows, [0.5] * 100, "score")["score_entropy"]
    assert (found.detail["reference"], found.detail["reference_binning_error"]) == (1.0, 0.0)
    exact = float(np.mean(-rows * np.log2(rows) - (1 - rows) * np.log2(1 - rows)))
    assert abs((found.value or 0) - exact) <= found.detail["binning_error"]
    fine = shown(rows, rows, "score")["score_entropy"]
    assert abs((fine.value or 0) - exact) <= fine.detail["binning_error"] < 0.1


def test_the_spread_of_what_is_predicted_is_shown() -> None:
    """Prices of 1 to 50 hundredths where there were 1 to 100: about a quarter of the variance, the median fell by a quarter."""
    performance = {"performance": {"metric": "mae", "tolerated_loss": 1.0}, "task": "regression"}
    found = shown([i / 100 for i in range(1, 51)] * 2, [i / 100 for i in range(1, 101)], "score", **performance)
    assert (found["variance_ratio"].value or 0) == pytest.approx((50**2 - 1) / (100**2 - 1), rel=1e-4)
    std = found["mean_shift"].detail["reference_std"]
    assert abs((found["p50_shift"].value or 0) + 0.25 / std) <= found["p50_shift"].detail["binning_error"]


def test_a_predicted_value_has_no_class_ratio() -> None:
    """Of a regression the score is no probability."""
    scores = [i / 100 for i in range(1, 101)]
    performance = {"performance": {"metric": "mae", "tolerated_loss": 1.0}, "task": "regression"}
    assert not {"positive_share", "high_confidence_rate", "score_entropy"} & set(shown(scores, scores, "score", **performance))


def test_too_few_scores_have_no_share() -> None:
    """29 where 30 are needed."""
    scores = [0.4] * 100
    assert shown(scores[:29], scores, "score")["positive_share"].verdict is Verdict.NOT_ENOUGH_DATA
    assert shown(scores[:30], scores, "score")["positive_share"].value == 0.0
