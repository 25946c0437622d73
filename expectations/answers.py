"""Ask Great Expectations for every expectation that can be asked, and tell a check that crashed from one that failed.

It reports both as ``success: false``. Differs from :mod:`expectations.validate`, which says what the answers mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.engine import WindowRows
from expectations.schema import is_schema, unusable_columns
from vigil.errors import CheckCrashed

Key = tuple[str, str]  # metric, subject

IN_PANDAS = frozenset(  # what Great Expectations can do in pandas, not in DuckDB
    {
        "expect_column_type_to_be",
        "expect_column_values_to_be_dateutil_parseable",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_not_be_outliers",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_not_match_regex_list",
    }
)


@dataclass(frozen=True)
class Answer:
    """What Great Expectations found. ``sampled`` is how many rows it looked at, where that was not done by the engine."""

    success: bool
    result: Mapping[str, Any]
    sampled: int | None = None


def key_of(made: GxExpectation) -> Key:
    """Return what names an expectation in its suite."""
    return (made.meta["metric"], made.meta["subject"])


def ask(suite: Sequence[GxExpectation], rows: WindowRows) -> dict[Key, Answer]:
    """Answer all expectations but those about the schema, and those of columns that failed theirs.

    Raises:
        CheckCrashed: one could not be computed.
    """
    unusable = unusable_columns(suite, rows)
    runnable = [
        made
        for made in suite
        if not is_schema(made) and all(column in rows.types and column not in unusable for column in made.meta["columns"])
    ]
    answers: dict[Key, Answer] = {}
    for result in _in_duckdb([made for made in runnable if made.meta["type"] not in IN_PANDAS], rows):
        answers[_key_of_result(result)] = Answer(bool(result.success), result.result)
    for made in runnable:
        if made.meta["type"] in IN_PANDAS:
            result, count = rows.check_in_pandas(made, () if getattr(made, "row_condition", None) else made.meta["columns"])
            _raise_if_crashed(made, result)
            answers[key_of(made)] = Answer(bool(result.success), result.result, count)
    return answers


def _in_duckdb(suite: Sequence[GxExpectation], rows: WindowRows) -> list[ExpectationValidationResult]:
    """Check all at once. A crash takes others of the same query with it, so then the guilty one is looked for."""
    results = rows.check(suite)
    if all(why_crashed(result) is None for result in results):
        return results
    alone = [rows.check([made])[0] for made in suite]
    for made, result in zip(suite, alone, strict=True):
        _raise_if_crashed(made, result)
    return alone


def why_crashed(result: ExpectationValidationResult) -> str | None:
    """Return why a check could not be computed; None where it was, whatever it found."""
    info = result.exception_info or {}
    if info.get("raised_exception") is False:
        return None
    crashes = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    lines = [line.strip() for part in crashes for line in str(part.get("exception_message") or "").splitlines() if line.strip()]
    return next(iter(lines), "no reason given") if crashes else None


def _raise_if_crashed(made: GxExpectation, result: ExpectationValidationResult) -> None:
    why = why_crashed(result)
    if why is None:
        return
    if made.meta["origin"] == "spec":
        next_step = "correct it in quality.expectations"
    else:
        next_step = "this is a defect of vigil or of the engine, not of the data: please report it"
    raise CheckCrashed(f"{made.meta['type']} of {made.meta['subject']} could not be computed ({why}); {next_step}")


def _key_of_result(result: ExpectationValidationResult) -> Key:
    meta = result.expectation_config.meta
    return (meta["metric"], meta["subject"])
