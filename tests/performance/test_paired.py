"""The difference of two models without resampling: values, errors, p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vigil.errors import NotEnoughData
from vigil.performance.metrics import roc_auc
from vigil.performance.paired import exact_accuracy_interval, paired, paired_mean
from vigil.spec.model import Metric, Scoring

N = 300


def scored(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and two models' probabilities that follow them."""
    rng = np.random.default_rng(seed)
    label = (rng.random(N) < 0.4).astype(float)
    old, new = (1 / (1 + np.exp(-(2 * label - 1 + noise * rng.normal(size=N)))) for noise in (2.5, 2.0))
    return label, old, new


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_of_a_mean_loss_it_is_the_paired_t_test(margin: float) -> None:
    """Against scipy's, on the squared errors."""
    label, old, new = scored(1)
    found = paired(Metric.BRIER, old, new, label, np.ones(N), Scoring())
    theirs = stats.ttest_rel((old - label) ** 2 + margin, (new - label) ** 2, alternative="greater")
    assert found.difference / found.error == pytest.approx(theirs.statistic - margin / found.error)
    assert found.p_value(margin) == pytest.approx(theirs.pvalue, rel=0.3)  # the degrees of freedom are Satterthwaite's, not n - 1


def test_of_the_auc_it_is_delongs_test() -> None:
    """Written out: the variance of the mean difference of placements, of positives and of negatives."""
    label, old, new = scored(2)
    found = paired(Metric.ROC_AUC, old, new, label, np.ones(N), Scoring())
    wins = [(score[label == 1][:, None] > score[label == 0][None, :]).astype(float) for score in (old, new)]
    gain = wins[1] - wins[0]
    variance = np.var(gain.mean(axis=1), ddof=1) / gain.shape[0] + np.var(gain.mean(axis=0), ddof=1) / gain.shape[1]
    assert (found.champion, found.challenger) == pytest.approx((roc_auc(old, label), roc_auc(new, label)))
    assert found.difference == pytest.approx(gain.mean())
    assert found.error == pytest.approx(np.sqrt(variance), rel=0.01)  # the jackknife divides by n - 1 once more


@pytest.mark.parametrize("metric", [Metric.PRECISION, Metric.RECALL, Metric.F1, Metric.LOG_LOSS, Metric.ACCURACY])
def test_the_error_agrees_with_leaving_each_row_out(metric: Metric) -> None:
    """The jackknife done by hand: (n - 1) / n times the sum of squares about the whole, of a ratio too."""
    label, old, new = scored(3)
    w, scoring = np.random.default_rng(4).uniform(1, 3, N), Scoring(threshold=0.5)
    found = paired(metric, old, new, label, w, scoring)
    falls = []
    for row in range(N):
        kept = np.arange(N) != row
        falls.append(found.difference - paired(metric, old[kept], new[kept], label[kept], w[kept], scoring).difference)
    assert found.error == pytest.approx(np.sqrt(np.sum(np.square(falls)) * (N - 1) / N), rel=0.01)


@pytest.mark.parametrize(("metric", "values"), [(Metric.RMSE, (2.0, 1.0)), (Metric.MAE, (2.0, 1.0))])
def test_a_loss_that_falls_is_a_positive_difference_without_error_where_every_row_says_the_same(
    metric: Metric, values: tuple[float, float]
) -> None:
    label = np.arange(30.0)
    found = paired(metric, label + 2, label - 1, label, np.ones(30), Scoring())
    assert (found.champion, found.challenger, found.difference, found.error) == (*values, 1.0, 0.0)
    assert (found.p_value(0.0), found.p_value(-1.0), found.interval(0.95)) == (0.0, 1.0, (1.0, 1.0))


def test_the_root_mean_squared_error_is_by_the_delta_method() -> None:
    """Against the jackknife by hand."""
    rng = np.random.default_rng(5)
    label = rng.normal(size=N)
    old, new = label + rng.normal(size=N), label + 0.8 * rng.normal(size=N)
    found = paired(Metric.RMSE, old, new, label, np.ones(N), Scoring())
    falls = []
    for row in range(N):
        kept = np.arange(N) != row
        falls.append(found.difference - paired(Metric.RMSE, old[kept], new[kept], label[kept], np.ones(N - 1), Scoring()).difference)
    assert found.error == pytest.approx(np.sqrt(np.sum(np.square(falls)) * (N - 1) / N), rel=0.02)


def test_worth_per_row_is_a_gain() -> None:
    """Means 1 and 2, every row 1 more: no error."""
    found = paired_mean(np.array([0.0, 2.0]), np.array([1.0, 3.0]), np.ones(2))
    assert found[:4] == (1.0, 2.0, 1.0, 0.0)


def one_right(won: int, lost: int, both: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of rows of which the challenger alone is right, the champion alone, or both; all labels are 1."""
    old = np.repeat([0.2, 0.8, 0.8], [won, lost, both])
    new = np.repeat([0.8, 0.2, 0.8], [won, lost, both])
    return old, new, np.ones(won + lost + both)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (6, 0), (0, 9), (9, 2), (10, 2), (30, 15), (31, 15), (40, 41), (3, 20)])
def test_the_interval_of_the_accuracy_leaves_0_out_where_the_exact_test_of_mcnemar_rejects(won: int, lost: int, confidence: float) -> None:
    """scipy's: of the rows that one model alone is right of, is the challenger right of half?"""
    old, new, label = one_right(won, lost, 50)
    low, high = exact_accuracy_interval(old, new, label, confidence, Scoring())
    rejects = won + lost > 0 and stats.binomtest(won, won + lost).pvalue <= 1 - confidence
    assert (low > 0 or high < 0) == rejects
    assert low <= (won - lost) / (won + lost + 50) <= high


def test_the_ends_are_scipys_of_the_share_won() -> None:
    old, new, label = one_right(12, 5, 83)
    share = stats.binomtest(12, 17).proportion_ci(0.95, method="exact")
    assert exact_accuracy_interval(old, new, label, 0.95, Scoring()) == pytest.approx(
        ((2 * share.low - 1) * 0.17, (2 * share.high - 1) * 0.17)
    )


def test_it_covers_at_few_rows() -> None:
    """At least 95 % of 2,000 samples of 60 rows of which two models are right with chances .8 and .7, independently: .8 - .7 is in it."""
    rng, label, held = np.random.default_rng(5), np.ones(60), 0
    for _ in range(2000):
        old, new = (np.where(rng.random(60) < chance, 0.9, 0.1) for chance in (0.7, 0.8))
        low, high = exact_accuracy_interval(old, new, label, 0.95, Scoring())
        held += low <= 0.1 <= high
    assert held >= 0.94 * 2000


@pytest.mark.parametrize(("metric", "score"), [(Metric.ROC_AUC, np.arange(50.0) / 50), (Metric.PRECISION, np.arange(50) / 98)])
def test_one_row_that_counts_has_no_error(metric: Metric, score: np.ndarray) -> None:
    """One positive; one score that says so. It is too little, and not NaN."""
    label = np.arange(50) == 49
    with pytest.raises(NotEnoughData, match="two rows that count"):
        paired(metric, score, score**2 if metric is Metric.ROC_AUC else score, label.astype(float), np.ones(50), Scoring())
