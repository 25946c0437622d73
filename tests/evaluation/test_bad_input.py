"""Bad input, item by item, from the file to the store: each ends in one fault of the data, one sound measurement or one typed error.

The first day's file is bad and the second day's is good: what is wrong with the one never touches the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.evaluation.build import FIRST, MODEL, ROWS, SECOND, Seen, day_of, examine, make_work, write
from vigil.errors import SourceError
from vigil.evaluation.look import Look, look_at
from vigil.measurement import WHOLE, Verdict
from vigil.window import Window
from vigil.workspace import Workspace, open_source

AMOUNTS = day_of()["amount"].to_list()
WRONG_TYPE = "be_in_type_list"
NOT_NULL = "not_be_null"


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return make_work(tmp_path / "project")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The look at the second day while both files are good."""
    return look(make_work(tmp_path_factory.mktemp("sound") / "project"))


def look(work: Workspace, window: Window = SECOND) -> Look:
    """The look at a day: how many rows it has and the digests of what they and their labels say."""
    return look_at(open_source(work.project, work.spec), work.store, work.spec, window, window.end)


def table(**columns: Any) -> pa.Table:
    """The first day with other columns, of the Arrow types given."""
    rows = pa.Table.from_pandas(day_of(), preserve_index=False)
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows


def with_first(column: str, value: Any) -> pd.DataFrame:
    """The first day with another value in its first row."""
    rows = day_of()
    return rows.assign(**{column: [value, *rows[column].iloc[1:]]})


def assert_sound(seen: Seen, *, rows: int = ROWS) -> None:
    """No fault, and nothing has drifted: the rows are as drawn."""
    assert seen.faults == set()
    assert (seen.look.rows, seen["drift_share", WHOLE].value, seen["drift_share", WHOLE].n) == (rows, 0.0, rows)
    assert seen["roc_auc", WHOLE].verdict is Verdict.OK


def assert_moved_far(seen: Seen) -> None:
    """No fault, but the amount has drifted: its share of the two features, which weigh the same, is a half."""
    assert seen.faults == set()
    assert (seen["psi", "amount"].verdict, seen["drift_share", WHOLE].value) == (Verdict.BREACH, 0.5)


def test_good_days_are_sound(work: Workspace) -> None:
    """The control: without it no test below says anything."""
    assert_sound(examine(work, FIRST))
    assert_sound(examine(work, SECOND))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        pytest.param(table(amount=pa.array([float("nan")] * ROWS)), (NOT_NULL, "amount"), id="all NaN"),
        pytest.param(table(amount=pa.nulls(ROWS)), (NOT_NULL, "amount"), id="all null"),
        pytest.param(table(plan=pa.nulls(ROWS)), (NOT_NULL, "plan"), id="no category"),
        pytest.param(day_of(amount=np.inf), (NOT_NULL, "amount"), id="all infinite"),
        pytest.param(day_of(score=np.nan), (NOT_NULL, "score"), id="no score"),
        pytest.param(table(score=pa.nulls(ROWS)), (NOT_NULL, "score"), id="no score, no type"),
        pytest.param(with_first("prediction_id", None), (NOT_NULL, "prediction_id"), id="no id"),
        pytest.param(table(amount=pa.array(["much", *map(str, AMOUNTS[1:])])), (WRONG_TYPE, "amount"), id="mixed types"),
        pytest.param(table(amount=pa.array([[1.0, 2.0]] * ROWS)), (WRONG_TYPE, "amount"), id="lists"),
        pytest.param(table(plan=pa.array([["a"]] * ROWS)), (WRONG_TYPE, "plan"), id="lists of categories"),
        pytest.param(table(plan=pa.array([{"of": "a"}] * ROWS)), (WRONG_TYPE, "plan"), id="structs"),
        pytest.param(table(plan=pa.array([b"a"] * ROWS)), (WRONG_TYPE, "plan"), id="bytes"),
        pytest.param(table(plan=pa.array([1] * ROWS)), ("be_in_set", "plan"), id="numbers as categories"),
        pytest.param(day_of(count=1), ("table_row_count_to_be_between", WHOLE), id="one row"),
        pytest.param(table().slice(0, 0), ("table_row_count_to_be_between", WHOLE), id="empty window"),
        pytest.param(pd.concat([day_of(), day_of().head(1)]), ("be_unique", "prediction_id"), id="duplicate prediction ids"),
        pytest.param(day_of().rename(columns={"amount": "amout"}), (NOT_NULL, "amount"), id="renamed feature"),
        pytest.param(day_of().drop(columns="plan"), (NOT_NULL, "plan"), id="missing feature"),
    ],
)
def test_a_fault_of_the_data_is_found_in_the_window_that_has_it_alone(
    work: Workspace, second: Look, rows: pd.DataFrame | pa.Table, fault: tuple[str, str]
) -> None:
    """One critical check fails, no drift is measured of it, and the next day, in a file of its own, reads as before."""
    write(work, FIRST, rows)
    seen = examine(work, FIRST)
    assert seen.faults == {fault}
    assert not [m for m in seen.measured.values() if m.layer != "data_quality"]
    assert look(work) == second


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(table(amount=pa.array([Decimal(f"{amount:.6f}") for amount in AMOUNTS], pa.decimal128(18, 6))), id="decimals"),
        pytest.param(table(amount=pa.array(AMOUNTS, pa.float32())), id="single precision"),
        pytest.param(table(plan=pa.array(day_of()["plan"]).dictionary_encode()), id="dictionary of categories"),
        pytest.param(with_first("amount", float("inf")), id="one infinite value"),
    ],
)
def test_other_ways_to_write_the_same_numbers_are_the_same_numbers(work: Workspace, rows: pd.DataFrame | pa.Table) -> None:
    """One missing value among 300 is within what is tolerated; the amounts' distribution is what it was."""
    write(work, FIRST, rows)
    assert_sound(examine(work, FIRST))


