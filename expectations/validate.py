"""Validate one window: the suite of its model, checked where the rows lie, as measurements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.answers import Answer, ask, key_of
from expectations.engine import TABLE, WindowRows, window_rows
from expectations.schema import holds, is_schema, observed
from expectations.suite import build_suite
from vigil.errors import SourceError
from vigil.measurement import Layer, Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.spec.model import FeatureType, ModelSpec, Severity
from vigil.window import Window

BAD_ROW_SHARE = "bad_row_share"
FAILING_IDS = 20
EXAMPLES = 5  # of the most frequent unexpected values, with their rows
_VALUELESS = frozenset({"expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"})  # examples would say nothing
_OF_COUNT = frozenset({"expect_table_row_count_to_be_between", "expect_table_row_count_to_equal"})  # no row is enough to judge


class Rows(Protocol):
    """What is needed of :class:`vigil.sources.tables.ModelSource`."""

    def duckdb_sql(self, window: Window, cursor: Any, columns: Collection[str] | None) -> str: ...


def validate_window(source: Rows, window: Window, spec: ModelSpec, layout: Layout | None) -> tuple[Measurement, ...]:
    """Check the rows of ``window`` against the suite of ``spec``. The window passes where no verdict is ``breach``.

    Returns:
        One measurement per expectation, in the suite's order. ``metric`` is its name (``#2`` where it stands twice for a
        column), ``subject`` its columns, ``value`` the share of the rows looked at that fail it (of an expectation about a
        whole column or window: 1 failed, 0 met), ``threshold`` the share tolerated, ``n`` the rows looked at. The verdict is
        ``breach`` where a critical one failed, ``warning`` where another did, ``not_enough_data`` where there was no row to
        look at. ``detail`` holds severity, because, the number of failed rows, up to 20 of their ids in order, and the most
        frequent unexpected values: the same for the same rows, in whatever order and files they lie.
        Last, :data:`BAD_ROW_SHARE`: the share of the window's rows that fail any of its checks of rows; shown only. Where a
        column is missing or of a wrong type all rows are bad, and the column's other checks are not made. Rows that fail a
        check with a ``row_condition`` are counted by it but neither listed nor in the share.

    Raises:
        SpecError: an expectation of the specification is not in Great Expectations' vocabulary.
        CheckCrashed: a check could not be computed.
        SourceError: the rows cannot be read.
    """
    suite = build_suite(spec, layout, window).expectations
    log, columns = spec.columns, _columns(suite, spec)
    with window_rows(
        lambda cursor: source.duckdb_sql(window, cursor, columns),
        id_column=log.id,
        time_column=log.time,
        columns=columns,
        numeric=[name for name, feature in spec.features.items() if feature.type is FeatureType.NUMERIC],
        categorical=[name for name, feature in spec.features.items() if feature.type is FeatureType.CATEGORICAL],
    ) as rows:
        if log.id not in rows.types:
            raise SourceError("the id is missing; correct `columns.id`", source=str(spec.source.predictions), column=log.id)
        total = int(rows.ask(f"SELECT count(*) FROM {TABLE}")[0][0])  # noqa: S608 - a name of our own
        answers = ask(suite, rows)
        found: list[Measurement] = []
        bad_rows: list[str] = []  # queries, each of the ids of rows that fail
        broken = False
        for made in suite:
            if is_schema(made):
                failed = not holds(made, rows)
                broken |= failed
                found.append(_measurement(made, float(failed), 0.0, total, observed(made, rows), failed=failed))
            elif key_of(made) in answers:
                answer = answers[key_of(made)]
                failing = _failing(made, answer, rows)
                found.append(_measured(made, answer, failing, rows, total))
                bad_rows += failing
        return (*found, _bad_row_share(rows, total, bad_rows, broken=broken))


def _columns(suite: Sequence[GxExpectation], spec: ModelSpec) -> set[str] | None:
    """The columns that any check looks at; None where one may look at all of them."""
    if any(getattr(made, "row_condition", None) or not (made.meta["columns"] or made.meta["origin"] == "vigil") for made in suite):
        return None
    return {spec.columns.id}.union(*(made.meta["columns"] for made in suite))


def _measured(made: GxExpectation, answer: Answer, failing: Sequence[str], rows: WindowRows, total: int) -> Measurement:
    detail: dict[str, Any] = {} if answer.sampled is None else {"looked_at": answer.sampled}
    result = answer.result
    if "element_count" in result and "unexpected_count" in result:  # about rows
        n = int(result["element_count"]) - int(result.get("missing_count") or 0)
        failed_rows = int(result["unexpected_count"] or 0)
        detail["failed_rows"] = failed_rows
        for query in failing:
            detail |= _examples(made, query, rows)
        threshold = round(1.0 - float(getattr(made, "mostly", 1.0)), 12)
        return _measurement(made, failed_rows / n if n else None, threshold, n, detail, failed=not answer.success)
    if result.get("observed_value") is not None:
        detail["observed"] = _plain(result["observed_value"])
    value = None if total == 0 and made.meta["type"] not in _OF_COUNT else float(not answer.success)
    return _measurement(made, value, 0.0, total, detail, failed=not answer.success)


def _failing(made: GxExpectation, answer: Answer, rows: WindowRows) -> list[str]:
    """The query of the rows that fail, if any do: the id first, then the columns looked at."""
    if not answer.result.get("unexpected_count") or "element_count" not in answer.result:
        return []
    if answer.sampled is not None:
        return [rows.keep([found[rows.stored[rows.id]] for found in answer.result.get("unexpected_index_list") or ()])]
    query = answer.result.get("unexpected_index_query")
    if query is None or getattr(made, "row_condition", None):  # Great Expectations leaves the condition out of the query
        return []
    return [str(query).strip().removesuffix(";")]


def _examples(made: GxExpectation, query: str, rows: WindowRows) -> dict[str, Any]:
    ids = rows.ask(f"SELECT DISTINCT c FROM ({query}) AS failing(c) WHERE c IS NOT NULL ORDER BY c LIMIT {FAILING_IDS}")  # noqa: S608
    found: dict[str, Any] = {"failing_ids": [_plain(row[0]) for row in ids]}
    columns = made.meta["columns"]
    if made.meta["type"] in _VALUELESS:
        return found
    by, named = rows.column(rows.id), ", ".join(rows.column(name) for name in columns)
    held = f"SELECT {named} FROM {TABLE} WHERE {by} IN (SELECT c FROM ({query}) AS failing(c))"  # noqa: S608 - all is quoted
    values = rows.ask(f"SELECT count(*), {named} FROM ({held}) GROUP BY ALL ORDER BY 1 DESC, {named} LIMIT {EXAMPLES}")  # noqa: S608
    found["unexpected"] = [{"value": _plain(row[1] if len(columns) == 1 else row[1:]), "rows": row[0]} for row in values]
    return found


def _measurement(
    made: GxExpectation, value: float | None, threshold: float, n: int, detail: dict[str, Any], *, failed: bool
) -> Measurement:
    severity = Severity(str(getattr(made.severity, "value", made.severity)))
    verdict = Verdict.OK
    if value is None:
        verdict = Verdict.NOT_ENOUGH_DATA
    elif failed:
        verdict = Verdict.BREACH if severity is Severity.CRITICAL else Verdict.WARNING
    return Measurement(
        layer=Layer.DATA_QUALITY,
        metric=made.meta["metric"],
        subject=made.meta["subject"],
        value=value,
        threshold=threshold,
        n=n,
        verdict=verdict,
        detail={"severity": severity.value, "because": made.meta["because"]} | detail,
    )


def _bad_row_share(rows: WindowRows, total: int, bad_rows: Sequence[str], *, broken: bool) -> Measurement:
    if total == 0:
        return Measurement(Layer.DATA_QUALITY, BAD_ROW_SHARE, None, Verdict.NOT_ENOUGH_DATA, 0)
    count = total if broken else 0
    if bad_rows and not broken:
        ids = " UNION ALL ".join(f"(SELECT c FROM ({query}) AS failing(c))" for query in bad_rows)  # noqa: S608 - all is quoted
        by = rows.column(rows.id)
        count = int(rows.ask(f"SELECT count(*) FROM {TABLE} WHERE {by} IS NULL OR {by} IN ({ids})")[0][0])  # noqa: S608 - all is quoted
    return Measurement(Layer.DATA_QUALITY, BAD_ROW_SHARE, count / total, Verdict.OK, total, detail={"failed_rows": count})


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
    return [_plain(part) for part in value] if isinstance(value, list | tuple | set) else str(value)
