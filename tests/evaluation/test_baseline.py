"""What a look is judged by: the version's own baseline, or what it turned out to be where a challenger was no better."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.build import FIRST, SECOND, day_of, make_work, write
from vigil.decision.types import Action, Decision
from vigil.evaluation.look import evaluation_of, look_at
from vigil.evaluation.measure import performance_of
from vigil.measurement import Measurement
from vigil.store.records import RetrainingState
from vigil.window import Window
from vigil.workspace import Workspace

HOLDOUT = {"holdout": ["one", "two"]}
NO_BETTER = {"metric": "roc_auc", "difference": 0.01, "low": -0.01, "high": 0.03}  # 0.05 is tolerated


def look(work: Workspace, window: Window) -> Measurement:
    """Measure a day as the monitor flow does, and keep it; the judged metric."""
    seen = look_at(work.source, work.store, work.spec, window, window.end + timedelta(days=1))
    found = performance_of(work.source, work.store, work.spec, seen)
    work.store.record_evaluation(evaluation_of(seen, quality_passed=True), found)
    due = seen.as_of
    work.store.record_decision(
        Decision(f"d-{window.key}", "m", window, seen.evaluation_id, "2", due, Action.RETRAIN, "", (), work.spec.hash, "0"), {}
    )
    return next(m for m in found if (m.metric, m.subject) == ("roc_auc", "*"))


def second_day(
    folder: Path, training: dict[str, Any], state: RetrainingState, comparison: dict[str, Any]
) -> tuple[Measurement, Measurement]:
    """Two days of version 2, whose baseline is 0.95; the first day's decision asked for a challenger, which ended so."""
    work = make_work(folder, policy={"kind_rows": None})
    version = work.store.version("m", "1")
    assert version is not None
    work.store.save_spec("m", work.spec.hash, work.spec.canonical_json())
    work.store.save_version(replace(version, version="2", baseline=0.95, training=training))
    for window in (FIRST, SECOND):
        write(work, window, day_of(window, model_version="2"))
    first = look(work, FIRST)
    due = FIRST.end + timedelta(days=1)
    work.store.request_retraining(f"d-{FIRST.key}", model="m", champion="2", at=due)
    work.store.advance_retraining(f"d-{FIRST.key}", RetrainingState.REGISTERED, at=due, challenger="3")
    work.store.advance_retraining(f"d-{FIRST.key}", state, at=due, comparison=comparison)
    return first, look(work, SECOND)


def test_where_a_challenger_was_no_better_its_own_windows_are_in_the_baseline(tmp_path: Path) -> None:
    """The holdout's two windows at .95 and the first day."""
    first, second = second_day(tmp_path / "p", HOLDOUT, RetrainingState.KEPT, NO_BETTER)
    assert first.value is not None
    assert first.threshold == pytest.approx(0.95 - 0.05)
    assert (first.detail["baseline_windows"], first.detail["baseline_unbeaten"]) == (2, False)
    assert second.threshold == pytest.approx((2 * 0.95 + first.value) / 3 - 0.05)
    assert (second.detail["baseline_windows"], second.detail["baseline_unbeaten"]) == (3, True)


@pytest.mark.parametrize(
    ("training", "state", "comparison"),
    [
        (HOLDOUT, RetrainingState.KEPT, NO_BETTER | {"high": 0.06}),  # it may be better by more than is tolerated
        (HOLDOUT, RetrainingState.FAILED, {}),
        (HOLDOUT, RetrainingState.WAITING, NO_BETTER),
        ({}, RetrainingState.KEPT, NO_BETTER),  # how well the baseline is known is not on record
    ],
)
def test_else_the_baseline_stays(tmp_path: Path, training: dict[str, Any], state: RetrainingState, comparison: dict[str, Any]) -> None:
    _, second = second_day(tmp_path / "p", training, state, comparison)
    assert second.threshold == pytest.approx(0.95 - 0.05)
