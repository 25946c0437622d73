"""Validate one window: the suite of its model, checked by Great Expectations in DuckDB, as measurements.

A check that failed says the data are bad; a check that could not be computed says nothing about them and is an error.
Great Expectations reports both as ``success: false``, so they are told apart here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.engine import TABLE, WindowRows, quoted, window_rows
from expectations.suite import EXISTS, TYPES, build_suite, columns_of
from vigil.errors import CheckCrashed, SourceError
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.spec.model import FeatureType, ModelSpec, Severity
from vigil.window import Window

BAD_ROW_SHARE = "bad_row_share"
FAILING_IDS = 20
EXAMPLES = 5  # of the most frequent unexpected values, with their rows
IN_PANDAS = frozenset(
    {
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_not_match_regex_list",
    }
)  # Great Expectations has no regular expressions for DuckDB


class Rows(Protocol):
    """What is needed of :class:`vigil.sources.tables.ModelSource`."""

    def parquet_sql(self, window: Window) -> str: ...


def validate_window(source: Rows, window: Window, spec: ModelSpec, layout: Layout | None) -> tuple[Measurement, ...]:
    """Check the rows of ``window`` against the suite of ``spec``.

    Returns:
        One measurement per expectation, in the suite's order: ``metric`` its name (``#2`` where it stands twice for a column),
        ``subject`` its columns, ``value`` the share of the rows looked at that fail it (for an expectation about the whole
        column or window 1 or 0), ``threshold`` the share tolerated, ``n`` the rows looked at. Verdict ``breach`` where a
        critical one failed, ``warning`` where another did, ``not_enough_data`` where there was nothing to look at.
        ``detail``: severity, because, failed rows, up to 20 of their ids in order, the most frequent unexpected values.
        Last, :data:`BAD_ROW_SHARE` of the whole window: the share of rows that fail any check of rows; shown only.
        Where a column is missing or of a wrong type, all rows are bad, and its other checks are not run.
        The window passes where no verdict is ``breach``.

    Raises:
        SpecError: an expectation of the specification is not in the vocabulary.
        CheckCrashed: a check could not be computed.
        SourceError: the rows cannot be read.
    """
    suite = build_suite(spec, layout, window).expectations
    numeric = {name for name, feature in spec.features.items() if feature.type is FeatureType.NUMERIC}
    with window_rows(source.parquet_sql(window), id_column=spec.columns.id, columns=_needed(suite, spec), numeric=numeric) as rows:
        if spec.columns.id not in rows.types:
            raise SourceError(
                "the id is missing; name the right column in `columns.id`", source=spec.source.predictions, column=spec.columns.id
            )
        total = int(rows.ask(f"SELECT count(*) FROM {TABLE}")[0][0])  # noqa: S608 - a name of our own
        unusable = {made.column for made in suite if _type_of(made) == TYPES and _is_ours(made) and not _typed(made, rows)}
        answers = _answers(suite, rows, unusable)
        found: list[Measurement] = []
        bad: list[str] = []
        for made in suite:
            if _type_of(made) == TYPES and _is_ours(made):
                if made.column in rows.types:
                    found.append(_typing(made, rows, total))
            elif _key(made) in answers:
                result, looked_at = answers[_key(made)]
                measured, failing = _measured(made, result, rows, total, looked_at)
                found.append(measured)
                bad += failing
        broken = any(m.metric in (EXISTS, TYPES) and m.value == 1.0 for m in found)
        return (*found, _bad_row_share(rows, total, bad, broken=broken))


def _answers(
    suite: Sequence[GxExpectation], rows: WindowRows, unusable: set[str]
) -> dict[tuple[str, str], tuple[ExpectationValidationResult, int | None]]:
    """Ask for all that can be asked: ``key -> (result, rows looked at where those are a sample)``."""
    runnable = [made for made in suite if _runnable(made, rows, unusable)]
    in_duckdb = [made for made in runnable if _type_of(made) not in IN_PANDAS]
    answers: dict[tuple[str, str], tuple[ExpectationValidationResult, int | None]] = {}
    for result in _uncrashed(in_duckdb, rows):
        answers[_result_key(result)] = (result, None)
    for made in runnable:
        if _type_of(made) in IN_PANDAS:
            result, looked_at = rows.check_in_pandas(made, () if "row_condition" in made.configuration.kwargs else columns_of(made))
            if (crash := _crash(result)) is not None:
                raise _crashed(made, crash)
            answers[_key(made)] = (result, looked_at)
    return answers


def _uncrashed(suite: Sequence[GxExpectation], rows: WindowRows) -> list[ExpectationValidationResult]:
    """Check all at once. One crash takes others of the same query with it, so then the guilty one is looked for."""
    results = rows.check(suite)
    if all(_crash(result) is None for result in results):
        return results
    results = rows.check([made for made in suite if _is_ours(made)])
    for made in suite:
        if not _is_ours(made):
            results += rows.check([made])
    for result in results:
        if (crash := _crash(result)) is not None:
            raise _crashed(next(made for made in suite if _key(made) == _result_key(result)), crash)
    return results


def _crash(result: ExpectationValidationResult) -> str | None:
    """Return why a check could not be computed; None where it was computed, whatever it found."""
    info = result.exception_info or {}
    if info.get("raised_exception") is False:
        return None
    wheres = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, dict)]
    told = [str(part.get("exception_message") or "").strip() for part in wheres if part.get("raised_exception", True)]
    lines = [line for message in told for line in message.splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given") if wheres else None


def _crashed(made: GxExpectation, why: str) -> CheckCrashed:
    where = (
        "correct its arguments in quality.expectations"
        if not _is_ours(made)
        else "this is a defect of vigil or the engine, not of the data"
    )
    subject = made.meta["subject"] if made.meta else WHOLE
    return CheckCrashed(f"{_type_of(made)} of {subject} could not be computed: {why}; {where}")


def _measured(
    made: GxExpectation, result: ExpectationValidationResult, rows: WindowRows, total: int, looked_at: int | None
) -> tuple[Measurement, list[str]]:
    """Return the measurement, and the queries (each selecting an id first) of the rows that fail."""
    answer, meta = result.result, made.meta or {}
    detail: dict[str, Any] = {"severity": _severity(made).value, "because": meta.get("because", "")}
    if looked_at is not None:
        detail["checked_rows"] = looked_at
    of_rows = "element_count" in answer and "unexpected_count" in answer
    failing: list[str] = []
    if of_rows:
        n = int(answer["element_count"]) - int(answer.get("missing_count") or 0)
        count = int(answer["unexpected_count"] or 0)
        value = count / n if n else None
        threshold = round(1.0 - float(made.configuration.kwargs.get("mostly", 1.0)), 12)
        detail["failed_rows"] = count
        if count:
            failing = _failing(made, answer, rows)
            detail |= _examples(made, failing, rows)
    else:
        n, value, threshold = total, 0.0 if result.success else 1.0, 0.0
        if answer.get("observed_value") is not None:
            detail["observed"] = _plain(answer["observed_value"])
        if _type_of(made) not in (EXISTS, "expect_table_row_count_to_be_between", "expect_table_row_count_to_equal") and n == 0:
            value = None
    return _measurement(made, value, None if value is None else threshold, n, detail, failed=not result.success), failing


def _failing(made: GxExpectation, answer: dict[str, Any], rows: WindowRows) -> list[str]:
    if "unexpected_index_list" in answer:  # pandas
        return [_keep_ids([found[rows.id] for found in answer["unexpected_index_list"]], rows)]
    query = answer.get("unexpected_index_query")
    if query is None or "row_condition" in made.configuration.kwargs:  # Great Expectations leaves the condition out of the query
        return []
    return [query.strip().removesuffix(";")]


def _keep_ids(ids: list[Any], rows: WindowRows) -> str:
    name = f"vigil_failing_{len(rows.ask('SHOW TABLES'))}"
    rows.ask(f"CREATE TABLE {name} AS SELECT unnest(?) AS id", ids)
    return f"SELECT id FROM {name}"  # noqa: S608 - a name of our own


def _examples(made: GxExpectation, failing: list[str], rows: WindowRows) -> dict[str, Any]:
    """Up to :data:`FAILING_IDS` ids in order, and the most frequent unexpected values: the same for the same rows, however stored."""
    found: dict[str, Any] = {}
    for query in failing:
        ids = rows.ask(f"SELECT DISTINCT c FROM ({query}) AS failing(c) WHERE c IS NOT NULL ORDER BY c LIMIT {FAILING_IDS}")  # noqa: S608
        found["failing_ids"] = [_plain(row[0]) for row in ids]
        names = [f"c{index}" for index in range(len(columns_of(made)))]
        if made.configuration.type.endswith("not_be_null") or len(rows.ask(f"DESCRIBE {query}")) <= len(names):
            continue
        listed = ", ".join(names)
        values = rows.ask(
            f"SELECT count(*), {listed} FROM ({query}) AS failing(id, {listed}) GROUP BY ALL ORDER BY 1 DESC, {listed} LIMIT {EXAMPLES}"  # noqa: S608
        )
        found["unexpected"] = [{"value": _plain(row[1] if len(names) == 1 else row[1:]), "rows": row[0]} for row in values]
    return found


def _typed(made: GxExpectation, rows: WindowRows) -> bool:
    """Say whether a column is of one of the types; one without any value has no type of its own. GX knows no DuckDB types."""
    kind = rows.types.get(made.column)
    return kind is None or kind in made.type_list or kind.strip('"') == "NULL"


def _typing(made: GxExpectation, rows: WindowRows, total: int) -> Measurement:
    good = _typed(made, rows)
    detail = {"severity": _severity(made).value, "because": made.meta["because"], "observed": rows.types[made.column]}
    if not good:
        column = quoted(made.column)
        sample = rows.ask(f"SELECT {column}, count(*) FROM {TABLE} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {EXAMPLES}")  # noqa: S608
        detail["unexpected"] = [{"value": _plain(value), "rows": count} for value, count in sample]
        detail["expected"] = list(made.type_list)
    return _measurement(made, 0.0 if good else 1.0, 0.0, total, detail, failed=not good)


def _measurement(
    made: GxExpectation, value: float | None, threshold: float | None, n: int, detail: dict[str, Any], *, failed: bool
) -> Measurement:
    if value is None:
        verdict = Verdict.NOT_ENOUGH_DATA
    elif failed:
        verdict = Verdict.BREACH if _severity(made) is Severity.CRITICAL else Verdict.WARNING
    else:
        verdict = Verdict.OK
    metric, subject = _key(made)
    return Measurement(Layer.DATA_QUALITY, metric, value, verdict, n, subject=subject, threshold=threshold, detail=detail)


def _bad_row_share(rows: WindowRows, total: int, failing: list[str], *, broken: bool) -> Measurement:
    if total == 0:
        return Measurement(Layer.DATA_QUALITY, BAD_ROW_SHARE, None, Verdict.NOT_ENOUGH_DATA, 0)
    count = total if broken else 0
    if failing and not broken:
        ids = " UNION ALL ".join(f"(SELECT c FROM ({query}) AS failing(c))" for query in failing)  # noqa: S608 - all is quoted
        by = quoted(rows.id)
        count = int(rows.ask(f"SELECT count(*) FROM {TABLE} WHERE {by} IS NULL OR {by} IN ({ids})")[0][0])  # noqa: S608 - all is quoted
    return Measurement(Layer.DATA_QUALITY, BAD_ROW_SHARE, count / total, Verdict.OK, total, detail={"failed_rows": count})


def _needed(suite: Iterable[GxExpectation], spec: ModelSpec) -> set[str] | None:
    """The columns that any check looks at; None where one may look at all of them."""
    needed = {spec.columns.id}
    for made in suite:
        needed |= set(columns_of(made))
        if "row_condition" in made.configuration.kwargs or (not columns_of(made) and not _is_ours(made)):
            return None
    return needed


def _runnable(made: GxExpectation, rows: WindowRows, unusable: set[str]) -> bool:
    if _type_of(made) == EXISTS:
        return True
    if _type_of(made) == TYPES and _is_ours(made):
        return False
    return all(column in rows.types and column not in unusable for column in columns_of(made))


def _type_of(made: GxExpectation) -> str:
    return str(made.configuration.type)


def _is_ours(made: GxExpectation) -> bool:
    return bool(made.meta and made.meta["origin"] == "vigil")


def _key(made: GxExpectation) -> tuple[str, str]:
    return (made.meta["metric"], made.meta["subject"])


def _result_key(result: ExpectationValidationResult) -> tuple[str, str]:
    meta = result.expectation_config.meta
    return (meta["metric"], meta["subject"])


def _severity(made: GxExpectation) -> Severity:
    return Severity(made.severity.value if hasattr(made.severity, "value") else made.severity)


def _plain(value: Any) -> Any:
    """Return ``value`` as plain JSON."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(part) for part in value]
    return str(value)
