"""The search for the worst segments: finds what was planted, nothing where nothing is, and says what it explains."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.performance.test_measure import make_spec
from vigil.performance.segments import worst_segments

SPEC = make_spec(
    features={"origin": "categorical", "plan": "categorical"},
    segments=["origin", "plan"],
    performance={"metric": "brier", "tolerated_loss": 0.02},
    labels={"minimum": 50},
)


def rows_of(rng: np.random.Generator, n: int = 3000, *, wrong: bool = False) -> pd.DataFrame:
    """Calibrated scores; with ``wrong`` they point the other way where origin is EWR and plan is b."""
    score = rng.uniform(size=n)
    label = (rng.uniform(size=n) < score).astype(float)
    rows = pd.DataFrame({"label": label, "inclusion_probability": rng.choice([0.5, 1.0], n)})
    rows = rows.assign(origin=rng.choice(["EWR", "JFK", "LGA"], n), plan=rng.choice(["a", "b", "c"], n))
    planted = (rows["origin"] == "EWR") & (rows["plan"] == "b")
    return rows.assign(score=np.where(planted & wrong, 1 - score, score))


def test_the_planted_pair_comes_first_and_explains_the_change() -> None:
    rng = np.random.default_rng(1)
    found = worst_segments(rows_of(rng, 60_000, wrong=True), rows_of(rng, 60_000), SPEC)
    first = found[0]
    assert first.name == "origin=EWR & plan=b"
    assert first.searched == 15  # 3 + 3 values and 9 pairs
    assert first.low > 0.15  # (1 - s - y)^2 has the mean 1/2 - 1/6 = 1/3, (s - y)^2 has 1/6
    assert first.explains == pytest.approx(1.0, abs=0.2)
    assert {segment.name for segment in found[1:]} <= {"origin=EWR", "plan=b"}


def test_where_nothing_is_wrong_hardly_anything_is_found() -> None:
    """The promise is 2.5 % of windows; of 400, at most 20 (5 %, three standard errors above)."""
    rng = np.random.default_rng(2)
    none = rows_of(rng)[:0]
    assert sum(bool(worst_segments(rows_of(rng, 1000), none, SPEC)) for _ in range(400)) <= 20


def test_without_rows_before_nothing_is_explained() -> None:
    rows = rows_of(np.random.default_rng(3), wrong=True)
    found = worst_segments(rows, rows[:0], SPEC)
    assert (found[0].explains, found[0].loss_before) == (None, None)


def test_a_change_that_may_be_chance_is_not_explained() -> None:
    """The pair is as wrong before as now."""
    rng = np.random.default_rng(6)
    found = worst_segments(rows_of(rng, wrong=True), rows_of(rng, wrong=True), SPEC)
    assert found[0].loss_before is not None
    assert found[0].explains is None


def test_a_segment_of_few_rows_is_not_searched() -> None:
    rows = rows_of(np.random.default_rng(4), wrong=True)
    few = make_spec(**{**SPEC.model_dump(mode="json", exclude_unset=True), "labels": {"minimum": 2000}})
    assert worst_segments(rows, rows, few) == ()
