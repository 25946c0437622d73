"""How a profile's queries reach the engine: as Ibis expressions, or on DuckDB as SQL that is compiled once for all windows.

Compiling an aggregate of hundreds of columns takes Ibis about as long as DuckDB needs for a million rows. The windows of one model
differ only in which rows they are, so on DuckDB the rows become a view and the query's SQL is kept. (Spark compiles the SQL
again for each window whatever Ibis does, and a session's views are seen by all its threads.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.operations as ops

Row = dict[str, Any]
Build = Callable[[ibis.Table, str], ibis.Table]  # the rows and the engine that counts them -> the query
Ask = Callable[[tuple[object, ...], Build], list[Row]]

_VIEW = "vigil_profiled_rows"
_KEPT = 512  # queries; beyond it they are compiled anew
_compiled: dict[tuple[object, ...], str] = {}


def asker(rows: ibis.Table, identity: tuple[object, ...]) -> Ask:
    """Return what answers queries about ``rows``.

    Args:
        identity: what the queries are made from besides the rows' schema (specification, layout), so that an equal
            identity and key mean an equal query.
    """
    backend = rows.get_backend()
    if backend.name != "duckdb" or rows.op().find(ops.InMemoryTable):
        return lambda key, build: _answered(build(rows, backend.name))
    schema = rows.schema()
    backend.raw_sql(f'CREATE OR REPLACE TEMP VIEW "{_VIEW}" AS {backend.compile(rows)}')

    def ask(key: tuple[object, ...], build: Build) -> list[Row]:
        question = (identity, schema, key)
        if question not in _compiled:
            if len(_compiled) >= _KEPT:
                _compiled.clear()
            query = build(ibis.table(schema, name=_VIEW), backend.name)
            if query.op().find(ops.InMemoryTable):  # a long list of categories, joined as a table that only Ibis can bring along
                return _answered(build(rows, backend.name))
            _compiled[question] = backend.compile(query)
        answer = backend.raw_sql(_compiled[question])
        names = [column[0] for column in answer.description]
        return [dict(zip(names, values, strict=True)) for values in answer.fetchall()]

    return ask


def _answered(query: ibis.Table) -> list[Row]:
    backend = query.get_backend()
    if backend.name != "pyspark":
        found: list[Row] = query.to_pyarrow().to_pylist()
        return found
    # Ibis goes by way of pandas, where a whole number beside a null is a float
    rows: list[Row] = backend.raw_sql(backend.compile(query)).toArrow().to_pylist()
    return rows
