"""What Great Expectations 1.24 lacks to run on DuckDB, in one place.

It keeps one open connection for the SQL dialects of a private list; for all others it gives the connection back before it
reads the answer, and DuckDB's answers end with their connection ("list index out of range"). duckdb is added to that list.
"""

from __future__ import annotations

import atexit
import logging
from enum import Enum
from functools import cache

import duckdb_engine
from great_expectations.execution_engine import sqlalchemy_execution_engine as sql_engine
from sqlalchemy.dialects.postgresql.base import PGDialect


class _Dialect(str, Enum):  # noqa: UP042 - the list is searched with ==, and its members' .value is read
    """A member that the private list's users can handle."""

    DUCKDB = "duckdb"


@cache
def support_duckdb() -> None:
    """Add DuckDB to Great Expectations' dialects, and keep its log, with a traceback of each crashed check, off the screen."""
    for name in ("great_expectations", "great_expectations.data_context.types.base"):  # the second sets a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    sql_engine._PERSISTED_CONNECTION_DIALECTS = (*sql_engine._PERSISTED_CONNECTION_DIALECTS, _Dialect.DUCKDB)  # type: ignore[assignment]
    atexit.register(_let_go_of_duckdb)


def _let_go_of_duckdb() -> None:
    """DuckDB's binding complains of each of its objects that outlives it; SQLAlchemy's caches and duckdb_engine hold some."""
    for part in vars(PGDialect).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()
    for name in [name for name in vars(duckdb_engine) if not name.startswith("__")]:
        delattr(duckdb_engine, name)
