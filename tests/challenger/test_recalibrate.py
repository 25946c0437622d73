"""A champion is put right without being trained: its order stays, its scores are those of the labels, it needs scikit-learn alone."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.challenger.build import spec_of
from vigil.challenger.fit import score
from vigil.challenger.recalibrate import ISOTONIC_ROWS, method_for, recalibrate
from vigil.errors import TrainingFailed
from vigil.performance.metrics import log_loss, mae

FEATURES = {"wind": "numeric", "heat": "numeric"}
SPEC = spec_of(features=FEATURES)
REGRESSION = spec_of(task="regression", features=FEATURES, performance={"metric": "mae", "tolerated_loss": 1.0})


def rows(count: int, shift: float, seed: int) -> pd.DataFrame:
    """The label is 1 with probability expit(2 wind + shift)."""
    rng = np.random.default_rng(seed)
    wind = rng.normal(size=count)
    label = (rng.uniform(size=count) < expit(2 * wind + shift)).astype(int)
    return pd.DataFrame({"wind": wind, "heat": rng.normal(size=count), "label": label, "weight": rng.choice([1.0, 3.0], count)})


@pytest.mark.parametrize(
    "made", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression()), HistGradientBoostingClassifier(max_iter=30)]
)
@pytest.mark.parametrize("count", [300, ISOTONIC_ROWS])
def test_scores_that_are_off_are_put_right(made: Any, count: int) -> None:
    """Labels have become rarer (shift -2). On later rows the loss comes down by far, and the champion itself is as it was."""
    learned = rows(2000, 0.0, 1)
    champion = made.fit(learned[list(FEATURES)], learned["label"])
    later = rows(2000, -2.0, 3)
    before = score(champion, later, SPEC)
    found = score(recalibrate(champion, rows(count, -2.0, 2), SPEC), later, SPEC)
    assert log_loss(found, later["label"]) < log_loss(before, later["label"]) - 0.2
    assert spearmanr(found, before).statistic > 0.98
    assert np.array_equal(score(champion, later, SPEC), before)


def test_weights_are_read() -> None:
    """Positives weigh ten times as much, so scores are higher."""
    learned, now = rows(500, 0.0, 1), rows(400, 0.0, 2)
    champion = LogisticRegression().fit(learned[list(FEATURES)], learned["label"])
    heavier = now.assign(weight=np.where(now["label"] == 1, 10.0, 1.0))
    assert score(recalibrate(champion, heavier, SPEC), now, SPEC).mean() > score(recalibrate(champion, now, SPEC), now, SPEC).mean() + 0.1


def test_a_recalibrated_version_is_recalibrated_anew_not_twice() -> None:
    learned, now = rows(500, 0.0, 1), rows(400, -1.0, 2)
    champion = RandomForestClassifier(20, random_state=0).fit(learned[list(FEATURES)], learned["label"])
    once = recalibrate(champion, rows(400, 1.0, 3), SPEC)
    assert np.array_equal(score(recalibrate(once, now, SPEC), now, SPEC), score(recalibrate(champion, now, SPEC), now, SPEC))


@pytest.mark.parametrize("count", [300, ISOTONIC_ROWS])
def test_a_regression_is_put_right_too(count: int) -> None:
    """What was wind is 3 + 2 wind now. Recalibrated anew it is the same model again."""
    learned = rows(1000, 0.0, 1)
    champion = LinearRegression().fit(learned[list(FEATURES)], learned["wind"])
    now = rows(count, 0.0, 2).assign(label=lambda frame: 3 + 2 * frame["wind"])
    found = recalibrate(champion, now, REGRESSION)
    later = rows(200, 0.0, 3)
    assert mae(score(found, later, REGRESSION), 3 + 2 * later["wind"]) < 0.2
    again = recalibrate(found, now, REGRESSION)
    assert np.array_equal(score(again, later, REGRESSION), score(found, later, REGRESSION))


def test_a_version_needs_no_vigil() -> None:
    """It is pickled by reference to scikit-learn's classes only."""
    learned = rows(300, 0.0, 1)
    champion = LogisticRegression().fit(learned[list(FEATURES)], learned["label"])
    assert b"vigil" not in pickle.dumps(recalibrate(champion, learned, SPEC))


def test_what_scikit_learn_cannot_hold_is_named() -> None:
    with pytest.raises(TrainingFailed, match="delay: the champion cannot be recalibrated"):
        recalibrate(object(), rows(300, 0.0, 1), SPEC)


def test_few_rows_carry_a_line() -> None:
    assert (method_for(ISOTONIC_ROWS - 1), method_for(ISOTONIC_ROWS)) == ("sigmoid", "isotonic")
