"""What keeps a challenger back though it is better overall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.compare import Comparison, compare
from vigil.challenger.costs import costs_of
from vigil.challenger.criteria import Criterion, Standing, cost_criteria, criteria_of
from vigil.errors import SpecError
from vigil.spec.model import ModelSpec

N = 2000


def spec(**changes: Any) -> ModelSpec:
    return spec_of(**{"segments": ("carrier",), "labels": {"minimum": 50}, "performance": {"tolerated_loss": 0.05}, **changes})


def scored(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame]:
    """Labels, a middling and a good model, and three carriers."""
    rng = np.random.default_rng(seed)
    label = (rng.random(N) < 0.4).astype(float)
    old, new = (1 / (1 + np.exp(-(2 * label - 1 + noise * rng.normal(size=N)))) for noise in (3.0, 1.0))
    return label, old, new, pd.DataFrame({"carrier": np.resize(["AA", "DL", "UA"], N)})


def of(found: tuple[Criterion, ...] | Comparison, name: str) -> dict[str, Criterion]:
    criteria = found.criteria if isinstance(found, Comparison) else found
    return {each.subject: each for each in criteria if each.name == name}


# groups -------------------------------------------------------------------------------------------------------------
def test_better_overall_and_worse_in_a_guarded_group_is_kept_and_said() -> None:
    """Of ten carriers one loses everything; the mean still gains."""
    rng = np.random.default_rng(2)
    label = (rng.random(N) < 0.4).astype(float)
    old, new = (1 / (1 + np.exp(-(2 * label - 1 + noise * rng.normal(size=N)))) for noise in (3.0, 1.0))
    groups = pd.DataFrame({"carrier": np.resize([f"C{number}" for number in range(10)], N)})
    new = np.where(groups["carrier"] == "C7", 1 - new, new)
    asked = {"metric": "brier", "margin": 0.02, "calibration_margin": 0.9}
    free = compare(old, new, label, None, spec(comparison=asked), np.random.default_rng(0), groups)
    guarded = compare(old, new, label, None, spec(comparison={**asked, "guarded": ["carrier"]}), np.random.default_rng(0), groups)
    assert (free.verdict, guarded.verdict) == ("promote", "keep")
    assert (free.low, free.high) == (guarded.low, guarded.high)
    assert {each.standing for each in of(free, "non_inferiority").values()} == {Standing.SHOWN}
    assert [each.subject for each in guarded.failed] == ["carrier=C7"]
    assert "The champion stays all the same: not worse in carrier=C7: " in guarded.sentence()
    assert Comparison.from_json(guarded.to_json()) == guarded


def test_protected_groups_are_guarded_by_default() -> None:
    """Unless the specification guards others."""
    by_default = spec(fairness={"protected": ["gender"]})
    assert (by_default.guarded, by_default.guarded_margin) == (("gender",), 0.05)
    assert spec(fairness={"protected": ["gender"]}, comparison={"guarded": []}).guarded == ()


def test_a_group_with_too_few_labels_is_said_and_keeps_nobody_back() -> None:
    """Ten rows of one carrier; the specification asks for fifty."""
    label, old, new, groups = scored()
    groups.loc[:9, "carrier"] = "ZZ"
    found = of(criteria_of(old, new, label, np.ones(N), groups, spec(comparison={"guarded": ["carrier"]})), "non_inferiority")["carrier=ZZ"]
    assert (found.standing, found.champion, found.p_value, found.n) == (Standing.NOT_ENOUGH_DATA, None, None, 10)
    assert found.sentence() == "not worse in carrier=ZZ: too few labelled rows (10)"


def test_rows_in_another_order_give_the_same_criteria() -> None:
    label, old, new, groups = scored()
    order = np.random.default_rng(3).permutation(N)
    asked = spec(comparison={"guarded": ["carrier"]})
    there = compare(old, new, label, None, asked, np.random.default_rng(0), groups)
    back = compare(old[order], new[order], label[order], None, asked, np.random.default_rng(0), groups.iloc[order].reset_index(drop=True))
    assert there == back


def test_with_many_guarded_groups_the_chance_to_pass_one_that_loses_the_margin_is_held() -> None:
    """Simulated: in each of ten groups the challenger loses exactly the margin; any passes in at most 2.5 % of 400 comparisons.

    The count of such comparisons is then binomial at most: above 18 of 400 with probability 0.005. Without Holm it would be near 80.
    """
    rng, passed = np.random.default_rng(7), 0
    asked = spec_of(
        task="regression",
        performance={"metric": "mae", "tolerated_loss": 0.5},
        comparison={"guarded": ["carrier"]},
        segments=("carrier",),
        labels={"minimum": 20},
    )
    groups = pd.DataFrame({"carrier": np.repeat([f"C{number}" for number in range(10)], 40)})
    label = np.zeros(400)
    for _ in range(400):
        old = rng.normal(5, 1, 400)
        new = rng.normal(5.5, 1, 400)
        found = of(criteria_of(old, new, label, np.ones(400), groups, asked), "non_inferiority")
        passed += any(each.standing is Standing.PASSED for each in found.values())
    assert passed <= 18


# the others ---------------------------------------------------------------------------------------------------------
def test_a_challenger_whose_probabilities_are_wrong_fails_calibration() -> None:
    """It ranks as the champion does; every probability is halved. The margin of the specification decides."""
    rng = np.random.default_rng(5)
    chance = rng.uniform(0.1, 0.9, N)
    label = (rng.random(N) < chance).astype(float)
    strict, lax = (
        of(criteria_of(chance, chance / 2, label, np.ones(N), None, spec(comparison={"calibration_margin": margin})), "calibration")["*"]
        for margin in (0.05, 0.5)
    )
    assert (strict.standing, lax.standing) == (Standing.FAILED, Standing.PASSED)
    assert strict.challenger == pytest.approx(0.28, abs=0.05)  # the root mean square of chance / 2 over [0.1, 0.9]
    assert strict.champion == pytest.approx(0.0, abs=0.05)


def test_worth_less_by_the_value_matrix_fails() -> None:
    """Never calling anything positive misses 40 where calling all costs 10 in most rows."""
    label = np.resize([1.0, 1.0, 0.0], N)
    worth = spec(business={"value": {"missed": -40, "false_alarm": -10}})
    found = of(criteria_of(np.full(N, 0.9), np.full(N, 0.1), label, np.ones(N), None, worth), "value")["*"]
    assert found.standing is Standing.FAILED
    assert (found.champion, found.challenger) == (pytest.approx(-10 / 3, abs=0.01), pytest.approx(-80 / 3, abs=0.02))
    assert of(criteria_of(np.full(N, 0.9), np.full(N, 0.1), label, np.ones(N), None, spec()), "value") == {}


def test_decisions_that_change_are_counted_and_limited_where_the_specification_says() -> None:
    """Every fourth score crosses 0.5, by 0.4."""
    old = np.full(N, 0.3)
    new = np.where(np.arange(N) % 4 == 0, 0.7, 0.3)
    label = np.resize([0.0, 1.0], N)
    shown, failed, passed = (
        criteria_of(old, new, label, np.ones(N), None, spec(comparison=asked))
        for asked in ({}, {"tolerated_flips": 0.2}, {"tolerated_flips": 0.3})
    )
    assert [of(found, "flipped")["*"].standing for found in (shown, failed, passed)] == ["shown", "failed", "passed"]
    assert of(shown, "flipped")["*"].challenger == 0.25
    assert of(shown, "score_change")["*"].challenger == pytest.approx(0.1)


def test_costs_are_limited_as_multiples_of_the_champions() -> None:
    """Twice as slow, three times as large."""
    asked = spec(comparison={"tolerated_slowdown": 1.5, "tolerated_growth": 4})
    latency, size = cost_criteria((0.5, 2.0), (1.0, 6.0), 1000, asked)
    assert (latency.standing, latency.limit, size.standing, size.limit) == (Standing.FAILED, 0.75, Standing.PASSED, 8.0)
    assert [each.standing for each in cost_criteria((0.5, 2.0), (1.0, 6.0), 1000, spec())] == [Standing.SHOWN] * 2


class Slow:
    """An estimator that takes its time, on a clock of the test's own."""

    def __init__(self, clock: list[float], seconds: float, ballast: int) -> None:
        self.clock, self.seconds, self.ballast = clock, seconds, bytes(ballast)

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        self.clock[0] += self.seconds
        return np.full((len(rows), 2), 0.5)


def test_costs_are_medians_a_row_and_the_size_as_saved() -> None:
    """2 s and 4 s for 1,000 rows."""
    clock = [0.0]
    rows = pd.DataFrame({"wind": np.zeros(1500), "carrier": "UA"})
    found = costs_of(Slow(clock, 2.0, 0), Slow(clock, 4.0, 1_000_000), rows, spec(), lambda: clock[0])
    assert (found.champion[0], found.challenger[0], found.rows) == (2.0, 4.0, 1000)
    assert found.champion[1] < 0.1 < 1.0 < found.challenger[1] < 1.1


# specification ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparison": {"guarded": ["origin"]}}, "comparison.guarded: origin is neither in segments nor in fairness.protected"),
        ({"comparison": {"guarded": ["carrier"], "metric": "brier"}}, "comparison.margin: guarded groups are compared on brier"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, SpecError), match=message):
        spec(**changes)


def test_what_is_not_used_changes_no_hash() -> None:
    """Keys that came later, at their defaults, are not part of a specification's identity."""
    comparison = spec().model_dump(mode="json")["comparison"]
    assert set(comparison) == {"metric", "confidence", "resamples", "minimum_rows", "promotion"}
    assert "limits" not in spec().model_dump(mode="json")["training"]
