"""One window against its suite: what is found, with which value, and what is not blamed on the data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations import engine
from expectations.validate import validate_window
from tests.expectations.build import (
    ROWS,
    WINDOW,
    changed,
    check,
    good_rows,
    layout_of_good_rows,
    make_spec,
    source_of,
    with_expectation,
)
from vigil.errors import CheckCrashed, SourceError
from vigil.measurement import WHOLE, Layer, Verdict

ROOT = Path(__file__).resolve().parents[2]
NOT_NULL = "expect_column_values_to_not_be_null"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
UNIQUE = "expect_column_values_to_be_unique"
TYPES = "expect_column_values_to_be_in_type_list"
EXISTS = "expect_column_to_exist"
ROW_COUNT = "expect_table_row_count_to_be_between"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"


def test_a_good_window_passes_every_check(tmp_path: Path) -> None:
    """And no row of it is bad."""
    checked = check(tmp_path, good_rows())
    assert {m.verdict for m in checked.all} == {Verdict.OK}
    assert {m.layer for m in checked.all} == {Layer.DATA_QUALITY}
    assert checked["bad_row_share", WHOLE].value == 0.0
    assert len(checked.by_key) == len(checked.all)


@pytest.mark.parametrize(
    ("column", "values", "fault", "share"),
    [
        ("temp", dict.fromkeys(range(3)), (NOT_NULL, "temp"), 0.03),
        ("temp", dict.fromkeys(range(100)), (NOT_NULL, "temp"), 1.0),
        ("carrier", dict.fromkeys(range(5)), (NOT_NULL, "carrier"), 0.05),
        ("score", dict.fromkeys(range(3)), (NOT_NULL, "score"), 0.03),
        ("temp", {7: 130.5}, (BETWEEN, "temp"), 0.01),
        ("temp", {7: -41.0, 8: 1e300}, (BETWEEN, "temp"), 0.02),
        ("score", {0: 1.0000001}, (BETWEEN, "score"), 0.01),
        ("score", {0: -0.1}, (BETWEEN, "score"), 0.01),
        ("carrier", {0: "9E", 1: "9E", 2: "EV"}, (IN_SET, "carrier"), 0.03),
        ("prediction_id", {1: "p000"}, (UNIQUE, "prediction_id"), 0.02),
        ("prediction_id", {1: None}, (NOT_NULL, "prediction_id"), 0.01),
    ],
)
def test_each_fault_is_found_by_its_check_alone(
    tmp_path: Path, column: str, values: dict[int, object], fault: tuple[str, str], share: float
) -> None:
    """The value is the share of the rows that fail it, over the tolerated share; the same rows are the bad ones."""
    checked = check(tmp_path, changed(column, values))
    assert checked.faults() == {fault: Verdict.BREACH}
    found = checked[fault]
    assert found.value == pytest.approx(share, abs=1e-15)
    assert found.threshold is not None
    assert found.value > found.threshold
    assert found.detail["failed_rows"] == round(share * ROWS)
    assert checked["bad_row_share", WHOLE].value == pytest.approx(share, abs=1e-15)


@pytest.mark.parametrize(("column", "value", "key"), [("temp", None, (NOT_NULL, "temp")), ("carrier", "9E", (IN_SET, "carrier"))])
def test_exactly_the_tolerated_share_is_tolerated(tmp_path: Path, column: str, value: object, key: tuple[str, str]) -> None:
    """Two of a hundred rows at a tolerated share of 0.02; they are bad rows all the same."""
    checked = check(tmp_path, changed(column, dict.fromkeys(range(2), value)))
    assert checked.faults() == {}
    assert (checked[key].value, checked[key].threshold) == (0.02, 0.02)
    assert checked["bad_row_share", WHOLE].value == 0.02


def test_nulls_do_not_count_where_values_are_looked_at(tmp_path: Path) -> None:
    """Of 100 carriers 2 are null and 1 is new: 1 of 98."""
    checked = check(tmp_path, changed("carrier", {0: None, 1: None, 2: "9E"}))
    assert checked[IN_SET, "carrier"].value == 1 / 98
    assert checked[IN_SET, "carrier"].n == 98
    assert checked["bad_row_share", WHOLE].value == 0.03


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_values_are_missing_ones(tmp_path: Path, value: float) -> None:
    """As Parquet may hold them; pandas itself would write NaN as null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.Table.from_pandas(good_rows().drop(columns="dewp"))
    rows = rows.append_column("dewp", pa.array(np.where(np.arange(ROWS) < 3, value, 50.0), from_pandas=False))
    (tmp_path / "log").mkdir()
    pq.write_table(rows, tmp_path / "log" / "0.parquet")
    spec = make_spec()
    from vigil.sources.tables import ModelSource

    found = validate_window(ModelSource(tmp_path, spec), WINDOW, spec, layout_of_good_rows(tmp_path, spec))
    assert {(m.metric, m.subject): m.value for m in found if m.verdict is Verdict.BREACH} == {(NOT_NULL, "dewp"): 0.03}


