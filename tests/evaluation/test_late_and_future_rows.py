"""Rows that come late touch their own windows only; rows from the future touch none, and are counted."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from tests.evaluation.build import FIRST, ROWS, day_of, examine, make_work, write
from vigil.evaluation.due import due_between, due_windows, latest_due, windows_to_look_at, windows_with_rows
from vigil.evaluation.look import FUTURE_ROWS, look_at
from vigil.measurement import Verdict
from vigil.store import tables
from vigil.window import Window
from vigil.workspace import Workspace

DAYS = tuple(FIRST.shifted(day) for day in range(6))
NOW = DAYS[-1].end + timedelta(days=1)  # the last day is due, and the silent one after it is not


def log_of(folder: Path, **source: object) -> Workspace:
    """Six days of predictions, a file each."""
    names = {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"}
    work = make_work(folder, source=names | source)
    for day in DAYS:
        write(work, day, day_of(day))
    return Workspace.open(folder, work.spec.model)


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return log_of(tmp_path / "project")


def add(work: Workspace, *moments: datetime) -> Workspace:
    """Rows at these moments, in a file of their own."""
    rows = day_of(FIRST, count=len(moments), event_time=pd.DatetimeIndex(moments).as_unit("us"))
    rows.assign(prediction_id=[f"added-{i}" for i in range(len(rows))]).to_parquet(work.project.folder / "log" / "added.parquet")
    return Workspace.open(work.project.folder, work.spec.model)


def look_at_all(work: Workspace) -> tuple[Window, ...]:
    """One run of the fleet: look at what there is to look at."""
    again = Workspace.open(work.project.folder, work.spec.model)
    windows = windows_to_look_at(again.source, again.store, again.spec, NOW)
    for window in windows:
        examine(again, window, as_of=NOW)
    return windows


def profiled(work: Workspace) -> int:
    """How many sets of profiles the store has: one for each time that a window was scanned for them."""
    with work.store.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.profile_set)).scalar_one())


def test_a_row_from_the_future_moves_nothing_that_is_due(work: Workspace) -> None:
    """A clock that says 2999 and one that says next month: the log still ends where it did."""
    future = add(work, datetime.fromisoformat("2999-01-01T00:00Z"), NOW + timedelta(days=30))
    assert windows_with_rows(future.source, future.spec, NOW) == DAYS
    later = NOW + timedelta(days=20)  # the log fell silent: one silent day is due, not twenty
    assert due_windows(future.source, future.spec, later) == due_windows(work.source, work.spec, later) == (*DAYS, DAYS[-1].shifted(1))
    assert latest_due(future.source, future.spec, later) == DAYS[-1]
    assert due_between(future.source, future.spec, DAYS[-2].start, None, later) == DAYS[-2:]


def test_of_windows_without_rows_in_a_row_only_the_first_is_due(work: Workspace) -> None:
    """A clock that says 1970, and a log that fell silent for a month and came back: one silent day each, not twenty thousand."""
    begun, back = work.spec.window.containing(datetime.fromisoformat("1970-01-01T00:00Z")), DAYS[-1].shifted(31)
    stray = add(work, begun.start, back.end - timedelta(microseconds=1))
    silent = (begun.shifted(1), DAYS[-1].shifted(1), back.shifted(1))
    assert due_windows(stray.source, stray.spec, back.shifted(5).end) == tuple(sorted([begun, *DAYS, back, *silent]))
    assert due_between(stray.source, stray.spec, None, DAYS[0].start, NOW) == (begun, begun.shifted(1))


@pytest.mark.parametrize("days", [1, 30])
@pytest.mark.parametrize("since_1970", [-62_135_596_800_000_000, -(2**63) + 1])
def test_what_stands_for_no_moment_is_quarantined_like_the_future(tmp_path: Path, days: int, since_1970: int) -> None:
    """0001-01-01, .NET's default, whose 30 days begin before the calendar does, and -infinity, in microseconds."""
    work = make_work(tmp_path / "project", window={"days": days})
    rows = pa.table(day_of(FIRST, count=1, prediction_id="added"))
    moments = pa.array([since_1970]).cast(pa.timestamp("us"))
    pq.write_table(
        rows.set_column(rows.column_names.index("event_time"), "event_time", moments), work.project.folder / "log" / "added.parquet"
    )
    stray = Workspace.open(work.project.folder, work.spec.model)
    assert windows_with_rows(stray.source, stray.spec, NOW) == windows_with_rows(work.source, work.spec, NOW)
    assert stray.source.future_rows(NOW) == 1


