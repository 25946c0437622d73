"""What Great Expectations can answer where: its whole vocabulary, asked of a hundred rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from expectations.answers import IN_PANDAS, why_crashed
from expectations.engine import WindowRows, window_rows
from expectations.vocabulary import expectation, names
from vigil.spec.model import Severity

SQL = """SELECT 'i' || i AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_minutes(i) AS t, ['a', 'b'][i % 2 + 1] AS s,
         i * 1.5::DOUBLE AS x, (i + 1)::DOUBLE AS y, '2020-01-01' AS d, '{"a": 1}' AS j FROM range(100) AS r(i)"""

ARGUMENTS: dict[str, dict[str, Any]] = {  # where `column: x` (and a minimum) is not what it takes
    "expect_column_distinct_values_to_be_in_set": {"column": "s", "value_set": ["a"]},
    "expect_column_distinct_values_to_contain_set": {"column": "s", "value_set": ["a"]},
    "expect_column_distinct_values_to_equal_set": {"column": "s", "value_set": ["a"]},
    "expect_column_kl_divergence_to_be_less_than": {
        "column": "s",
        "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]},
        "threshold": 0.1,
    },
    "expect_column_most_common_value_to_be_in_set": {"column": "s", "value_set": ["a"]},
    "expect_column_pair_values_a_to_be_greater_than_b": {"column_A": "x", "column_B": "y"},
    "expect_column_pair_values_to_be_equal": {"column_A": "x", "column_B": "y"},
    "expect_column_pair_values_to_be_in_set": {"column_A": "s", "column_B": "s", "value_pairs_set": [["a", "a"]]},
    "expect_column_quantile_values_to_be_between": {"column": "x", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}},
    "expect_column_type_to_be": {"column": "x", "type_": "float64"},
    "expect_column_value_lengths_to_be_between": {"column": "s", "min_value": 1},
    "expect_column_value_lengths_to_equal": {"column": "s", "value": 1},
    "expect_column_value_z_scores_to_be_less_than": {"column": "x", "threshold": 3, "double_sided": True},
    "expect_column_values_to_be_dateutil_parseable": {"column": "d"},
    "expect_column_values_to_be_in_set": {"column": "s", "value_set": ["a"]},
    "expect_column_values_to_be_in_type_list": {"column": "x", "type_list": ["float64"]},
    "expect_column_values_to_be_json_parseable": {"column": "j"},
    "expect_column_values_to_be_of_type": {"column": "x", "type_": "float64"},
    "expect_column_values_to_match_json_schema": {"column": "j", "json_schema": {"type": "object"}},
    "expect_column_values_to_match_regex": {"column": "s", "regex": "^a"},
    "expect_column_values_to_match_regex_list": {"column": "s", "regex_list": ["^a"]},
    "expect_column_values_to_match_strftime_format": {"column": "d", "strftime_format": "%Y-%m-%d"},
    "expect_column_values_to_not_be_in_set": {"column": "s", "value_set": ["a"]},
    "expect_column_values_to_not_be_outliers": {"column": "x", "method": "iqr", "multiplier": 1.5},
    "expect_column_values_to_not_match_regex": {"column": "s", "regex": "^a"},
    "expect_column_values_to_not_match_regex_list": {"column": "s", "regex_list": ["^a"]},
    "expect_compound_columns_to_be_unique": {"column_list": ["s", "x"]},
    "expect_multicolumn_sum_to_equal": {"column_list": ["x", "y"], "sum_total": 1},
    "expect_multicolumn_values_to_be_equal": {"column_list": ["x", "y"]},
    "expect_multicolumn_values_to_be_unique": {"column_list": ["x", "y"]},
    "expect_select_column_values_to_be_unique_within_record": {"column_list": ["x", "y"]},
    "expect_table_column_count_to_be_between": {"min_value": 1},
    "expect_table_column_count_to_equal": {"value": 7},
    "expect_table_columns_to_match_ordered_list": {"column_list": ["x"]},
    "expect_table_columns_to_match_set": {"column_set": ["x"]},
    "expect_table_row_count_to_be_between": {"min_value": 1},
    "expect_table_row_count_to_equal": {"value": 100},
}
WITH_A_MINIMUM = ("_to_be_between",)


def made(name: str) -> Any:
    arguments = ARGUMENTS.get(name) or ({"column": "x", "min_value": 0} if name.endswith(WITH_A_MINIMUM) else {"column": "x"})
    return expectation(name, arguments, severity=Severity.CRITICAL, meta={}, file="models/m.yaml", key="quality.expectations[0]")


@pytest.fixture(scope="module")
def rows() -> Iterator[WindowRows]:
    with window_rows(lambda cursor: SQL, id_column="id", time_column="t", columns=None, numeric=(), categorical=()) as opened:
        yield opened


@pytest.mark.parametrize("name", [name for name in names() if name not in IN_PANDAS])
def test_what_is_asked_of_duckdb_can_be_answered_there(rows: WindowRows, name: str) -> None:
    """It may be met or fail, but it is computed; and where rows fail, there is a query that finds them."""
    result = rows.check([made(name)])[0]
    assert why_crashed(result) is None
    if result.result.get("unexpected_count") and "element_count" in result.result:
        found = rows.ask(f"SELECT count(*) FROM ({result.result['unexpected_index_query'].rstrip(';')})")
        assert found == [(result.result["unexpected_count"],)]


@pytest.mark.parametrize("name", sorted(IN_PANDAS))
def test_what_is_asked_of_pandas_can_be_answered_there_alone(rows: WindowRows, name: str) -> None:
    """As soon as Great Expectations can do it in DuckDB, it is to be asked there.

    Under SQLAlchemy 2.0 its type checks do not crash there but deny that a float64 is one; under 2.1 they crash.
    """
    asked = rows.check([made(name)])[0]
    assert why_crashed(asked) is not None or ("type" in name and asked.success is False)
    result, looked_at = rows.check_in_pandas(made(name), ())
    assert why_crashed(result) is None
    assert result.success is True or "type" not in name
    assert looked_at == 100


def test_a_crashed_check_leaves_the_next_ones_alone(rows: WindowRows) -> None:
    """DuckDB refuses everything in a transaction that failed; every validation has its own."""
    text = expectation(
        "expect_column_values_to_be_between",
        {"column": "s", "min_value": 3},
        severity=Severity.CRITICAL,
        meta={},
        file="models/m.yaml",
        key="quality.expectations[0]",
    )
    assert why_crashed(rows.check([text])[0]) is not None
    assert rows.check([made("expect_column_mean_to_be_between")])[0].result["observed_value"] == 1.5 * 99 / 2
