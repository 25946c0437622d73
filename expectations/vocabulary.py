"""Great Expectations' vocabulary: an expectation by its documented name and arguments, or an error that says what to write."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import great_expectations.expectations  # noqa: F401 - importing it registers the vocabulary
from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.expectations.expectation import Expectation as GxExpectation
from great_expectations.expectations.registry import get_expectation_impl, list_registered_expectation_implementations

from vigil.errors import SpecError
from vigil.spec.model import Severity

_OURS = {"severity", "meta", "notes", "id", "description", "result_format", "catch_exceptions", "windows", "batch_id", "rendered_content"}
_NOT_ON_DUCKDB = {  # what Great Expectations can do neither in DuckDB nor in pandas, or not with one window -> what to use instead
    "expect_column_values_to_match_like_pattern": "expect_column_values_to_match_regex",
    "expect_column_values_to_match_like_pattern_list": "expect_column_values_to_match_regex_list",
    "expect_column_values_to_not_match_like_pattern": "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_like_pattern_list": "expect_column_values_to_not_match_regex_list",
    "expect_query_results_to_match_comparison": "an expectation about the window's own rows",
    "expect_table_row_count_to_equal_other_table": "expect_table_row_count_to_be_between",
}


def names() -> tuple[str, ...]:
    """Every expectation that a specification may name, sorted."""
    registered = (name for name in list_registered_expectation_implementations() if name.startswith("expect_"))
    return tuple(sorted(name for name in registered if name not in _NOT_ON_DUCKDB))


def expectation(
    name: str, arguments: Mapping[str, Any], *, severity: Severity, meta: Mapping[str, Any], file: str, key: str
) -> GxExpectation:
    """Build an expectation of Great Expectations.

    Raises:
        SpecError: no expectation has this name, or it does not take these arguments; ``file`` and ``key`` say where.
    """
    known = names()
    if name in _NOT_ON_DUCKDB:
        instead = _NOT_ON_DUCKDB[name]
        raise SpecError(f"Great Expectations cannot check `{name}` on DuckDB; use {instead}", file=file, key=f"{key}.expectation")
    if name not in known:
        close = get_close_matches(name, known, n=1)
        meant = f"did you mean `{close[0]}`?" if close else "see Great Expectations' gallery of expectations"
        raise SpecError(f"Great Expectations has no expectation `{name}`; {meant}", file=file, key=f"{key}.expectation")
    kind = get_expectation_impl(name)
    allowed = sorted(set(kind.__fields__) - _OURS)
    for argument in arguments:
        if argument not in allowed:
            close = get_close_matches(argument, allowed, n=1)
            meant = f"did you mean `{close[0]}`? " if close else ""
            if argument == "severity":
                meant = "severity stands beside `arguments`, not in it. "
            raise SpecError(
                f"{name} takes no argument `{argument}`; {meant}It takes: {', '.join(allowed)}", file=file, key=f"{key}.arguments"
            )
    try:
        return kind(**arguments, severity=severity.value, meta=dict(meta))
    except (ValidationError, TypeError, ValueError) as error:
        raise SpecError(f"{name}: {_reason(error)}", file=file, key=f"{key}.arguments") from error


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    wrongs = (f"{'.'.join(str(part) for part in item['loc'] if part != '__root__')}: {item['msg']}" for item in error.errors())
    return "; ".join(dict.fromkeys(wrong.removeprefix(": ") for wrong in wrongs))
