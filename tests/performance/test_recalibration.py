"""Whether scores are off, and what they would be put right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.performance.kinds import changed
from vigil.performance.metrics import log_loss
from vigil.performance.recalibration import calibration_p_value, fit_line, recalibrated


def drawn(shift: float, slope: float, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels whose log odds are ``shift + slope * logit(score)``, and unequal weights of sampled labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, rows)
    label = (rng.uniform(size=rows) < expit(shift + slope * x)).astype(float)
    return expit(x), label, rng.choice([1.0, 4.0], rows)


def test_calibrated_scores_are_rejected_as_often_as_promised() -> None:
    """400 sets of 300 labels with unequal weights at 5 %: 20 expected, more than 35 has probability below 0.001."""
    rejected = sum(calibration_p_value(*drawn(0.0, 1.0, 300, seed), binary=True) < 0.05 for seed in range(400))
    assert 5 <= rejected <= 35


@pytest.mark.parametrize(("shift", "slope"), [(0.7, 1.0), (-0.7, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_scores_that_are_off_are_rejected(shift: float, slope: float) -> None:
    """Too low, too high, too extreme, too timid."""
    assert calibration_p_value(*drawn(shift, slope, 2000, 1), binary=True) < 0.001


def test_the_line_is_that_of_an_unpenalised_logistic_regression() -> None:
    score, label, w = drawn(0.5, 0.7, 500, 2)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(score)[:, None], label, sample_weight=w)
    assert fit_line(score, label, w, binary=True) == pytest.approx((fitted.intercept_[0], fitted.coef_[0, 0]), rel=1e-4)


def test_of_a_regression_it_is_the_weighted_least_squares_line() -> None:
    rng = np.random.default_rng(3)
    score, w = rng.normal(10, 3, 200), rng.uniform(1, 5, 200)
    label = 2 + 0.5 * score + rng.normal(size=200)
    fitted = LinearRegression().fit(score[:, None], label, sample_weight=w)
    assert fit_line(score, label, w, binary=False) == pytest.approx((fitted.intercept_, fitted.coef_[0]))
    assert calibration_p_value(score, label, w, binary=False) < 1e-6
    assert calibration_p_value(score, score + rng.normal(size=200), w, binary=False) > 0.001


def test_scores_that_point_the_other_way_become_a_constant() -> None:
    """Turning them round would be another relation, not a recalibration."""
    score, label, w = drawn(0.0, -1.0, 500, 4)
    line = fit_line(score, label, w, binary=True)
    assert line.slope == 0.0
    assert expit(line.intercept) == pytest.approx(np.average(label, weights=w))


def test_separated_labels_give_finite_scores() -> None:
    """The line's likelihood has no maximum; what is found is steep and finite."""
    score = np.repeat([0.2, 0.8], 50)
    found = recalibrated(score, (score > 0.5).astype(float), np.ones(100), np.random.default_rng(0), binary=True)
    assert np.isfinite(found).all()
    assert log_loss(found, score > 0.5) < 0.01


def test_recalibrated_scores_lose_what_was_off_and_no_row_sees_its_own_label() -> None:
    """The log loss comes down to nearly that of the true probabilities; of noise nothing is learned, so the loss stays that of 1/2."""
    before, now = changed("calibration", 2000, np.random.default_rng(6))
    score, label, w = now["score"].to_numpy(), now["label"].to_numpy(), 1 / now["chance"].to_numpy()
    cured = recalibrated(score, label, w, np.random.default_rng(0), binary=True)
    true = expit(logit(score) - 2.5)
    assert log_loss(cured, label, w) == pytest.approx(log_loss(true, label, w), abs=0.01)
    assert log_loss(score, label, w) > log_loss(true, label, w) + 0.05
    noise = np.random.default_rng(1).integers(0, 2, 2000).astype(float)
    of_noise = recalibrated(before["score"].to_numpy(), noise, np.ones(2000), np.random.default_rng(0), binary=True)
    assert log_loss(of_noise, noise) >= np.log(2) - 0.002