@pytest.mark.parametrize(
    "amounts",
    [
        pytest.param(pa.array([100.0] * ROWS), id="constant"),
        pytest.param(pa.array([-0.0] * ROWS), id="minus zero"),
        pytest.param(pa.array([2**63 - 1] * ROWS), id="int64 overflow of the sum"),
        pytest.param(pa.array([2**64 - 1] * ROWS, pa.uint64()), id="beyond int64"),
        pytest.param(pa.array([Decimal("9" * 38)] * ROWS, pa.decimal128(38, 0)), id="38 digits"),
        pytest.param(pa.array([1e308, -1e308] * (ROWS // 2)), id="overflow of float64"),
    ],
)
def test_far_or_degenerate_numbers_are_measured_as_drift(work: Workspace, amounts: pa.Array) -> None:
    """Whatever sums of them overflow, counts do not; and what is stored of them can be read back."""
    write(work, FIRST, table(amount=amounts))
    assert_moved_far(examine(work, FIRST))


def test_minus_zero_is_zero(work: Workspace) -> None:
    """Neither the drift nor the profile tells them apart; the digest may."""
    write(work, FIRST, day_of(amount=-0.0))
    minus = examine(work, FIRST)
    write(work, FIRST, day_of(amount=0.0))
    assert examine(work, FIRST)["psi", "amount"] == minus["psi", "amount"]


def test_twenty_thousand_new_categories_are_one_fault(work: Workspace) -> None:
    """All 20,001 rows have a category of their own; five examples are kept, and no more than 20 ids."""
    count = 20_001
    times = pd.date_range(FIRST.start, periods=count, freq="s").as_unit("us")
    write(work, FIRST, day_of(count=count, plan=[f"new-{i}" for i in range(count)], event_time=times))
    seen = examine(work, FIRST)
    assert seen.faults == {("be_in_set", "plan")}
    found = seen["expect_column_values_to_be_in_set", "plan"]
    assert (found.value, found.n, len(found.detail["unexpected"]), len(found.detail["failing_ids"])) == (1.0, count, 5, 20)


def test_one_file_of_text_spoils_the_windows_that_it_has_rows_of(work: Workspace) -> None:
    """Rows of the first day that arrive in a second file, with amounts as text: that day is at fault, the other is not."""
    late = table(amount=pa.array(list(map(str, AMOUNTS))), prediction_id=pa.array([f"late-{i}" for i in range(ROWS)]))
    write(work, FIRST.shifted(7), late)
    assert examine(work, FIRST).faults == {(WRONG_TYPE, "amount")}
    assert_sound(examine(work, SECOND))


def test_a_file_whose_column_has_another_case_spoils_its_own_windows(work: Workspace) -> None:
    """The first day's file has `Amount`: a fault of that day, and the second day's `amount` is still there."""
    write(work, FIRST, day_of().rename(columns={"amount": "Amount"}))
    assert examine(work, FIRST).faults == {("column_to_exist", "amount")}
    assert_sound(examine(work, SECOND))


def test_another_days_file_changes_nothing_of_this_days_digest(work: Workspace) -> None:
    """Whole numbers here and text there are one column of text; each day is still digested as its own file has it."""
    write(work, FIRST, day_of(amount=list(range(ROWS))))
    before = look(work, FIRST)
    write(work, SECOND, day_of(SECOND, amount="much"))
    assert look(work, FIRST) == before


UTC_TIMES = pd.date_range(FIRST.start, periods=ROWS, freq="min")


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(UTC_TIMES.tz_localize(None).as_unit("us"), id="naive, taken as UTC"),
        pytest.param(UTC_TIMES.tz_localize(None).as_unit("ns"), id="naive nanoseconds"),
        pytest.param(UTC_TIMES.as_unit("ns"), id="UTC nanoseconds"),
        pytest.param(UTC_TIMES.as_unit("ms"), id="UTC milliseconds"),
        pytest.param(UTC_TIMES.tz_convert("Asia/Kathmandu").as_unit("us"), id="another zone"),
        pytest.param(UTC_TIMES.tz_convert("Asia/Kathmandu").as_unit("ns"), id="another zone, nanoseconds"),
        pytest.param(pa.array([date(2024, 3, 4)] * ROWS), id="dates"),
    ],
)
def test_the_same_moments_are_in_the_same_window_however_they_are_written(work: Workspace, second: Look, times: Any) -> None:
    """The other file of the log has UTC in microseconds: zones and units may differ from file to file."""
    write(work, FIRST, table(event_time=pa.array(times)))
    assert_sound(examine(work, FIRST))
    assert look(work) == second


def test_the_last_nanosecond_of_a_day_is_in_it(work: Workspace) -> None:
    """Rounded to microseconds it would be the next day's."""
    last = pd.DatetimeIndex([pd.Timestamp(FIRST.end).as_unit("ns") - pd.Timedelta(1, "ns")] * ROWS)
    write(work, FIRST, table(event_time=pa.array(last)))
    assert [look(work, window).rows for window in (FIRST, SECOND)] == [ROWS, ROWS]


def test_an_hour_that_happens_twice_is_two_hours(work: Workspace) -> None:
    """2024-11-03 01:30 in New York is 05:30 UTC, and an hour later again, at 06:30; a day of UTC holds each row once."""
    fold = FIRST.shifted(244)
    assert fold.start.date() == date(2024, 11, 3)
    times = pd.date_range("2024-11-03 05:30", periods=ROWS, freq="12s", tz="UTC").tz_convert("America/New_York").as_unit("us")
    assert len({moment.replace(tzinfo=None, fold=0) for moment in times.to_pydatetime()}) == ROWS  # one hour only
    later = times + timedelta(hours=1)
    assert [moment.strftime("%H:%M") for moment in (times[0], later[0])] == ["01:30", "01:30"]
    rows = pd.concat([day_of(fold, event_time=times), day_of(fold, event_time=later).assign(prediction_id=lambda r: "b" + r.prediction_id)])
    write(work, fold, rows)
    assert look(work, fold).rows == 2 * ROWS
    assert [look(work, fold.shifted(step)).rows for step in (-1, 1)] == [0, 0]


@pytest.mark.parametrize("column", ["prediction_id", "event_time", "model_version", "score", "latency_ms", "error"])
def test_a_missing_log_column_is_an_error_that_names_file_or_key(work: Workspace, column: str) -> None:
    """Nowhere in the log; nothing is recorded."""
    for window in (FIRST, SECOND):
        write(work, window, day_of(window).drop(columns=column))
    assert_refused(work, f"column `{column}`: is missing")


@pytest.mark.parametrize("column", ["prediction_id", "event_time", "score"])
def test_a_log_column_of_another_type_is_an_error_that_names_the_file(work: Workspace, column: str) -> None:
    write(work, FIRST, table(**{column: pa.array([1.5 + i if column == "prediction_id" else "never" for i in range(ROWS)])}))
    assert_refused(work, rf"0304\.parquet: column `{column}`: expected ")


def test_rows_without_a_version_are_an_error_that_says_so(work: Workspace) -> None:
    write(work, FIRST, table(model_version=pa.nulls(ROWS)))
    assert_refused(work, r"column `model_version`: 300 of 300 rows .* have no version")


@pytest.mark.parametrize(
    ("amount", "plan"),
    [
        ('"; DROP TABLE evaluation; --', "</script><script>alert(1)</script>"),
        ("x" * 300, "\u202eتاريخ\u202c"),
        ("a?b:c%s{d}", "É mixed Case"),
    ],
)
def test_hostile_column_names_are_only_names(tmp_path: Path, amount: str, plan: str) -> None:
    """They are quoted wherever they go; what is stored about them can be read back under the same name."""
    names = {"amount": amount, "plan": plan}
    work = make_work(tmp_path / "project", renamed=names)
    seen = examine(work, FIRST)
    assert_sound(seen)
    assert {("psi", amount), ("psi", plan)} <= set(seen.measured)
    bad = table(amount=pa.array([float("inf")] * ROWS), plan=pa.nulls(ROWS))
    write(work, FIRST, bad.rename_columns([names.get(name, name) for name in bad.column_names]))
    assert examine(work, FIRST).faults == {(NOT_NULL, amount), (NOT_NULL, plan)}


def test_a_truncated_file_is_an_error_that_names_it(work: Workspace) -> None:
    path = write(work, FIRST, day_of())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_refused(work, r"0304\.parquet: cannot be read as Parquet")


def test_an_empty_file_is_an_error_that_names_it(work: Workspace) -> None:
    write(work, FIRST, day_of()).write_bytes(b"")
    assert_refused(work, r"0304\.parquet: cannot be read as Parquet")


def assert_refused(work: Workspace, message: str, windows: Sequence[Any] = (FIRST,)) -> None:
    """Looking is one typed error, and neither evaluation nor profile is kept."""
    for window in windows:
        with pytest.raises(SourceError, match=message):
            examine(work, window)
    assert work.store.evaluations(MODEL) == ()
