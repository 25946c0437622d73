"""How labels are spread over strata: optimal where the spread is known, never far off where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.labels.allocation import CONTROL, allocate, expected_spread
from vigil.spec.model import Metric, Scoring


def test_without_a_control_it_is_neymans() -> None:
    """rows * spread is 200 : 300 : 500."""
    assert allocate(np.array([200, 100, 500]), np.array([1.0, 3.0, 1.0]), np.zeros(3, int), 100, control=0.0).tolist() == [20, 30, 50]


def test_the_control_is_spread_over_all_rows_alike() -> None:
    """Nothing is expected of the first stratum: it gets its half of 40 labels of control."""
    assert allocate(np.array([500, 500]), np.array([0.0, 1.0]), np.zeros(2, int), 100, control=0.4).tolist() == [20, 80]


def test_a_stratum_that_has_labels_gets_fewer() -> None:
    """Of 100 in all, half each: 30 are there."""
    assert allocate(np.array([500, 500]), np.ones(2), np.array([30, 0]), 70, control=0.0).tolist() == [20, 50]


STRATUM = st.tuples(st.integers(0, 60), st.floats(0, 5), st.integers(0, 60))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STRATUM, min_size=1, max_size=12), st.integers(1, 300))
def test_it_spends_the_budget_and_asks_for_no_row_twice(strata: list[tuple[int, float, int]], budget: int) -> None:
    rows = np.array([free + have for free, _, have in strata])
    have = np.array([have for _, _, have in strata])
    asked = allocate(rows, np.array([spread for _, spread, _ in strata]), have, budget)
    assert asked.sum() == min(budget, (rows - have).sum())
    assert (asked >= 0).all()
    assert (asked <= rows - have).all()
    free = rows - have
    if 0 < budget < free.sum():  # whatever is expected of a stratum, its part of the control is asked for
        assert (asked >= np.floor(CONTROL * budget * free / free.sum()) - 1).all()
    if budget >= 2 * len(strata):
        assert (asked + have >= np.minimum(2, rows)).all()


@pytest.mark.parametrize("metric", [metric for metric in Metric if metric not in (Metric.MAE, Metric.RMSE, Metric.MAPE, Metric.PINBALL)])
def test_a_certain_score_is_worth_no_label(metric: Metric) -> None:
    spread = expected_spread(metric, np.array([0.0, 0.3, 0.7, 1.0]), Scoring())
    assert spread[[0, 3]] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert spread.max() > 0


def test_of_a_regression_the_size_of_its_errors_counts() -> None:
    score, scale = np.ones(2), np.array([1.0, 3.0])
    assert expected_spread(Metric.MAE, score, Scoring(), scale).tolist() == [1.0, 3.0]
    assert expected_spread(Metric.RMSE, score, Scoring(), scale).tolist() == [1.0, 9.0]
    assert expected_spread(Metric.MAE, score, Scoring()).tolist() == [1.0, 1.0]
