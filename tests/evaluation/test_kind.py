"""What a look measures of a loss: against the version's own sound windows, from labels, the same however often it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tests.evaluation.build import FIRST, SECOND, day_of, make_work, write
from vigil.decision.kind import CALIBRATION_P_VALUE, HARDER, POPULATION, RECALIBRATED, RELATION, REMAINING
from vigil.evaluation.look import evaluation_of, look_at
from vigil.evaluation.measure import performance_of
from vigil.measurement import Measurement, Verdict
from vigil.window import Window
from vigil.workspace import Workspace, open_source

PARTS = (HARDER, RELATION, POPULATION, REMAINING)
Found = Mapping[str, Measurement]


def make(folder: Path, *, metric: str = "log_loss", first: Any = None, second: Any = None, **policy: Any) -> Workspace:
    """Two days of version 2, whose baseline is 0.5; ``first`` and ``second`` change a day's scores.

    Labels are 1 as often as the score says before it is changed: a log loss of 0.5 nats, and 0.55 are tolerated.
    """
    work = make_work(folder, performance={"metric": metric, "tolerated_loss": 0.05}, policy=policy)
    version = work.store.version("m", "1")
    assert version is not None
    work.store.save_version(replace(version, version="2", metric=metric))
    for window, change in ((FIRST, first), (SECOND, second)):
        rows = day_of(window, model_version="2")
        write(work, window, rows if change is None else rows.assign(score=change(rows["score"].to_numpy())))
    return work


def look(work: Workspace, window: Window, *, quality_passed: bool = True) -> Found:
    """Measure performance as the monitor flow does, and keep it."""
    source = open_source(work.project, work.spec)
    seen = look_at(source, work.store, work.spec, window, window.end + timedelta(days=1))
    found = performance_of(source, work.store, work.spec, seen)
    work.store.record_evaluation(evaluation_of(seen, quality_passed=quality_passed), found)
    return {m.metric: m for m in found if m.subject == "*"}


def looked(folder: Path, **changes: Any) -> Found:
    work = make(folder, **changes)
    look(work, FIRST)
    return look(work, SECOND)


def shifted(score: np.ndarray) -> np.ndarray:
    return expit(logit(score) + 1.5)


def turned(score: np.ndarray) -> np.ndarray:
    return 1 - score


def test_scores_that_are_off_are_put_right(tmp_path: Path) -> None:
    found = looked(tmp_path / "p", second=shifted)
    assert found["log_loss"].value > 0.55  # type: ignore[operator]
    assert found[CALIBRATION_P_VALUE].value < 0.001  # type: ignore[operator]
    assert found[RECALIBRATED].value == pytest.approx(0.5, abs=0.05)


def test_a_relation_that_turned_round_is_told_from_its_inputs(tmp_path: Path) -> None:
    """The inputs are as they were, so nothing is due to them; recalibrated, the scores say nothing (log 2)."""
    found = looked(tmp_path / "p", second=turned)
    assert found[RELATION].low > 0.3  # type: ignore[operator]
    assert found[HARDER].low < 0 < found[HARDER].high  # type: ignore[operator]
    assert abs(found[POPULATION].value) < 0.05  # type: ignore[arg-type]
    assert found[RECALIBRATED].value == pytest.approx(np.log(2), abs=0.03)
    assert all(found[name].verdict is Verdict.OK and found[name].threshold is None for name in PARTS)


def test_an_order_cannot_be_recalibrated(tmp_path: Path) -> None:
    """The AUC sees order alone, which no recalibration changes."""
    found = looked(tmp_path / "p", second=turned, metric="roc_auc")
    assert RECALIBRATED not in found
    assert found[RELATION].low > 0.3  # type: ignore[operator]


def test_a_window_within_its_limit_has_nothing_to_divide(tmp_path: Path) -> None:
    assert not looked(tmp_path / "p").keys() & {*PARTS, CALIBRATION_P_VALUE, RECALIBRATED}


@pytest.mark.parametrize(("rows", "expected"), [(None, None), (200, 400)])
def test_kind_rows_is_read(tmp_path: Path, rows: int | None, expected: int | None) -> None:
    """Null: nothing is measured. 200: of 300 labelled rows a side 200 are looked at."""
    found = looked(tmp_path / "p", second=turned, kind_rows=rows).get(RELATION)
    assert (None if found is None else found.n) == expected


def test_without_sound_windows_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    """The first day is harmed as well: calibration is tested on both, the parts are unknown, and why is said."""
    found = looked(tmp_path / "p", first=turned, second=turned)
    assert found[RELATION].verdict is Verdict.NOT_ENOUGH_DATA
    assert found[RELATION].detail["because"].endswith("got 600 and 0")
    assert found[CALIBRATION_P_VALUE].n == 600


def test_the_same_rows_in_another_order_give_the_same_measurements(tmp_path: Path) -> None:
    one = looked(tmp_path / "one", second=turned)
    work = make(tmp_path / "other", second=turned)
    for window in (FIRST, SECOND):
        path = work.project.path(f"log/{window.start:%m%d}.parquet")
        pd.read_parquet(path)[::-1].to_parquet(path)
    look(work, FIRST)
    assert [look(work, SECOND)[name] for name in PARTS] == [one[name] for name in PARTS]


def test_cases_that_share_nothing_cannot_be_divided(tmp_path: Path) -> None:
    """All amounts of the second day are far from any before."""
    work = make(tmp_path / "p", second=turned)
    rows = day_of(SECOND, model_version="2")
    write(work, SECOND, rows.assign(score=turned(rows["score"].to_numpy()), amount=1e6))
    look(work, FIRST)
    found = look(work, SECOND)
    assert (found[RELATION].value, found[RELATION].detail) == (None, {"because": "the harmed and the sound windows share too few cases"})
