"""A baseline with the windows it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.decision.test_ladder import a_spec
from vigil.performance.baseline import Baseline, unbeaten, windows_measured_on
from vigil.spec.model import Metric


def test_later_windows_weigh_as_those_it_was_measured_on() -> None:
    """(2 * .8 + .7 + .6) / 4; of an error more is worse."""
    assert Baseline(0.8, 2).over([0.7, 0.6], Metric.ROC_AUC) == Baseline(pytest.approx(0.725), 4, unbeaten=True)  # type: ignore[arg-type]
    assert Baseline(5.0, 1).over([7.0], Metric.MAE) == Baseline(6.0, 2, unbeaten=True)


@pytest.mark.parametrize(("baseline", "values"), [(Baseline(0.8, 2), [0.9]), (Baseline(0.8, 2), []), (Baseline(0.8), [0.5])])
def test_it_is_never_raised_and_one_of_which_nothing_is_known_stays(baseline: Baseline, values: list[float]) -> None:
    assert baseline.over(values, Metric.ROC_AUC) is baseline


@pytest.mark.parametrize(
    ("lineage", "windows"),
    [({"holdout": ["a", "b"]}, 2.0), ({"holdout": [], "baseline_windows": 1.7}, 1.7), ({"baseline_windows": 0.2}, 1.0), ({}, None)],
)
def test_how_many_windows_it_is_of_is_read_from_the_lineage(lineage: dict[str, Any], windows: float | None) -> None:
    assert windows_measured_on(lineage) == windows


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ({"metric": "roc_auc", "high": 0.02}, True),  # 0.03 is tolerated
        ({"metric": "roc_auc", "high": 0.04}, False),  # it may be better by more
        ({"metric": "brier", "high": 0.02}, False),  # in another unit
        ({"metric": "roc_auc", "high": None}, False),  # too few rows
        ({}, False),
    ],
)
def test_a_champion_is_unbeaten_where_no_more_than_is_tolerated_can_be_gained(comparison: dict[str, Any], expected: bool) -> None:
    assert unbeaten(comparison, a_spec()) is expected
