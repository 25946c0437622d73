"""What Great Expectations 1.24 lacks to run on DuckDB, in one place.

It keeps one open connection for the SQL dialects of a private list; for all others it gives the connection back before it
reads the answer, and DuckDB's answers end with their connection ("list index out of range"). duckdb is added to that list.
"""

from __future__ import annotations

import logging
from enum import Enum

from great_expectations.execution_engine import sqlalchemy_execution_engine as sql_engine


class _Dialect(str, Enum):  # noqa: UP042 - the list is searched with ==, and its members' .value is read
    """A member that the private list's users can handle."""

    DUCKDB = "duckdb"


def support_duckdb() -> None:
    """Add DuckDB to Great Expectations' dialects, and keep its tracebacks of crashed checks off the screen. Twice is once."""
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)  # a crash is raised as CheckCrashed
    known = sql_engine._PERSISTED_CONNECTION_DIALECTS
    if _Dialect.DUCKDB not in known:
        sql_engine._PERSISTED_CONNECTION_DIALECTS = (*known, _Dialect.DUCKDB)  # type: ignore[assignment]
