"""Mean absolute SHAP values: exact where they can be told by hand, bounded, and never in the way of a registration."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.shapley import BACKGROUND, ROWS, is_installed, mean_absolute_shap

SPEC = spec_of(
    task="regression",
    features={"wind": "numeric", "carrier": "categorical", "unused": "numeric"},
    performance={"metric": "mae", "tolerated_loss": 1.0},
)
with_shap = pytest.mark.skipif(not is_installed(), reason="shap is not installed: pip install 'vigil[shap]', or make shap")


class Sum:
    """2 * wind, 0 where it is unknown, and 3 more for carrier UA; it counts the rows that it is asked for."""

    asked = 0

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        self.asked += len(rows)
        return 2 * rows["wind"].fillna(0.0).to_numpy() + 3.0 * (rows["carrier"] == "UA").to_numpy()


def rows_of(n: int) -> pd.DataFrame:
    wind, carrier = np.resize([0.0, 1.0, np.nan, 3.0], n), np.resize(["UA", "AA", None, "UA", "AA"], n)
    return pd.DataFrame({"wind": wind, "carrier": carrier, "unused": np.arange(n, dtype=float), "weight": 1.0})


def explained(model: Any, rows: pd.DataFrame, **given: Any) -> Any:
    """The clock stands still, unless it is given: a machine that pauses is no failure."""
    return mean_absolute_shap(model, rows, SPEC, np.random.default_rng(1), **{"clock": lambda: 0.0, **given})


def test_without_the_extra_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    assert explained(Sum(), rows_of(20)) is None


@with_shap
def test_of_a_sum_of_effects_it_is_the_mean_distance_of_each_effect_from_its_mean() -> None:
    """20 rows are explained, each against all 20. Effects of wind are 0, 2, 0, 6 in turn: the mean is 2, distances are 2, 0, 2, 4.

    Of carrier they are 3, 0, 0, 3, 0: the mean is 1.2, distances are 1.8, 1.2, 1.2, 1.8, 1.2.
    """
    found = explained(Sum(), rows_of(20))
    assert found == {"mean_abs": pytest.approx({"wind": 2.0, "carrier": 1.44, "unused": 0.0}), "rows": 20, "background": 20}


@with_shap
def test_rows_count_by_their_weight() -> None:
    """Only the rows with wind 3, whose effect is 4 from the mean, weigh anything to speak of."""
    rows = rows_of(20)
    found = explained(Sum(), rows.assign(weight=np.where(rows["wind"] == 3, 1.0, 1e-9)))
    assert found["mean_abs"]["wind"] == pytest.approx(4.0)


@with_shap
def test_a_bounded_sample_is_scored_the_same_again_and_numpys_generator_is_as_before() -> None:
    """Three features: 12 sets at most a row, each scored with the whole background; shap asks for the row and the background besides."""
    model, state = Sum(), np.random.get_state()[1]
    found = explained(model, rows_of(3000))
    assert (found["rows"], found["background"]) == (ROWS, BACKGROUND)
    assert model.asked <= ROWS * (BACKGROUND * 12 + 1) + BACKGROUND
    assert found == explained(Sum(), rows_of(3000))
    assert np.array_equal(state, np.random.get_state()[1])


@with_shap
def test_when_its_time_is_over_that_is_all_it_says() -> None:
    """The clock goes on by a second a look: at 0 it begins, at 1, 2 and 3 a row is explained."""
    ticks = count()
    found = explained(Sum(), rows_of(20), seconds=3.0, clock=lambda: float(next(ticks)))
    assert found == {"failed": "3 of 20 rows were explained when the time for it was over"}


@with_shap
def test_whatever_fails_is_a_line() -> None:
    assert explained(object(), rows_of(20)) == {"failed": "TrainingFailed: delay: a regression model needs `predict`, a object has none"}
