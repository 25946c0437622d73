"""A fall in performance is divided into its causes; each is found where it is, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.performance.kinds import changed
from vigil.drift.multivariate import domain_probabilities
from vigil.errors import NotEnoughData
from vigil.performance.decomposition import OVERLAP, Decomposition, Side, decompose, shared_after, shared_before
from vigil.performance.metrics import value_of
from vigil.spec.model import Metric, Scoring


def divided(before: pd.DataFrame, now: pd.DataFrame, metric: Metric, rng: np.random.Generator, *, resamples: int = 200) -> Decomposition:
    x = [side[["x", "u"]].to_numpy() for side in (now, before)]
    w = [1 / side["chance"].to_numpy() for side in (now, before)]
    of_now = domain_probabilities(*x, [False, False], np.concatenate(w), rng)
    sides = [(before, w[1], shared_before(of_now[len(now) :])), (now, w[0], shared_after(of_now[: len(now)]))]
    then, after = (Side(side["score"].to_numpy(), side["label"].to_numpy(), weight, shared) for side, weight, shared in sides)
    return decompose(metric, then, after, rng, scoring=Scoring(), confidence=0.95, resamples=resamples)


def test_without_a_change_nothing_made_it_worse() -> None:
    """In 8 seeded runs at 95 % two-sided, each part lies above 0 in at most 1 (0.2 expected)."""
    rng = np.random.default_rng(5)
    found = [divided(*changed("none", 400, rng), Metric.LOG_LOSS, rng) for _ in range(8)]
    for part in ("harder", "relation", "population", "remaining"):
        assert sum(getattr(each, part).low > 0 for each in found) <= 1, part


@pytest.mark.parametrize("new", [0.0, 1.0])
def test_cases_that_were_not_there_before_are_told_by_a_flag_whichever_way_it_is_coded(new: float) -> None:
    """50 of 1,000 rows of now have it, none of before: fewer than a bin's worth, and each is surely new."""
    now = np.where(np.arange(1000) < 50, new, 1 - new)[:, None]
    of_now = domain_probabilities(now, np.full((1000, 1), 1 - new), [False], np.ones(2000), np.random.default_rng(0))
    assert of_now[:50].min() > OVERLAP
    assert of_now[50:].max() < 0.6


def test_the_parts_add_up_to_the_whole_fall() -> None:
    """By construction: the sum telescopes, for an AUC as for a mean."""
    rng = np.random.default_rng(0)
    before, now = changed("relation", 400, rng)
    for metric in (Metric.ROC_AUC, Metric.RMSE, Metric.PRECISION):
        found = divided(before, now, metric, rng, resamples=20)
        parts = found.harder.value + found.relation.value + found.population.value
        assert parts == pytest.approx(found.total.value)
        assert found.remaining.value == pytest.approx(found.relation.value + found.population.value)
        sign = -1 if metric.larger_is_better else 1
        values = [value_of(metric, side["score"], side["label"], 1 / side["chance"]) for side in (before, now)]
        assert found.total.value == pytest.approx(sign * (values[1] - values[0]))


def test_two_known_populations_are_divided_by_hand() -> None:
    """Two kinds of rows, easy with loss 0 and hard with loss 1. Before 1 of 4 is hard, now 3 of 4, and a new kind with loss 1 is as
    many again. Now is 8 rows: 1 easy, 3 hard, 4 new; q/p is (1/4)/(3/4) for easy and (3/4)/(1/4) for hard rows.

    Before: 1/4. Shared, by the old relation: 3/4. By the new one the same. Now: (3 + 4) / 8.
    """
    easy, hard = 0.25 / (0.25 + 0.75), 0.75 / (0.75 + 0.25)
    then = Side(np.array([0.0, 0, 0, 1]), np.zeros(4), np.ones(4), shared_before(np.array([easy, easy, easy, hard])))
    now = Side(np.array([0.0, 1, 1, 1, 1, 1, 1, 1]), np.zeros(8), np.ones(8), shared_after(np.array([easy, *[hard] * 3, *[0.99] * 4])))
    found = decompose(Metric.MAE, then, now, np.random.default_rng(0), scoring=Scoring(), confidence=0.95, resamples=50)
    assert [each.value for each in (found.harder, found.relation, found.population)] == pytest.approx([0.5, 0.0, 0.125])


def test_a_row_that_before_hardly_had_is_not_shared() -> None:
    surer = np.array([0.5, OVERLAP, OVERLAP + 0.01])
    assert shared_before(surer) == pytest.approx([1.0, 9.0, 0.0])
    assert shared_after(surer).tolist() == [1.0, 1.0, 0.0]


def test_nothing_shared_is_too_little_to_tell() -> None:
    """Every row of now is new."""
    side = Side(np.zeros(9), np.zeros(9), np.ones(9), np.zeros(9))
    with pytest.raises(NotEnoughData):
        decompose(Metric.MAE, side, side, np.random.default_rng(0), scoring=Scoring(), confidence=0.95)
