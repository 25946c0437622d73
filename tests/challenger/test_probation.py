"""Probation: a promoted version beside the one that it replaced, on the rows that it served. Real DuckDB and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.challenger.loans import FIRST, ROWS, Knows, look, write_spec, write_weeks
from vigil.challenger.probation import broken_promise, measure_probation, probation_of
from vigil.evaluation.look import Look, evaluation_of
from vigil.measurement import Measurement
from vigil.spec.model import ModelSpec
from vigil.store.records import PromotionKind, Version
from vigil.workspace import Workspace

COMPARISON = "{minimum_rows: 100, probation: {windows: 2, rollback: true}}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three weeks of version 2, which was promoted in place of version 1 as the first began."""
    write_spec(tmp_path, COMPARISON)
    write_weeks(tmp_path, 3)
    return tmp_path


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    opened = Workspace.open(folder, "loans")
    for number, kind in (("1", PromotionKind.ADOPTED), ("2", PromotionKind.PROMOTED)):
        opened.store.save_version(Version("loans", number, FIRST.start, opened.spec.hash, "brier", 0.2, {}, {}, "{}", "{}"))
        opened.store.move_champion("loans", number, expected_token=int(number) - 1, kind=kind, by="vigil", reason="", at=FIRST.start)
    yield opened
    opened.store.close()


def with_probation(spec: ModelSpec, **changes: object) -> ModelSpec:
    probation = spec.comparison.probation.model_copy(update=changes)
    return spec.model_copy(update={"comparison": spec.comparison.model_copy(update={"probation": probation})})


def looked(work: Workspace, week: int, knowledge: float) -> tuple[Look, Measurement]:
    """Look at a week as the flow does: measure, and record."""
    at = look(work, week)
    probation = probation_of(work.store, work.spec, at)
    assert probation is not None
    found = measure_probation(work, at, probation, Knows(knowledge))
    work.store.record_evaluation(evaluation_of(at, quality_passed=True), [found])
    return at, found


def test_a_version_that_keeps_its_promise_stays(work: Workspace) -> None:
    """The one that it replaced knows nothing: its Brier score is 0.25. The difference is below 0, for it is a loss."""
    at, found = looked(work, 0, knowledge=0.0)
    assert (found.metric, found.verdict, found.n, found.threshold) == ("probation", "ok", ROWS, 0.0)
    assert found.value is not None
    assert found.high is not None
    assert found.value < found.high < 0
    assert broken_promise(work.store, work.spec, at) is None


def test_one_that_is_shown_to_be_worse_than_what_it_replaced_is_taken_back_once(work: Workspace) -> None:
    """The one that it replaced knows all."""
    at, found = looked(work, 0, knowledge=1.0)
    assert found.verdict == "breach"
    assert found.low is not None
    assert found.low > 0
    promise = broken_promise(work.store, work.spec, at)
    assert promise is not None
    version, reason = promise
    assert (version, reason[:35]) == ("1", "version 1 is better on the 200 labe")
    assert "served in 1 window: its Brier score less version 1's is +0." in reason
    work.store.move_champion("loans", "1", expected_token=2, kind=PromotionKind.ROLLED_BACK, by="", reason=reason, at=at.as_of)
    assert broken_promise(work.store, work.spec, at) is None


def test_without_the_word_of_the_specification_nothing_is_rolled_back(work: Workspace) -> None:
    at, found = looked(work, 0, knowledge=1.0)
    unmoved = with_probation(work.spec, rollback=False)
    assert found.verdict == "breach"
    assert broken_promise(work.store, unmoved, at) is None


def test_rows_of_all_windows_so_far_count_and_then_it_is_over(work: Workspace) -> None:
    """Two windows, as the specification says; the third is looked at as any other."""
    assert [looked(work, week, knowledge=0.0)[1].n for week in (0, 1)] == [ROWS, 2 * ROWS]
    assert probation_of(work.store, work.spec, look(work, 2)) is None


def test_all_looks_of_a_probation_hold_together(work: Workspace) -> None:
    """The interval of a probation of ten windows is wider than that of two."""
    at = look(work, 0)
    widths = []
    for windows in (2, 10):
        spec = with_probation(work.spec, windows=windows)
        held = Workspace(work.project, spec, work.store)
        probation = probation_of(work.store, spec, at)
        assert probation is not None
        found = measure_probation(held, at, probation, Knows(0.0))
        assert found.high is not None
        assert found.low is not None
        widths.append(found.high - found.low)
    assert widths[0] < widths[1]


def test_a_gain_is_the_other_way_round(folder: Path, work: Workspace) -> None:
    """Accuracy: what was served less what was replaced is below 0 where that is better."""
    write_spec(folder, COMPARISON, metric="accuracy")
    gain = Workspace.open(folder, "loans")
    at = look(work, 0)
    probation = probation_of(gain.store, gain.spec, at)
    assert probation is not None
    found = measure_probation(gain, at, probation, Knows(1.0))
    gain.store.close()
    assert found.value is not None
    assert found.value < 0
    assert found.detail == {"replaced": "1", "windows": 1, "metric": "accuracy"}


@pytest.mark.parametrize("kind", [PromotionKind.ROLLED_BACK, PromotionKind.OUTSIDE, PromotionKind.ADOPTED])
def test_only_a_promotion_makes_a_promise(work: Workspace, kind: PromotionKind) -> None:
    """After another kind of move of the same version there is none to keep."""
    for version, token in (("1", 2), ("2", 3)):
        work.store.move_champion("loans", version, expected_token=token, kind=kind, by="", reason="", at=FIRST.start)
    assert probation_of(work.store, work.spec, look(work, 0)) is None


def test_too_few_labels_say_nothing(work: Workspace) -> None:
    """Looked at before any label was there."""
    at = replace(look(work, 0), as_of=FIRST.start)
    probation = probation_of(work.store, work.spec, at)
    assert probation is not None
    found = measure_probation(work, at, probation, Knows(1.0))
    assert (found.verdict, found.value, found.n) == ("not_enough_data", None, 0)