def test_an_empty_window_fails_its_row_count_and_says_nothing_else(tmp_path: Path) -> None:
    """No row is not good rows."""
    checked = check(tmp_path, good_rows(event_time=pd.date_range("2013-01-01", periods=ROWS, freq="min", tz="UTC").as_unit("us")))
    assert checked.faults() == {(ROW_COUNT, WHOLE): Verdict.BREACH}
    assert checked[ROW_COUNT, WHOLE].detail["observed"] == 0
    assert checked[NOT_NULL, "temp"].verdict is Verdict.NOT_ENOUGH_DATA
    assert checked[NOT_NULL, "temp"].value is None
    assert checked["bad_row_share", WHOLE].verdict is Verdict.NOT_ENOUGH_DATA


def test_too_few_rows_are_a_fault(tmp_path: Path) -> None:
    """Nine where the specification wants ten."""
    assert check(tmp_path, good_rows(9)).faults() == {(ROW_COUNT, WHOLE): Verdict.BREACH}
    assert check(tmp_path, good_rows(10)).faults() == {}


def test_a_missing_column_is_a_fault_of_the_schema_and_nothing_more_is_asked_of_it(tmp_path: Path) -> None:
    """Every row lacks it, so every row is bad."""
    checked = check(tmp_path, good_rows().drop(columns="temp"))
    assert checked.faults() == {(EXISTS, "temp"): Verdict.BREACH}
    assert "carrier" in checked[EXISTS, "temp"].detail["columns"]
    assert {metric for metric, subject in checked.by_key if subject == "temp"} == {EXISTS, TYPES}
    assert checked["bad_row_share", WHOLE].value == 1.0


def test_numbers_that_arrive_as_text_are_a_fault_of_the_schema(tmp_path: Path) -> None:
    """Even where each of them looks like a number; the reader sees the type, and examples."""
    checked = check(tmp_path, good_rows(temp=["60"] * 99 + ["n/a"]))
    assert checked.faults() == {(TYPES, "temp"): Verdict.BREACH}
    detail = checked[TYPES, "temp"].detail
    assert (detail["type"], detail["unexpected"]) == ("VARCHAR", [{"value": "60", "rows": 99}, {"value": "n/a", "rows": 1}])
    assert (BETWEEN, "temp") not in checked.by_key


def test_whole_numbers_and_booleans_are_numbers(tmp_path: Path) -> None:
    """A count and a flag are as good as a float."""
    assert check(tmp_path, good_rows(temp=[60] * ROWS, dewp=[True, False] * 50)).faults() == {}


@pytest.mark.parametrize(
    ("known", "new"),
    [([1, 2], 3), ([1.0, 2.5], 3.0), ([True, True], False), (["a", "b"], "c")],
)
def test_categories_of_any_type_are_compared_with_the_known_ones(tmp_path: Path, known: list[object], new: object) -> None:
    """Codes are often numbers: hours, months, flags."""
    spec = make_spec()
    layout = layout_of_good_rows(tmp_path, spec, carrier=known * 50)
    source = source_of(tmp_path, good_rows(carrier=known * 48 + [new] * 4), spec)
    found = {(m.metric, m.subject): m for m in validate_window(source, WINDOW, spec, layout)}
    assert (found[IN_SET, "carrier"].value, found[IN_SET, "carrier"].verdict) == (0.04, Verdict.BREACH)
    assert found[IN_SET, "carrier"].detail["unexpected"] == [{"value": new, "rows": 4}]


def test_categories_that_change_their_type_are_new_ones(tmp_path: Path) -> None:
    """Codes where the reference has names: a fault of the data, not a crash."""
    checked = check(tmp_path, good_rows(carrier=[1, 2] * 50))
    assert checked.faults() == {(IN_SET, "carrier"): Verdict.BREACH}
    assert checked[IN_SET, "carrier"].value == 1.0


