"""Challengers that score beside the champion until there are labels enough. Real DuckDB and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.challenger.build import spec_of
from tests.challenger.loans import FIRST, MODEL, ROWS, Knows, look, write_spec, write_weeks
from vigil.challenger.compare import Comparison, compare
from vigil.challenger.shadow import concluded, held_for, look_in_shadow, windows_since
from vigil.challenger.verdict import next_state
from vigil.decision.types import Action, Decision
from vigil.evaluation.look import evaluation_of
from vigil.store.records import LookKind, PromotionKind, RetrainingState, Version
from vigil.window import Window
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
    found = look_in_shadow(work, decision(work), look(work, week), Knows(0.5), Knows(knowledge))
    return None if found is None else Comparison.from_json(found.comparison)


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


def test_a_window_of_another_length_is_no_look(work: Workspace) -> None:
    """Else days that were looked at before `window` was lengthened would end the shadow."""
    for day in range(4):
        start = look(work, 2).window.start + timedelta(days=day)
        other = replace(look(work, 2), evaluation_id=f"e-day-{day}", window=Window(start, start + timedelta(days=1)))
        work.store.record_evaluation(evaluation_of(other, quality_passed=True), [])
    looked(work, 2)
    assert windows_since(work.store, work.spec, decision(work), look(work, 2)) == (look(work, 2).window,)


def test_all_looks_hold_together(work: Workspace) -> None:
    """Three looks at 95 % in all are looks at 98.3 %."""
    for week in (2, 3):
        looked(work, week)
    found = compared(work, 3, 1.0)
    assert found is not None
    assert found.confidence == pytest.approx(1 - 0.05 / 3)


def test_a_look_tells_of_its_window_alone_too(work: Workspace) -> None:
    """Both score its 200 rows: who knows half is wrong by a quarter in each (Brier 1/16), who knows all by nothing."""
    looked(work, 2)
    found = look_in_shadow(work, decision(work), look(work, 2), Knows(0.5), Knows(1.0))
    assert found is not None
    assert (found.kind, found.window, found.n) == (LookKind.SHADOW, FIRST.shifted(2), ROWS)
    assert (found.champion, found.challenger) == (0.0625, 0.0)


def test_looking_after_every_window_keeps_the_error_rate() -> None:
    """Two models that are equally good, looked at after each of eight windows: promoted by chance in 2.5 % of such shadows at most.

    Held for one look only, the same eight looks promote by chance about three times as often. Of 120 shadows 2.5 % are 3, and more than
    7 happen in 1 % of such simulations.
    """
    looks, rows, shadows, rng = 8, 60, 120, np.random.default_rng(7)
    alone = spec_of(performance={"metric": "brier", "tolerated_loss": 0.1}, comparison={"minimum_rows": 50}, labels={"minimum": 10})
    promoted = {"held": 0, "alone": 0}
    for _ in range(shadows):
        truth = rng.random(looks * rows)
        label = (rng.random(looks * rows) < truth).astype(float)
        one, other = (np.clip(truth + rng.normal(0, 0.15, looks * rows), 0, 1) for _ in range(2))
        for name, spec in (("held", held_for(alone, looks)), ("alone", held_for(alone, 1))):
            for number in range(1, looks + 1):
                seen = slice(None, number * rows)
                found = concluded(compare(one[seen], other[seen], label[seen], None, spec, rng), last=number == looks)
                if found.low is not None and (found.low > 0 or found.high < 0):
                    promoted[name] += found.low > 0
                    break
    assert promoted["held"] <= 7
    assert promoted["alone"] > 7


def test_an_interval_far_in_the_tails_is_not_of_a_thousand_resamples() -> None:
    """Of 1,000 resamples 5 lie beyond each end at 99 %; with fewer the interval is the jackknife's, whatever the draw."""
    rng = np.random.default_rng(1)
    label = (rng.random(300) < 0.5).astype(float)
    scores = [np.clip(label * 0.4 + rng.random(300) * 0.6, 0, 1) for _ in range(2)]

    spec = spec_of(performance={"metric": "brier", "tolerated_loss": 0.1})

    def ends(looks: int, seed: int) -> tuple[float | None, float | None]:
        found = compare(*scores, label, None, held_for(spec, looks), np.random.default_rng(seed))
        return found.low, found.high

    assert ends(5, seed=1) != ends(5, seed=2)
    assert ends(6, seed=1) == ends(6, seed=2)


def test_too_few_labels_lead_into_shadow_only_where_the_specification_gives_windows(work: Workspace) -> None:
    """Else the champion stays."""
    looked(work, 2)
    found = compared(work, 2, 1.0)
    assert found is not None
    none = work.spec.model_copy(update={"comparison": work.spec.comparison.model_copy(update={"shadow_windows": 0})})
    assert [next_state(found, spec) for spec in (work.spec, none)] == [RetrainingState.SHADOW, RetrainingState.KEPT]
