"""Challengers that score beside the champion until there are labels enough. Real DuckDB and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.challenger.loans import FIRST, MODEL, ROWS, Knows, look, write_spec, write_weeks
from vigil.challenger.compare import Comparison
from vigil.challenger.shadow import compare_in_shadow
from vigil.challenger.verdict import next_state
from vigil.decision.types import Action, Decision
from vigil.evaluation.look import evaluation_of
from vigil.store.records import PromotionKind, RetrainingState, Version
from vigil.workspace import Workspace

WEEKS, DECIDED = 6, 1  # the second week's decision asks for a challenger: one week to train on, one kept


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    """Two weeks were looked at, the second's decision was RETRAIN; 500 labelled rows are asked for, and three weeks given in shadow."""
    write_spec(tmp_path, "{minimum_rows: 500, shadow_windows: 3, calibration_margin: 0.9}")
    write_weeks(tmp_path, WEEKS)
    opened = Workspace.open(tmp_path, MODEL)
    opened.store.save_version(Version(MODEL, "2", FIRST.start, opened.spec.hash, "brier", 0.2, {}, {}, "{}", "{}"))
    opened.store.move_champion(MODEL, "2", expected_token=0, kind=PromotionKind.ADOPTED, by="vigil", reason="", at=FIRST.start)
    for week in range(DECIDED + 1):
        looked(opened, week)
    yield opened
    opened.store.close()


def looked(work: Workspace, week: int, *, quality_passed: bool = True) -> None:
    work.store.record_evaluation(evaluation_of(look(work, week), quality_passed=quality_passed), [])


def decision(work: Workspace) -> Decision:
    at = look(work, DECIDED)
    return Decision("d1", MODEL, at.window, at.evaluation_id, "2", at.as_of, Action.RETRAIN, "Drift lasts.", (), work.spec.hash, "0")


def compared(work: Workspace, week: int, knowledge: float) -> Comparison | None:
    """The champion knows half."""
    return compare_in_shadow(work, decision(work), look(work, week), Knows(0.5), Knows(knowledge))


def test_it_goes_on_until_there_are_labels_enough_and_then_settles(work: Workspace) -> None:
    """The week kept from training has 200 labelled rows, as each that follows: 500 are there after two more."""
    assert compared(work, DECIDED, 1.0) is None
    found = []
    for week in (2, 3):
        looked(work, week)
        found.append(compared(work, week, 1.0))
    assert [(each.verdict.value, each.n) for each in found if each is not None] == [("not_enough_data", 2 * ROWS), ("promote", 3 * ROWS)]


def test_one_that_is_worse_is_settled_at_once_and_an_equal_one_after_the_last_look(work: Workspace) -> None:
    """Equal ones differ by nothing in every row."""
    verdicts: dict[float, list[str]] = {0.0: [], 0.5: []}
    for week in (2, 3, 4):
        looked(work, week)
        for knowledge, said in verdicts.items():
            found = compared(work, week, knowledge)
            assert found is not None
            said.append(found.verdict.value)
    assert verdicts == {0.0: ["not_enough_data", "keep", "keep"], 0.5: ["not_enough_data", "not_enough_data", "keep"]}


def test_a_window_at_fault_is_no_look(work: Workspace) -> None:
    looked(work, 2, quality_passed=False)
    assert compared(work, 2, 1.0) is None


def test_all_looks_hold_together(work: Workspace) -> None:
    """Three looks at 95 % in all are looks at 98.3 %."""
    for week in (2, 3):
        looked(work, week)
    found = compared(work, 3, 1.0)
    assert found is not None
    assert found.confidence == pytest.approx(1 - 0.05 / 3)


def test_too_few_labels_lead_into_shadow_only_where_the_specification_gives_windows(work: Workspace) -> None:
    """Else the champion stays."""
    looked(work, 2)
    found = compared(work, 2, 1.0)
    assert found is not None
    none = work.spec.model_copy(update={"comparison": work.spec.comparison.model_copy(update={"shadow_windows": 0})})
    assert [next_state(found, spec) for spec in (work.spec, none)] == [RetrainingState.SHADOW, RetrainingState.KEPT]