def test_whole_floats_are_the_same_categories_as_whole_numbers(tmp_path: Path) -> None:
    """One null makes pandas write a column of codes as floats."""
    spec = make_spec()
    layout = layout_of_good_rows(tmp_path, spec, carrier=[1, 2] * 50)
    source = source_of(tmp_path, good_rows(carrier=[1.0, 2.0] * 49 + [1.0, None]), spec)
    assert {m.verdict for m in validate_window(source, WINDOW, spec, layout)} == {Verdict.OK}


def test_a_relation_of_two_columns_is_checked_and_rows_with_a_null_are_ignored(tmp_path: Path) -> None:
    """The dew point is above the temperature in 2 rows of 100; a third has no temperature, a fourth no dew point."""
    spec = with_expectation(PAIR, {"column_A": "temp", "column_B": "dewp", "or_equal": True, "mostly": 0.99})
    rows = good_rows()
    rows.loc[[0, 1], "temp"] = 15.5
    rows.loc[2, "temp"] = np.nan
    rows.loc[3, "dewp"] = np.nan
    rows.loc[4, "temp"] = 50.0
    checked = check(tmp_path, rows, spec)
    found = checked[PAIR, "temp, dewp"]
    assert (found.detail["failed_rows"], found.detail["failing_ids"]) == (2, ["p000", "p001"])
    assert found.detail["unexpected"] == [{"value": [15.5, 50.0], "rows": 2}]
    assert (found.verdict, found.threshold) == (Verdict.BREACH, 0.01)


def test_a_failed_warning_is_a_warning(tmp_path: Path) -> None:
    """It is shown and stops nothing."""
    spec = with_expectation("expect_column_mean_to_be_between", {"column": "temp", "max_value": 50}, severity="warning", because="summer")
    checked = check(tmp_path, good_rows(), spec)
    assert checked.faults() == {("expect_column_mean_to_be_between", "temp"): Verdict.WARNING}
    found = checked["expect_column_mean_to_be_between", "temp"]
    assert (found.value, found.threshold) == (1.0, 0.0)
    assert found.detail == {"severity": "warning", "because": "summer", "observed": 60.0}


def test_the_ids_of_failing_rows_are_the_first_twenty_in_order(tmp_path: Path) -> None:
    """Whatever the order of the rows, however many fail."""
    rows = changed("temp", dict.fromkeys(range(100), 999.0)).iloc[::-1]
    assert check(tmp_path, rows)[BETWEEN, "temp"].detail["failing_ids"] == [f"p{i:03}" for i in range(20)]


def test_the_same_rows_give_the_same_measurements_in_any_order_and_files(tmp_path: Path) -> None:
    """An evaluation is identified by its rows, not by how they are stored."""
    rows = changed("carrier", {row: f"X{row % 7}" for row in range(0, 100, 3)})
    rows.loc[::5, "temp"] = 999.0
    shuffled = rows.sample(frac=1.0, random_state=0)
    once = check(tmp_path / "one", rows) if (tmp_path / "one").mkdir() is None else None
    (tmp_path / "two").mkdir()
    again = check(tmp_path / "two", [shuffled.iloc[:30], shuffled.iloc[30:]])
    assert once is not None
    assert once.all == again.all


def test_a_row_that_fails_two_checks_is_one_bad_row(tmp_path: Path) -> None:
    """p000 fails two, p001 one: 2 of 100."""
    rows = changed("temp", {0: 999.0, 1: 999.0})
    rows.loc[0, "score"] = 7.0
    assert check(tmp_path, rows)["bad_row_share", WHOLE].value == 0.02


def test_hostile_column_names_are_only_names(tmp_path: Path) -> None:
    """Quotes, SQL, markup, placeholders, right-to-left text, 300 characters."""
    names = [
        'a"; DROP TABLE vigil_window; --',
        "</script><script>alert(1)</script>",
        "%(x)s :y $1 ? `",
        "\u202eabc",
        "n" * 300,
        "select",
        "a.b c",
    ]
    spec = make_spec(features={name: {"type": "numeric", "maximum": 1} for name in names})
    rows = good_rows(**{name: [0.0] * 99 + [2.0] for name in names})
    checked = check_without_layout(tmp_path, rows, spec)
    assert checked == {(BETWEEN, name): 0.01 for name in names}


def check_without_layout(folder: Path, rows: pd.DataFrame, spec: object) -> dict[tuple[str, str], float | None]:
    found = validate_window(source_of(folder, rows, spec), WINDOW, spec, None)  # type: ignore[arg-type]
    return {(m.metric, m.subject): m.value for m in found if m.verdict is Verdict.BREACH}


