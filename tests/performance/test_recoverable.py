"""What small trees learn from a version's errors: what can be learned is found, noise is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from vigil.errors import NotEnoughData
from vigil.performance.metrics import Estimate
from vigil.performance.recoverable import FEWEST_ROWS, recoverable_loss
from vigil.spec.model import Metric, Scoring


def found(metric: Metric, score: Any, label: Any, x: Any, w: Any = None, *, categorical: bool = False, quantile: float = 0.5) -> Estimate:
    binary = metric.tasks[0].value == "binary"
    score, label, x = (np.asarray(values, dtype=np.float64) for values in (score, label, x))
    w = np.ones(len(score)) if w is None else np.asarray(w, dtype=np.float64)
    scoring = Scoring(quantile=quantile)
    return recoverable_loss(metric, score, label, x[:, None], [categorical], w, scoring=scoring, binary=binary, confidence=0.95)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("metric", [Metric.LOG_LOSS, Metric.BRIER, Metric.ROC_AUC, Metric.ACCURACY])
def test_a_relation_that_the_scores_do_not_have_is_found(metric: Metric, rng: np.random.Generator) -> None:
    """The label follows x, the scores follow nothing."""
    x = rng.normal(size=1500)
    label = rng.uniform(size=1500) < expit(3 * x)
    gain = found(metric, rng.uniform(0.3, 0.7, 1500), label, x)
    assert gain.low > 0
    assert gain.low < gain.value < gain.high


def test_of_calibrated_scores_nothing_is_left_to_learn_however_noisy_the_labels_are() -> None:
    """At 95 %, of 40 sets of labels that were drawn from the scores: what is learned is never surely there, and small."""
    gains = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=600)
        score = expit(0.4 * x)
        gains.append(found(Metric.LOG_LOSS, score, rng.uniform(size=600) < score, x))
    assert sum(gain.low > 0 for gain in gains) == 0
    assert np.mean([max(gain.high, 0.0) for gain in gains]) < 0.01  # nats, of 0.67


@pytest.mark.parametrize(("metric", "quantile"), [(Metric.MAE, 0.5), (Metric.RMSE, 0.5), (Metric.MAPE, 0.5), (Metric.PINBALL, 0.9)])
def test_the_errors_of_a_regression_are_learned_in_the_loss_of_the_metric(
    metric: Metric, quantile: float, rng: np.random.Generator
) -> None:
    """Half of the rows are 20 too low; of the 90 % quantile all are too low."""
    x = rng.uniform(-1, 1, 1500)
    label = 100 + 20 * (x > 0) + rng.normal(size=1500)
    gain = found(metric, np.full(1500, 100.0), label, x, quantile=quantile)
    before = {Metric.MAE: 10.4, Metric.RMSE: 14.2, Metric.MAPE: 0.087, Metric.PINBALL: 9.5}[metric]
    assert 0.6 * before < gain.low < gain.value < before


def test_twice_the_noise_is_a_higher_loss_and_nothing_to_learn(rng: np.random.Generator) -> None:
    x = rng.normal(size=1500)
    gain = found(Metric.MAE, x, x + 2 * rng.normal(size=1500), x)
    assert gain.low <= 0
    assert gain.high < 0.05  # of a MAE of 1.6


def test_rows_count_by_their_weight(rng: np.random.Generator) -> None:
    """Every other row is 20 too low where x is positive, and stands for next to nobody."""
    x = rng.uniform(-1, 1, 2000)
    odd = np.arange(2000) % 2 == 1
    label = 20 * ((x > 0) & odd) + rng.normal(size=2000)
    assert found(Metric.RMSE, np.zeros(2000), label, x).low > 1
    assert abs(found(Metric.RMSE, np.zeros(2000), label, x, np.where(odd, 1e-6, 1.0)).value) < 0.1


def test_codes_are_categories_and_not_numbers(rng: np.random.Generator) -> None:
    """Every second of 24 categories is 5 too low: 30 trees of 8 leaves that cut an order find less of it than those that choose sets."""
    code = rng.integers(0, 24, 3000)
    label = 5.0 * (code % 2) + rng.normal(size=3000)
    as_sets, as_order = (found(Metric.MAE, np.zeros(3000), label, code, categorical=kind).value for kind in (True, False))
    assert as_sets > as_order + 0.1


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_a_flag_that_few_rows_have_is_seen_whichever_way_it_is_coded(rare: float, rng: np.random.Generator) -> None:
    """1 row in 80 is 50 too low, a mean absolute error of 0.6 that trees could learn."""
    flag = np.where(rng.permutation(4000) < 50, rare, 1 - rare)
    label = 50.0 * (flag == rare) + rng.normal(size=4000)
    assert found(Metric.MAE, np.zeros(4000), label, flag).low > 0.3


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_one_row_in_a_hundred_is_enough_at_either_end_of_a_skewed_column(way: float, rng: np.random.Generator) -> None:
    """The 40 most extreme of 4,000 values are 50 too low: a mean absolute error of 0.5, of which leaves of 20 rows find more than half."""
    x = np.sort(rng.lognormal(3, 2.5, 4000))
    label = 50.0 * (x >= x[-40]) + rng.normal(size=4000)
    mixed = rng.permutation(4000)
    assert found(Metric.MAE, np.zeros(4000), label[mixed], way * x[mixed]).value > 0.25


def test_what_is_true_since_a_while_only_is_learned(rng: np.random.Generator) -> None:
    """In the last fifth of the rows the outcome goes the other way round: of all rows together that is next to nothing."""
    x = rng.normal(size=1500)
    way = np.where(np.arange(1500) < 1200, 1.0, -1.0)
    label = rng.uniform(size=1500) < expit(3 * way * x)
    assert found(Metric.LOG_LOSS, expit(3 * x), label, x).low > 0.1


def test_it_is_the_same_every_time(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)
    label = rng.uniform(size=300) < expit(x)
    assert found(Metric.LOG_LOSS, np.full(300, 0.5), label, x) == found(Metric.LOG_LOSS, np.full(300, 0.5), label, x)


def test_a_fold_whose_others_have_one_class_keeps_its_scores(rng: np.random.Generator) -> None:
    """All positives are among the last fifth."""
    label = np.arange(500) >= 450
    gain = found(Metric.BRIER, np.full(500, 0.1), label, rng.normal(size=500))
    assert np.isfinite(gain).all()


def test_too_little_says_what_it_needs() -> None:
    few = np.arange(FEWEST_ROWS - 1) % 2
    with pytest.raises(NotEnoughData, match="needs 100 labels, of both classes, got 99"):
        found(Metric.BRIER, few, few, few)
    with pytest.raises(NotEnoughData, match="needs 100 labels, got 99"):
        found(Metric.MAE, few, few, few)
    with pytest.raises(NotEnoughData, match="of both classes, got 200"):
        found(Metric.BRIER, np.full(200, 0.5), np.ones(200), np.ones(200))
    with pytest.raises(NotEnoughData, match="two rows that count"):
        found(Metric.ROC_AUC, np.full(200, 0.5), np.arange(200) == 7, np.arange(200))
    with pytest.raises(ValueError, match="of bins"):
        found(Metric.CALIBRATION_ERROR, few, few, few)
