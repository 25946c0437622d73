"""A random sample that runs anyway and a planned one, overlapping and with lost answers: together they stay unbiased and cover."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from vigil.labels.allocation import allocate
from vigil.labels.design import Design
from vigil.performance.metrics import estimate
from vigil.spec.model import Metric
from vigil.window import Window

DAY = Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC))
EDGES = (0.2, 0.4, 0.6, 0.8)
DESIGN = Design("l-1", DAY, None, (), EDGES, tuple(range(5)), ())
ROWS, SHARE, BUDGET = 2000, 0.05, 200


def simulated(times: int, *, lost: float) -> list[tuple[float, bool, np.ndarray]]:
    """Per simulation: the Brier score's estimate less the truth, whether the interval holds it, and the probability by stratum."""
    rng, found = np.random.default_rng(11), []
    score = rng.uniform(size=ROWS)
    stratum = DESIGN.strata_of(score, None)
    total = np.bincount(stratum)
    truth = np.mean(score**1.5 * (1 - score) ** 2 + (1 - score**1.5) * score**2)  # the model is off: the chance is score^1.5
    for _ in range(times):
        label = (rng.uniform(size=ROWS) < score**1.5).astype(float)
        labelled = rng.uniform(size=ROWS) < SHARE
        asked = allocate(total, np.array([0.1, 1.0, 3.0, 1.0, 0.1]), np.bincount(stratum[labelled], minlength=5), BUDGET)
        for each, count in enumerate(asked):
            chosen = rng.choice(np.flatnonzero(~labelled & (stratum == each)), count, replace=False)
            labelled[chosen[rng.uniform(size=count) >= lost]] = True
        chance = np.bincount(stratum[labelled], minlength=5) / total
        rows = score[labelled], label[labelled], 1 / chance[stratum[labelled]]
        value, low, high = estimate(Metric.BRIER, *rows, stratum=stratum[labelled])
        found.append((value - truth, low <= truth <= high, chance))
    return found


def test_the_estimate_of_both_together_is_unbiased_and_its_interval_covers() -> None:
    """Off by less than three standard errors; 93 to 97 % of 1,000."""
    found = simulated(1000, lost=0.0)
    errors = np.array([error for error, _, _ in found])
    assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))
    assert 0.93 <= np.mean([covered for _, covered, _ in found]) <= 0.97


def test_a_fifth_of_the_answers_lost_changes_neither() -> None:
    found = simulated(1000, lost=0.2)
    errors = np.array([error for error, _, _ in found])
    assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))
    assert 0.93 <= np.mean([covered for _, covered, _ in found]) <= 0.97


def test_taking_each_label_with_its_own_samples_probability_would_be_biased() -> None:
    """What the rule is for: random labels at .05 and planned ones at their share, side by side, count the random ones twice over."""
    rng = np.random.default_rng(5)
    score = rng.uniform(size=ROWS)
    stratum = DESIGN.strata_of(score, None)
    random = rng.uniform(size=ROWS) < SHARE
    planned = ~random & (stratum == 2) & (rng.uniform(size=ROWS) < 0.5)
    own = np.where(random, SHARE, 0.5)
    labelled = random | planned
    share_of_middle = np.sum((1 / own)[labelled & (stratum == 2)]) / np.sum((1 / own)[labelled])
    chance = np.bincount(stratum[labelled], minlength=5) / np.bincount(stratum)
    weight = 1 / chance[stratum]
    assert share_of_middle > 1.3 * np.mean(stratum == 2)
    assert np.isclose(np.sum(weight[labelled & (stratum == 2)]) / np.sum(weight[labelled]), np.mean(stratum == 2))


def test_on_average_the_probability_is_that_of_either_sample() -> None:
    """1 - (1 - p)(1 - q): a random tenth, then half of the rest."""
    rng, shares = np.random.default_rng(6), []
    for _ in range(400):
        labelled = rng.uniform(size=1000) < 0.1
        rest = np.flatnonzero(~labelled)
        labelled[rng.choice(rest, round(0.5 * len(rest)), replace=False)] = True
        shares.append(labelled.mean())
    assert abs(np.mean(shares) - 0.55) < 0.002