def test_a_check_that_cannot_be_computed_is_no_fault_of_the_data(tmp_path: Path) -> None:
    """A text is neither above 3 nor below it. That check is named, not those that its crash took along."""
    spec = with_expectation(BETWEEN, {"column": "carrier", "min_value": 3})
    with pytest.raises(CheckCrashed, match=r"expect_column_values_to_be_between of carrier .*correct it in quality.expectations"):
        check(tmp_path, good_rows(), spec)


def test_a_column_that_only_an_own_expectation_names_has_to_be_there(tmp_path: Path) -> None:
    """A misspelt column is not a check that passes."""
    spec = with_expectation(BETWEEN, {"column": "tmp", "min_value": 3})
    checked = check(tmp_path, good_rows(), spec)
    assert checked.faults() == {(EXISTS, "tmp"): Verdict.BREACH}


def test_regular_expressions_are_checked_in_pandas(tmp_path: Path) -> None:
    """Great Expectations has none for DuckDB; the failing rows are counted and named all the same."""
    spec = with_expectation("expect_column_values_to_match_regex", {"column": "carrier", "regex": "^[A-Z]"})
    checked = check(tmp_path, changed("carrier", {10: "6B", 11: "6B"}), spec)
    found = checked["expect_column_values_to_match_regex", "carrier"]
    assert (found.value, found.verdict, found.n) == (0.02, Verdict.BREACH, ROWS)
    assert (found.detail["failing_ids"], found.detail["looked_at"]) == (["p010", "p011"], ROWS)
    assert found.detail["unexpected"] == [{"value": "6B", "rows": 2}]
    assert checked["bad_row_share", WHOLE].value == 0.02


def test_pandas_is_given_a_bounded_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more rows a sample is looked at, and said so."""
    monkeypatch.setattr(engine, "PANDAS_ROWS", 40)
    spec = with_expectation("expect_column_values_to_match_regex", {"column": "carrier", "regex": "^Z"})
    found = check(tmp_path, good_rows(), spec)["expect_column_values_to_match_regex", "carrier"]
    assert (found.n, found.detail["looked_at"], found.value) == (40, 40, 1.0)


def test_an_order_is_checked_in_order_of_time(tmp_path: Path) -> None:
    """Whatever the order of the rows in the file."""
    spec = with_expectation("expect_column_values_to_be_increasing", {"column": "dewp"})
    rows = good_rows(dewp=[float(i) for i in range(ROWS)])
    assert check(tmp_path, rows.sample(frac=1.0, random_state=1), spec).faults() == {}


def test_a_condition_on_rows_is_honoured(tmp_path: Path) -> None:
    """Of the 34 rows of AA the first two are too hot; those of B6 do not count."""
    spec = with_expectation(
        BETWEEN,
        {"column": "dewp", "max_value": 60, "row_condition": 'col("carrier") == "AA"', "condition_parser": "great_expectations"},
    )
    found = check(tmp_path, changed("dewp", {0: 99.0, 3: 99.0, 1: 99.0}), spec)[BETWEEN, "dewp"]
    assert (found.detail["failed_rows"], found.n, found.value) == (2, 34, 2 / 34)


def test_rows_outside_the_window_are_a_fault(tmp_path: Path) -> None:
    """The window is half-open: its end is outside."""

    class Loose:
        def duckdb_sql(self, _window: object, _cursor: object, _columns: object) -> str:
            return f"SELECT * FROM read_parquet('{tmp_path}/rows.parquet')"

    good_rows(10).assign(event_time=[WINDOW.start] * 9 + [WINDOW.end]).to_parquet(tmp_path / "rows.parquet")
    found = validate_window(Loose(), WINDOW, make_spec(), None)
    assert {(m.metric, m.subject): m.value for m in found if m.verdict is Verdict.BREACH} == {(BETWEEN, "event_time"): 0.1}


def test_a_file_that_vanished_is_an_error_of_the_source(tmp_path: Path) -> None:
    """Not bad data, and not a crashed check."""
    spec = make_spec()
    source = source_of(tmp_path, good_rows(), spec)
    (tmp_path / "log" / "0.parquet").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        validate_window(source, WINDOW, spec, None)


def test_windows_validated_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    """Prefect runs tasks in threads."""
    spec = make_spec()
    sources = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        sources.append(source_of(folder, changed("temp", dict.fromkeys(range(10 * number), 999.0)), spec))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda source: validate_window(source, WINDOW, spec, None), sources))
    shares = [next(m.value for m in measurements if (m.metric, m.subject) == (BETWEEN, "temp")) for measurements in found]
    assert shares == [0.0, 0.1, 0.2, 0.3]
