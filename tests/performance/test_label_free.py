"""Estimates without labels: right where only the population changed, and blind where the concept did, as they say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.performance.test_measure import make_spec
from vigil.measurement import Verdict
from vigil.performance import label_free
from vigil.performance.label_free import ABOUT, estimate_label_free, expected, label_free_measurement
from vigil.performance.metrics import value_of
from vigil.spec.model import Metric, Scoring

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def drawn(rng: np.random.Generator, n: int, *, hard: bool = False) -> Rows:
    """A miscalibrated score: the chance is its square. Hard rows lie in the middle."""
    score = rng.beta(6, 4, n) if hard else rng.uniform(size=n)
    return score, (rng.uniform(size=n) < score**2).astype(float), np.ones(n)


def test_it_is_what_the_metric_is_expected_to_be() -> None:
    """.9 called positive and so with .8, .2 called negative and positive with .3: one hit of .8, .2 false alarm, .3 missed."""
    score, chance = np.array([0.9, 0.2]), np.array([0.8, 0.3])
    assert expected(Metric.PRECISION, score, chance, Scoring()) == pytest.approx(0.8)
    assert expected(Metric.RECALL, score, chance, Scoring()) == pytest.approx(0.8 / 1.1)
    assert expected(Metric.F1, score, chance, Scoring()) == pytest.approx(1.6 / 2.1)
    assert expected(Metric.BRIER, score, chance, Scoring()) == pytest.approx((0.8 * 0.01 + 0.2 * 0.81 + 0.3 * 0.64 + 0.7 * 0.04) / 2)


@pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.BRIER, Metric.LOG_LOSS, Metric.F1])
def test_a_harder_population_is_seen_without_its_labels(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within .02 of what 20,000 labels say, though that is far from what it was before. Of the value only: few resamples are enough."""
    monkeypatch.setattr(label_free, "RESAMPLES", 4)
    rng = np.random.default_rng(1)
    seen, now, before = drawn(rng, 20_000), drawn(rng, 20_000, hard=True), drawn(rng, 20_000)
    found = estimate_label_free(metric, now[0], seen, rng=np.random.default_rng(2), scoring=Scoring()).value
    assert found == pytest.approx(value_of(metric, *now), abs=0.02)
    assert abs(value_of(metric, *now) - value_of(metric, *before)) > 0.025


def test_a_change_of_concept_is_not_seen() -> None:
    """Where the labels turn around the estimate stays: this is why nothing is decided by it."""
    rng = np.random.default_rng(3)
    seen, (score, label, weight) = drawn(rng, 2000), drawn(rng, 2000)
    found = estimate_label_free(Metric.ROC_AUC, score, seen, rng=np.random.default_rng(4))
    assert found.low > 0.75
    assert value_of(Metric.ROC_AUC, score, 1 - label, weight) < 0.25
    measured = label_free_measurement(score, seen, make_spec(), version="7", seed=1)
    assert (measured.metric, measured.verdict, measured.detail["estimate"]) == ("estimated_roc_auc", Verdict.OK, ABOUT)
    assert "blind to concept drift" in ABOUT


def test_too_few_labels_to_calibrate_on_is_a_result_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    score, label, weight = drawn(rng, 500)
    few = label_free_measurement(score, (score[:50], label[:50], weight[:50]), make_spec(), version="7", seed=1)
    assert (few.value, few.verdict) == (None, Verdict.NOT_ENOUGH_DATA)
    order = rng.permutation(500)
    turned = label_free_measurement(score[order], (score[order], label[order], weight[order]), make_spec(), version="7", seed=1)
    assert turned == label_free_measurement(score, (score, label, weight), make_spec(), version="7", seed=1)


def test_where_no_score_calls_a_row_positive_there_is_no_estimate_of_precision() -> None:
    """A result, not an exception that ends the look."""
    rng = np.random.default_rng(6)
    spec = make_spec(performance={"metric": "precision", "tolerated_loss": 0.1, "decision_threshold": 0.99})
    found = label_free_measurement(rng.uniform(0, 0.9, 300), drawn(rng, 500), spec, version="7", seed=1)
    assert (found.value, found.verdict) == (None, Verdict.NOT_ENOUGH_DATA)
