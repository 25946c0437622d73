"""A metric of the project's own: what is called, what interval it gets, and how it may fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.performance.test_measure import by_key, labelled, make_spec
from vigil.challenger.project_code import importable
from vigil.errors import MetricFailed
from vigil.measurement import WHOLE, Verdict
from vigil.performance.cores import Vector
from vigil.performance.measure import measure_performance
from vigil.performance.metrics import estimate
from vigil.performance.own import own_estimate, own_functions
from vigil.spec.model import Metric, OwnMetric


def mean_absolute_error(score: Vector, label: Vector, weight: Vector) -> float:
    return float(np.average(np.abs(score - label), weights=weight))


def test_its_interval_is_nearly_that_of_the_same_metric_in_closed_form() -> None:
    """Leaving out groups instead of rows; the half widths of 2,000 rows agree within three tenths: with 50 groups
    the standard error of a standard deviation is a tenth."""
    rng = np.random.default_rng(1)
    score, label, weight = rng.normal(size=2000), rng.normal(size=2000), rng.uniform(1, 5, 2000)
    ours, own = estimate(Metric.MAE, score, label, weight), own_estimate("mine", mean_absolute_error, score, label, weight)
    assert own.value == pytest.approx(ours.value, rel=1e-12)
    assert own.high - own.low == pytest.approx(ours.high - ours.low, rel=0.3)


def test_its_interval_covers_and_the_order_of_the_rows_does_not_matter() -> None:
    """95 % of 1,000 simulations of 300 weighted labels, in 93 to 97 %."""
    rng, hit = np.random.default_rng(2), []
    for _ in range(1000):
        weight = 1 / rng.choice([0.2, 1.0], 300)
        found = own_estimate("mine", mean_absolute_error, rng.laplace(size=300), np.zeros(300), weight)
        hit.append(found.low <= 1.0 <= found.high)
    assert 0.93 <= np.mean(hit) <= 0.97
    score, label, weight, order = rng.normal(size=90), rng.normal(size=90), rng.uniform(1, 5, 90), rng.permutation(90)
    again = own_estimate("mine", mean_absolute_error, score[order], label[order], weight[order])
    assert again == own_estimate("mine", mean_absolute_error, score, label, weight)


def test_it_is_found_in_the_projects_folder_and_shown_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "costs_of_ours.py").write_text(
        "def mean_score(score, label, weight):\n    return float((score * weight).sum() / weight.sum())\n"
    )
    spec = make_spec(
        performance={"metric": "roc_auc", "tolerated_loss": 0.02, "own_metrics": {"cost": {"function": "costs_of_ours:mean_score"}}}
    )
    with importable(tmp_path):
        own = own_functions(spec.performance.own_metrics)
    sys.modules.pop("costs_of_ours")
    rows = labelled()
    found = by_key(measure_performance(rows, spec, version="7", baseline=None, own=own))["cost", WHOLE]
    assert found.value == pytest.approx(np.average(rows["score"], weights=1 / rows["inclusion_probability"]))
    assert found.verdict is Verdict.OK
    few = by_key(measure_performance(rows[:50], spec, version="7", baseline=None, own=own))["cost", WHOLE]
    assert (few.value, few.verdict) == (None, Verdict.NOT_ENOUGH_DATA)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere_at_all:f", "no function"),
        ("math:nothing", "no function"),
        ("math:pi", "not a function but float"),
        ("unregistered", "entry point"),
    ],
)
def test_what_cannot_be_found_is_named(place: str, said: str) -> None:
    with pytest.raises(MetricFailed, match=f"own_metrics.mine: .*{said}"):
        own_functions({"mine": OwnMetric(function=place)})


@pytest.mark.parametrize(
    ("function", "said"), [(lambda s, y, w: float("nan"), "returned nan"), (lambda s, y, w: 1 / 0, "raised ZeroDivision")]
)
def test_a_function_that_fails_is_named(function: object, said: str) -> None:
    with pytest.raises(MetricFailed, match=f"own_metrics.mine {said}"):
        own_estimate("mine", function, np.ones(9), np.ones(9), np.ones(9))  # type: ignore[arg-type]
