"""Estimates of a regression's error without labels: right where only the population changed, blind where the concept did, as they say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.performance.test_measure import REGRESSION, make_spec
from vigil.errors import NotEnoughData
from vigil.measurement import Verdict
from vigil.performance.metrics import value_of
from vigil.performance.residuals import ABOUT, LEAST, PER_BAND, Past, expected_loss, residual_measurement
from vigil.spec.model import Metric, Scoring

METRICS = [Metric.MAE, Metric.RMSE, Metric.MAPE, Metric.PINBALL]


def drawn(rng: np.random.Generator, n: int, *, hard: bool = False) -> Past:
    """Two features; errors are normal and grow with the first, in the upper half of which hard rows lie. Labels are far from 0."""
    x = rng.uniform(0.5 if hard else 0.0, 1, n)
    other = rng.normal(size=n)
    score = 20 + 3 * x + other
    return Past(np.column_stack([x, other]), score, score + (0.2 + 2 * x) * rng.normal(size=n), np.ones(n))


def test_losses_that_are_alike_everywhere_are_their_mean() -> None:
    """Past losses of 1 and 3 that nothing tells apart: about 2, for each fold expects the mean of the four others."""
    n = 200
    past = Past(np.zeros((n, 1)), np.zeros(n), np.tile([1.0, -3.0], n // 2), np.ones(n))
    found = expected_loss(Metric.MAE, np.zeros((7, 1)), np.zeros(7), past, rng=np.random.default_rng(1))
    assert found.value == pytest.approx(2.0, rel=0.01)
    assert found.low < 2 < found.high
    # of a mean of 200: 1.97 * (1 / sqrt(199)) on the log scale of 2
    assert np.log(found.high / 2) == pytest.approx(1.972 / np.sqrt(199) / 2, rel=0.02)


def test_weights_are_one_over_the_chance_to_be_labelled() -> None:
    """Losses of 3 were labelled three times as rarely: (1 * 1 + 3 * 3) / 4."""
    n = 200
    past = Past(np.zeros((n, 1)), np.zeros(n), np.tile([1.0, -3.0], n // 2), np.tile([1.0, 3.0], n // 2))
    assert expected_loss(Metric.MAE, np.zeros((7, 1)), np.zeros(7), past, rng=np.random.default_rng(1)).value == pytest.approx(
        2.5, rel=0.01
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_harder_population_is_seen_without_its_labels(metric: Metric) -> None:
    """Within 8 % of what its labels say, though that is a quarter more than before. Of it 3 % are chance."""
    rng, scoring = np.random.default_rng(2), Scoring(quantile=0.9)
    past, now = drawn(rng, 4000), drawn(rng, 4000, hard=True)
    truth, before = (value_of(metric, rows.score, rows.label, scoring=scoring) for rows in (now, past))
    found = expected_loss(metric, now.features, now.score, past, rng=np.random.default_rng(3), scoring=scoring).value
    assert found == pytest.approx(truth, rel=0.08)
    assert truth > 1.25 * before


def test_a_change_of_concept_is_not_seen() -> None:
    """Errors that trebled on the same features stay unseen: this is why nothing is decided by it."""
    rng = np.random.default_rng(4)
    past, now = drawn(rng, 2000), drawn(rng, 2000)
    worse = value_of(Metric.MAE, now.score, now.score + 3 * (now.label - now.score))
    measured = residual_measurement(now.features, now.score, past, REGRESSION, version="7", seed=1)
    assert measured.high is not None
    assert measured.high < worse / 2
    assert (measured.metric, measured.verdict, measured.threshold) == ("estimated_mae", Verdict.OK, None)
    assert measured.detail == {"estimate": ABOUT, "calibrated_on": 2000}
    assert "blind to concept drift" in ABOUT


@pytest.mark.parametrize(("hard", "size", "least"), [(False, 1.2, 0.88), (True, 1.7, 0.85)])
def test_the_interval_covers_in_simulation(hard: bool, size: float, least: float) -> None:
    """Of 100 draws of 300 past labels and 600 rows: 95 % give or take three standard errors (2.2 % each); of much harder rows 93 %.

    The mean size of errors is ``sqrt(2 / pi) (0.2 + 2 x)``, and x is .5 in the mean, of hard rows .75.
    """
    truth, held = float(np.sqrt(2 / np.pi) * size), 0
    for number in range(100):
        rng = np.random.default_rng([5, number])
        past, now = drawn(rng, 300), drawn(rng, 600, hard=hard)
        found = expected_loss(Metric.MAE, now.features, now.score, past, rng=rng)
        held += found.low <= truth <= found.high
    assert least <= held / 100 < 1


def test_no_order_of_rows_changes_it() -> None:
    rng = np.random.default_rng(6)
    past, now = drawn(rng, 200), drawn(rng, 100)
    one, other = rng.permutation(200), rng.permutation(100)
    turned = Past(*(part[one] for part in past))
    first = expected_loss(Metric.RMSE, now.features, now.score, past, rng=np.random.default_rng(7))
    again = expected_loss(Metric.RMSE, now.features[other], now.score[other], turned, rng=np.random.default_rng(7))
    assert first == again


def test_a_feature_that_is_missing_or_infinite_is_a_value_like_others() -> None:
    rng = np.random.default_rng(11)
    past, now = drawn(rng, 200), drawn(rng, 100)
    past.features[:50, 1], now.features[:10, 1], now.features[10:20, 1] = np.inf, -np.inf, np.nan
    assert 0.8 < expected_loss(Metric.MAE, now.features, now.score, past, rng=rng).value < 1.2


def test_what_is_too_little_is_a_result() -> None:
    rng = np.random.default_rng(8)
    past, now = drawn(rng, 2 * PER_BAND - 1), drawn(rng, 10)
    with pytest.raises(NotEnoughData, match=f"{2 * PER_BAND} past labels"):
        expected_loss(Metric.MAE, now.features, now.score, past, rng=rng)
    few = residual_measurement(now.features, now.score, past, REGRESSION, version="7", seed=1)
    assert (few.value, few.verdict) == (None, Verdict.NOT_ENOUGH_DATA)
    lenient = make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 0.5}, labels={"minimum": 2})
    assert residual_measurement(now.features, now.score, past, lenient, version="7", seed=1).value is None


def test_a_model_that_was_never_wrong_is_expected_to_be_right() -> None:
    rng = np.random.default_rng(9)
    past, now = drawn(rng, 100), drawn(rng, 10)
    found = expected_loss(Metric.MAE, now.features, now.score, past._replace(label=past.score), rng=rng)
    assert found == (0.0, 0.0, 0.0)


def test_rows_that_were_nearly_always_right_are_expected_at_their_own_level() -> None:
    """Half of the rows are off by .01, half by 1: far below what a tree may expect at least (:data:`LEAST`), the band sets it right."""
    n = 1000
    x = np.arange(n) % 2
    past = Past(x[:, None].astype(float), np.zeros(n), np.where(x, 1.0, 0.01), np.ones(n))
    assert LEAST * 0.505 > 0.01
    found = expected_loss(Metric.MAE, np.zeros((50, 1)), np.zeros(50), past, rng=np.random.default_rng(10))
    assert found.value == pytest.approx(0.01)
