"""How labels are spread over strata: optimal where the spread is known, never far off where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.labels.allocation import allocate, expected_spread
from vigil.labels.plan import draw
from vigil.spec.model import Metric, Scoring


def test_it_is_neymans() -> None:
    """rows * spread is 200 : 300 : 500."""
    assert allocate(np.array([200, 100, 500]), np.array([1.0, 3.0, 1.0]), np.zeros(3, int), 100).tolist() == [20, 30, 50]


def test_a_stratum_that_has_labels_gets_fewer() -> None:
    """Of 100 in all, half each: 30 are there."""
    assert allocate(np.array([500, 500]), np.ones(2), np.array([30, 0]), 70).tolist() == [20, 50]


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


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(STRATUM, min_size=1, max_size=8), st.integers(2, 200), st.floats(0.01, 1), st.integers(0, 9))
def test_the_control_is_its_share_and_no_row_is_drawn_twice(
    strata: list[tuple[int, float, int]], budget: int, share: float, seed: int
) -> None:
    stratum = np.concatenate([np.full(free + have, number) for number, (free, _, have) in enumerate(strata)]).astype(np.int64)
    free = np.concatenate([np.arange(free + have) < free for free, _, have in strata]).astype(bool)
    if not free.any():
        return
    total, spread = np.bincount(stratum, minlength=len(strata)), np.array([spread for _, spread, _ in strata])
    control, rest = draw(free, stratum, spread, total, budget, share, np.random.default_rng(seed))
    assert len(control) == min(max(round(share * budget), 1), free.sum())
    assert len(control) + len(rest) == min(budget, free.sum())
    assert len({*control.tolist(), *rest.tolist()}) == len(control) + len(rest)
    assert free[control].all()
    assert free[rest].all()


def test_the_control_is_drawn_from_all_rows_alike_whatever_is_expected() -> None:
    """Of two strata of 500 the second alone is expected to vary: half of 400 draws of 20 come from each, give or take four errors."""
    stratum, free, totals = np.repeat([0, 1], 500), np.ones(1000, dtype=bool), np.array([500, 500])
    draws = [draw(free, stratum, np.array([0.0, 1.0]), totals, 80, 0.25, np.random.default_rng(seed)) for seed in range(400)]
    first = sum(int((stratum[control] == 0).sum()) for control, _ in draws)
    assert abs(first - 4000) < 4 * np.sqrt(8000 / 4)
    assert all((stratum[rest] == 1).sum() >= 58 for _, rest in draws)  # but what gives the first stratum two labels in all
