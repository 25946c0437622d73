"""Values of the metrics: by hand, by invariance, and against scikit-learn; and what is refused."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from vigil.errors import NotEnoughData
from vigil.performance.metrics import accuracy, brier, estimate, log_loss, mae, rmse, roc_auc, value_of
from vigil.spec.model import Metric, Scoring, Task

BINARY = [metric for metric in Metric if Task.BINARY in metric.tasks]
MEANS = [metric for metric in Metric if metric is not Metric.CALIBRATION_ERROR]  # its noise is that of rows, not of copies
REGRESSION = [metric for metric in Metric if Task.REGRESSION in metric.tasks]


def drawn(metric: Metric, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, labels of both classes and weights from three strata."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(size=n), 2)
    label = rng.normal(size=n) if metric in REGRESSION else (rng.uniform(size=n) < score).astype(float)
    return score, label, 1 / rng.choice([0.1, 0.4, 1.0], n)


class TestByHand:
    def test_auc_counts_pairs_and_half_of_ties(self) -> None:
        """.8 beats .5, .3 and .1 (3); .5 ties .5 and beats two (2.5); .3 loses to .5, ties .3, beats .1 (1.5): 7 of 9."""
        assert roc_auc([0.8, 0.5, 0.3, 0.5, 0.3, 0.1], [1, 1, 1, 0, 0, 0]) == pytest.approx(7 / 9, abs=1e-15)

    def test_auc_weighs_pairs_by_both_weights(self) -> None:
        """Positives .6 (w 2) and .2 (w 1), negative .4 (w 5): won 2 * 5 of (2 + 1) * 5."""
        assert roc_auc([0.6, 0.2, 0.4], [1, 1, 0], [2, 1, 5]) == pytest.approx(2 / 3, abs=1e-15)

    def test_log_loss_is_in_nats(self) -> None:
        """-(3 ln .5 + 1 ln .25) / 4 = (3 ln 2 + 2 ln 2) / 4."""
        assert log_loss([0.5, 0.75], [1, 0], [3, 1]) == pytest.approx(5 * math.log(2) / 4, rel=1e-15)

    def test_log_loss_of_a_certain_and_wrong_score_is_clipped(self) -> None:
        """-ln of 2^-52, the spacing of floats at one."""
        assert log_loss([0.0], [1]) == pytest.approx(52 * math.log(2), rel=1e-12)
        assert log_loss([1.0], [0]) == pytest.approx(52 * math.log(2), rel=1e-12)

    def test_brier_is_the_mean_squared_distance(self) -> None:
        """(3 * .25 + 1 * .0625) / 4."""
        assert brier([0.5, 0.25], [1, 0], [3, 1]) == 0.203125

    def test_accuracy_takes_one_half_as_positive(self) -> None:
        assert accuracy([0.5], [1]) == 1.0
        assert accuracy([0.5], [0]) == 0.0
        assert accuracy([0.49, 0.9], [1, 1], [1, 3]) == 0.75

    def test_precision_recall_and_f1_count_what_was_called_positive(self) -> None:
        """At .5: a hit (w 2), a false alarm (w 1), a miss (w 5): precision 2 / 3, recall 2 / 7, F1 = 2 * 2 / (2 * 2 + 1 + 5)."""
        rows = [0.9, 0.5, 0.4, 0.1], [1, 0, 1, 0], [2, 1, 5, 9]
        found = [value_of(metric, *rows) for metric in (Metric.PRECISION, Metric.RECALL, Metric.F1)]
        assert found == pytest.approx([2 / 3, 2 / 7, 0.4], rel=1e-15)

    def test_the_threshold_is_where_positive_begins(self) -> None:
        """At .4 the miss above is a hit: precision 7 / 8, recall 1."""
        rows = [0.9, 0.5, 0.4, 0.1], [1, 0, 1, 0], [2, 1, 5, 9]
        found = [value_of(metric, *rows, scoring=Scoring(threshold=0.4)) for metric in (Metric.PRECISION, Metric.RECALL, Metric.ACCURACY)]
        assert found == pytest.approx([7 / 8, 1.0, 16 / 17], rel=1e-15)

    def test_mape_is_of_the_labels_that_are_not_0(self) -> None:
        """|3 - 2| / 2 (w 1) and |-1 + 4| / 4 (w 3)."""
        assert value_of(Metric.MAPE, [3.0, -1.0, 5.0], [2.0, -4.0, 0.0], [1, 3, 7]) == (0.5 + 3 * 0.75) / 4

    def test_pinball_weighs_what_lies_above_by_the_quantile(self) -> None:
        """At .9: 2 above costs .9 * 2, 4 below .1 * 4."""
        found = value_of(Metric.PINBALL, [1.0, 5.0], [3.0, 1.0], scoring=Scoring(quantile=0.9))
        assert found == pytest.approx((1.8 + 0.4) / 2, rel=1e-15)

    def test_the_calibration_error_takes_out_the_noise_of_its_bins(self) -> None:
        """One bin of .5: the mean label is 1, off by .5, without any variance."""
        assert value_of(Metric.CALIBRATION_ERROR, [0.5] * 30, [1] * 30) == 0.5
        label = [0, 1] * 15
        assert estimate(Metric.CALIBRATION_ERROR, [0.5] * 30, label)[:2] == (0.0, 0.0)

    def test_mae_and_rmse_are_in_the_labels_unit(self) -> None:
        """Errors 1 (w 3) and 5 (w 1): (3 + 5) / 4 and the root of (3 + 25) / 4."""
        assert mae([1.0, -3.0], [2.0, 2.0], [3, 1]) == 2.0
        assert rmse([1.0, -3.0], [2.0, 2.0], [3, 1]) == math.sqrt(7)


INDEPENDENT = {
    Metric.ROC_AUC: lambda s, y, w: sk.roc_auc_score(y, s, sample_weight=w),
    Metric.LOG_LOSS: lambda s, y, w: sk.log_loss(y, s, sample_weight=w),
    Metric.BRIER: lambda s, y, w: sk.brier_score_loss(y, s, sample_weight=w),
    Metric.ACCURACY: lambda s, y, w: sk.accuracy_score(y, s >= 0.5, sample_weight=w),
    Metric.PRECISION: lambda s, y, w: sk.precision_score(y, s >= 0.5, sample_weight=w),
    Metric.RECALL: lambda s, y, w: sk.recall_score(y, s >= 0.5, sample_weight=w),
    Metric.F1: lambda s, y, w: sk.f1_score(y, s >= 0.5, sample_weight=w),
    Metric.MAPE: lambda s, y, w: sk.mean_absolute_percentage_error(y, s, sample_weight=w),
    Metric.PINBALL: lambda s, y, w: sk.mean_pinball_loss(y, s, sample_weight=w, alpha=0.5),
    Metric.MAE: lambda s, y, w: sk.mean_absolute_error(y, s, sample_weight=w),
    Metric.RMSE: lambda s, y, w: sk.root_mean_squared_error(y, s, sample_weight=w),
}


class TestAgainstScikitLearn:
    @pytest.mark.parametrize(("metric", "n"), list(product(INDEPENDENT, [40, 1000])))
    def test_values_agree(self, metric: Metric, n: int) -> None:
        for seed in range(5):
            score, label, weight = drawn(metric, n, seed)
            assert value_of(metric, score, label, weight) == pytest.approx(INDEPENDENT[metric](score, label, weight), rel=1e-12)


class TestInvariance:
    @pytest.mark.parametrize("metric", Metric)
    def test_the_order_of_the_rows_does_not_change_the_last_bit(self, metric: Metric) -> None:
        score, label, weight = drawn(metric, 500, 1)
        once = estimate(metric, score, label, weight)
        for seed in range(10):
            order = np.random.default_rng(seed).permutation(500)
            assert estimate(metric, score[order], label[order], weight[order]) == once
            assert value_of(metric, score[order], label[order], weight[order]) == once.value

    @pytest.mark.parametrize("metric", MEANS)
    def test_a_whole_weight_is_that_many_copies(self, metric: Metric) -> None:
        score, label, _ = drawn(metric, 60, 2)
        copies = np.random.default_rng(2).integers(1, 4, 60)
        repeated = value_of(metric, np.repeat(score, copies), np.repeat(label, copies))
        assert value_of(metric, score, label, copies) == pytest.approx(repeated, rel=1e-12)

    @pytest.mark.parametrize("metric", Metric)
    def test_the_scale_of_the_weights_does_not_matter(self, metric: Metric) -> None:
        score, label, weight = drawn(metric, 200, 3)
        assert estimate(metric, score, label, 1000 * weight) == pytest.approx(estimate(metric, score, label, weight), rel=1e-9)

    @pytest.mark.parametrize("metric", Metric)
    def test_no_weights_are_equal_weights(self, metric: Metric) -> None:
        score, label, _ = drawn(metric, 200, 4)
        assert estimate(metric, score, label) == estimate(metric, score, label, np.ones(200))

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from([1.0, 2.5, 10.0])), min_size=2, max_size=30))
    def test_auc_sees_order_only_and_turns_with_it(self, rows: list[tuple[int, bool, float]]) -> None:
        """Any increasing change of the scores leaves it; turning the order gives one minus it."""
        score, label, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
        if len(set(label)) < 2:
            return
        value = roc_auc(score, label, weight)
        assert roc_auc(np.exp(score) - 7, label, weight) == value
        assert roc_auc(-score, label, weight) == pytest.approx(1 - value, abs=1e-12)
        assert roc_auc(score, 1 - label, weight) == pytest.approx(1 - value, abs=1e-12)

    def test_every_metric_worsens_as_scores_get_noisier(self) -> None:
        rng = np.random.default_rng(5)
        true = rng.uniform(size=4000)
        noise = rng.normal(size=4000)
        for metric in Metric:
            label = true if metric in REGRESSION else (rng.uniform(size=4000) < true).astype(float)
            sizes = (0.0, 0.2, 0.5) if metric is Metric.RECALL else (0.0, 0.2, 0.5, 1.0)  # noise calls half of the rows positive
            found = [value_of(metric, np.clip(true + size * noise, 0, 1), label) for size in sizes]
            assert found == sorted(found, reverse=metric.larger_is_better)


class TestDegenerate:
    @pytest.mark.parametrize("metric", Metric)
    def test_no_rows_are_not_enough(self, metric: Metric) -> None:
        with pytest.raises(NotEnoughData, match="got none"):
            value_of(metric, [], [])

    @pytest.mark.parametrize("label", [0, 1])
    def test_one_class_has_no_auc(self, label: int) -> None:
        with pytest.raises(NotEnoughData, match=f"only label {label}"):
            roc_auc([0.1, 0.9], [label, label])

    @pytest.mark.parametrize("metric", Metric)
    def test_one_row_has_no_interval(self, metric: Metric) -> None:
        """For the AUC: one row of a class."""
        with pytest.raises(NotEnoughData, match="at least two"):
            estimate(metric, *(([0.1, 0.2, 0.3], [1, 0, 0]) if metric is Metric.ROC_AUC else ([0.6], [1])))

    @pytest.mark.parametrize(("metric", "score", "label"), [("precision", 0.1, 1), ("recall", 0.9, 0), ("f1", 0.1, 0), ("mape", 1.0, 0)])
    def test_a_share_of_no_rows_is_not_enough(self, metric: str, score: float, label: int) -> None:
        for compute in (value_of, estimate):
            with pytest.raises(NotEnoughData, match="that count for it"):
                compute(Metric(metric), [score] * 9, [label] * 9)

    def test_constant_scores_rank_nothing(self) -> None:
        assert estimate(Metric.ROC_AUC, [0.3] * 50, [0, 1] * 25) == (0.5, 0.5, 0.5)

    @pytest.mark.parametrize("metric", [Metric.LOG_LOSS, Metric.BRIER, Metric.MAE, Metric.RMSE])
    def test_a_loss_that_no_row_differs_in_has_no_width(self, metric: Metric) -> None:
        found = estimate(metric, [0.5] * 20, [0.0, 1.0] * 10)
        assert found.low == found.value == found.high

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    @pytest.mark.parametrize("metric", Metric)
    def test_what_is_not_finite_is_refused(self, metric: Metric, bad: float) -> None:
        for arrays in (([bad, 0.1], [0, 1], [1, 1]), ([0.2, 0.1], [0, bad], [1, 1]), ([0.2, 0.1], [0, 1], [1, bad])):
            with pytest.raises(ValueError, match="finite"):
                value_of(metric, *arrays)

    @pytest.mark.parametrize("weight", [0.0, -1.0])
    def test_a_weight_is_positive(self, weight: float) -> None:
        with pytest.raises(ValueError, match="positive"):
            brier([0.1, 0.2], [0, 1], [1.0, weight])

    @pytest.mark.parametrize("metric", BINARY)
    def test_a_binary_label_is_0_or_1(self, metric: Metric) -> None:
        with pytest.raises(ValueError, match="0 or 1"):
            value_of(metric, [0.1, 0.2], [1, 2])

    @pytest.mark.parametrize("metric", [Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY])
    def test_a_probability_lies_in_0_to_1(self, metric: Metric) -> None:
        with pytest.raises(ValueError, match="probabilities"):
            value_of(metric, [1.1, 0.2], [1, 0])

    def test_the_auc_takes_any_scores(self) -> None:
        assert roc_auc([-3.0, 12.0], [0, 1]) == 1.0

    def test_lengths_agree(self) -> None:
        with pytest.raises(ValueError, match="one length"):
            mae([1.0, 2.0], [1.0])
