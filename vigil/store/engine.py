"""Connections to the monitoring database: the URL, and what each engine needs so that a transaction is one.

SQLite: write-ahead log, foreign keys on, waiting instead of failing while another writes, and ``BEGIN IMMEDIATE`` for
writes, so that what a write reads cannot change before it commits. PostgreSQL: psycopg 3, session time zone UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from vigil.errors import StoreError

SQLITE_BUSY_SECONDS = 30  # convention: far longer than any write of vigil, far shorter than a person waits
POSTGRESQL_CONNECT_SECONDS = 10  # convention: a host that drops packets is reported, not waited for
_EXPECTED = "expected sqlite:///path/to/file.db or postgresql://user:password@host/database in store.url of vigil.yaml"
_SECRETS = ("password", "passfile", "sslpassword")


def parse_url(url: str) -> URL:
    """Return the URL with vigil's driver in it.

    Raises:
        StoreError: it is no database URL, names an engine that vigil does not run on, or a database that only lives in memory.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(f"the store's address is not a database URL: {_EXPECTED}") from None  # not shown: it may hold a password
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if parsed.database in (None, "", ":memory:"):
                raise StoreError(f"the store cannot live in memory, it would be gone with the process: {_EXPECTED}")
            return parsed.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"the store runs on SQLite and PostgreSQL (psycopg), not on {other!r}: {_EXPECTED}")


def shown(url: URL) -> str:
    """Return the URL as it may be printed: without any password."""
    secrets = {key: "hidden" for key in url.query if key in _SECRETS}
    return url.update_query_dict(secrets).render_as_string(hide_password=True)


def make_engine(url: URL) -> Engine:
    """Return an engine that connects when it is first used.

    Raises:
        StoreError: the driver for PostgreSQL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    connect_args = {} if "connect_timeout" in url.query else {"connect_timeout": POSTGRESQL_CONNECT_SECONDS}
    try:
        engine = create_engine(url, connect_args=connect_args, pool_pre_ping=True)
    except ImportError as error:
        raise StoreError("a PostgreSQL store needs psycopg: pip install 'vigil[postgres]'") from error
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees committed data."""
    with _explained(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed at the end of the block, and rolled back where the block raises."""
    with _explained(engine), engine.execution_options(vigil_writes=True).begin() as connection:
        yield connection


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        where = shown(engine.url)
        raise StoreError(f"the store at {where} failed: {error.orig}. Check that it runs and may be written: `vigil doctor`") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("vigil_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()
