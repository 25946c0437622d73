"""What Great Expectations 1.24 lacks to run on DuckDB, in one place.

It keeps one open connection for the SQL dialects of a private list; for all others it gives the connection back before it
reads the answer, and DuckDB's answers end with their connection ("list index out of range"). duckdb is added to that list.

Before each validation it asks for the table's columns and primary key, which duckdb_engine takes from PostgreSQL's catalog: a fifth of
the validation's time, an error for the key, and a warning for each column of lists or structs. :class:`Dialect` asks DuckDB itself.
"""

from __future__ import annotations

import atexit
import logging
from enum import Enum
from functools import cache
from typing import Any

import duckdb_engine
import sqlalchemy as sa
from great_expectations.execution_engine import sqlalchemy_execution_engine as sql_engine
from sqlalchemy.dialects.postgresql.base import PGDialect


class Dialect(duckdb_engine.Dialect):
    """DuckDB by URLs that start with ``duckdb+vigil``, where :func:`support_duckdb` was called."""

    supports_statement_cache = True

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> list[dict[str, Any]]:
        """Return the columns' names in order. No check that is asked of DuckDB looks at their types."""
        names = connection.exec_driver_sql(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", (table_name,)
        )
        return [{"name": name, "type": sa.types.NULLTYPE, "nullable": True, "default": None} for (name,) in names]

    def get_pk_constraint(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> dict[str, Any]:
        """Return that there is none."""
        return {"constrained_columns": [], "name": None}


class _Dialect(str, Enum):  # noqa: UP042 - the list is searched with ==, and its members' .value is read
    """A member that the private list's users can handle."""

    DUCKDB = "duckdb"


@cache
def support_duckdb() -> None:
    """Add DuckDB to Great Expectations' dialects, and keep its log, with a traceback of each crashed check, off the screen."""
    for name in ("great_expectations", "great_expectations.data_context.types.base"):  # the second sets a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    sql_engine._PERSISTED_CONNECTION_DIALECTS = (*sql_engine._PERSISTED_CONNECTION_DIALECTS, _Dialect.DUCKDB)  # type: ignore[assignment]
    sa.dialects.registry.register("duckdb.vigil", __name__, Dialect.__name__)
    atexit.register(_let_go_of_duckdb)


def _let_go_of_duckdb() -> None:
    """DuckDB's binding complains of each of its objects that outlives it; SQLAlchemy's caches and duckdb_engine hold some."""
    for part in vars(PGDialect).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()
    for name in [name for name in vars(duckdb_engine) if not name.startswith("__")]:
        delattr(duckdb_engine, name)