def test_a_row_within_the_tolerated_skew_is_believed(tmp_path: Path) -> None:
    """Ten minutes by default; the specification says otherwise."""
    moment = NOW + timedelta(minutes=10)
    for minutes, believed in ((None, True), (9.9, False), (0, False)):
        given = {} if minutes is None else {"clock_skew_minutes": minutes}
        work = add(log_of(tmp_path / str(minutes), **given), moment)
        assert windows_with_rows(work.source, work.spec, NOW)[-1].holds(moment) is believed
        assert work.source.future_rows(NOW) == (0 if believed else 1)


def test_rows_from_the_future_are_counted_in_the_look_and_leave_its_window_alone(work: Workspace) -> None:
    """Two rows; the look at the last day is the same look, and its quality a warning."""
    before = examine(work, DAYS[-1], as_of=NOW)
    assert (before["future_rows", "event_time"].value, before["future_rows", "event_time"].verdict) == (0.0, Verdict.OK)
    add(work, NOW + timedelta(days=1), NOW + timedelta(days=2))
    seen = examine(work, DAYS[-2], as_of=NOW)
    found = seen[FUTURE_ROWS, "event_time"]
    assert (found.value, found.verdict, found.n) == (2.0, Verdict.WARNING, ROWS)
    assert seen.faults == set()
    again = Workspace.open(work.project.folder, work.spec.model)
    assert look_at(again.source, again.store, again.spec, DAYS[-1], NOW).evaluation_id == before.look.evaluation_id


def test_of_a_look_back_later_rows_are_not_the_future(work: Workspace) -> None:
    """The first day as it was due: five days of rows came after it, none of them after the present."""
    as_of = DAYS[0].end + timedelta(days=1)
    assert look_at(work.source, work.store, work.spec, DAYS[0], as_of, now=NOW).future_rows == 0
    skewed = 11  # of the third day, at 00:00 to 00:10
    assert look_at(work.source, work.store, work.spec, DAYS[0], as_of).future_rows == (len(DAYS) - 2) * ROWS - skewed


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after its first run has looked at all six days."""
    work = log_of(tmp_path_factory.mktemp("looked-at") / "project")
    assert look_at_all(work) == DAYS
    return work.project.folder


def test_rows_that_come_late_profile_their_own_window_again_and_no_other(looked_at: Path, tmp_path: Path) -> None:
    """All six days are profiled once; then a row of the third day arrives, and one more profile is made."""
    folder = shutil.copytree(looked_at, tmp_path / "project")
    work = Workspace.open(folder, next(folder.glob("models/*.yaml")).stem)
    assert profiled(work) == 6
    assert look_at_all(work) == DAYS[-3:]  # the newest few, whose labels may have changed; nothing new of them
    assert profiled(work) == 6
    add(work, DAYS[2].start + timedelta(hours=23))
    assert look_at_all(work) == (DAYS[2], *DAYS[-3:])
    assert profiled(work) == 7
    assert look_at_all(work) == DAYS[-3:]
    assert {e.window: e.rows for e in work.store.evaluations(work.spec.model)}[DAYS[2]] == ROWS + 1


@pytest.mark.parametrize(("windows", "found"), [(0, False), (3, False), (4, True)])
def test_late_rows_are_looked_for_as_far_back_as_the_specification_says(looked_at: Path, tmp_path: Path, windows: int, found: bool) -> None:
    """The third day of six is the fourth from the end."""
    folder = shutil.copytree(looked_at, tmp_path / "project")
    added = add(Workspace.open(folder, next(folder.glob("models/*.yaml")).stem), DAYS[2].start + timedelta(hours=23))
    spec = added.spec.model_copy(update={"source": added.spec.source.model_copy(update={"look_back_windows": windows})})
    assert (DAYS[2] in windows_to_look_at(added.source, added.store, spec, NOW)) is found


def test_a_specification_that_leaves_both_to_their_defaults_keeps_its_hash(work: Workspace) -> None:
    """Written out or not, they are the same specification."""
    written = work.spec.source.model_copy(update={"clock_skew_minutes": 10.0, "look_back_windows": 30})
    assert work.spec.model_copy(update={"source": written}).hash == work.spec.hash
    assert "clock_skew_minutes" not in work.spec.canonical_json()
