"""Opening a store: which addresses are taken, what is said of the others, and what it costs."""

from __future__ import annotations

import socket
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.store.build import save_spec
from tests.store.dialogue import ROOT
from vigil.errors import StoreError
from vigil.store.sql import SqlStore, open_store


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("secret", "not a database URL: expected sqlite:///path"),
        ("", "not a database URL: expected sqlite:///path"),
        ("sqlite://", "cannot live in memory"),
        ("sqlite:///:memory:", "cannot live in memory"),
        ("mysql://u:secret@host/db", "runs on SQLite and PostgreSQL .psycopg., not on 'mysql'"),
        ("postgresql+psycopg2://u:secret@host/db", "not on 'postgresql.psycopg2'"),
    ],
)
def test_an_address_that_is_no_store_is_refused_with_what_is_expected(address: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refusal:
        open_store(address)
    assert "secret" not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ada:secret@127.0.0.1:{port}/vigil", "postgresql+psycopg://ada:***@127.0.0.1:{port}/vigil"),
        (
            "postgres://127.0.0.1:{port}/vigil?user=ada&password=secret",
            "postgresql+psycopg://127.0.0.1:{port}/vigil?password=hidden&user=ada",
        ),
    ],
)
def test_an_unreachable_server_is_named_without_the_password(address: str, shown: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        port = taken.getsockname()[1]
        with pytest.raises(StoreError) as refusal:
            open_store(address.format(port=port))
    assert shown.format(port=port) in str(refusal.value)
    assert "vigil doctor" in str(refusal.value)
    assert "secret" not in "".join(traceback.format_exception(refusal.value))


def test_a_sqlite_file_in_no_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing/vigil\.db failed: unable to open database file"):
        open_store(f"sqlite:///{tmp_path}/missing/vigil.db")


def test_a_file_that_is_no_database_is_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "vigil.db"
    file.write_text("model,window\n" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        open_store(f"sqlite:///{file}")
    assert file.read_text() == "model,window\n" * 100


def test_a_database_that_was_never_opened_says_so_when_it_is_used(empty_url: str) -> None:
    with pytest.raises(StoreError, match="failed: "):
        SqlStore(empty_url).save_spec("m", "spec-1", "{}")


def test_nothing_is_connected_before_the_first_use(tmp_path: Path) -> None:
    SqlStore(f"sqlite:///{tmp_path / 'vigil.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_store_connects_again(store: SqlStore) -> None:
    save_spec(store)
    store.close()
    assert store.spec("spec-1") is not None


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_has_its_write_ahead_log_and_checks_foreign_keys(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_reader_does_not_wait_for_a_writer(store: SqlStore) -> None:
    save_spec(store)
    with store.engine.execution_options(vigil_writes=True).begin() as writer:
        writer.execute(text("UPDATE spec SET body = 'other'"))
        assert store.spec("spec-1") == '{"name":"flight-delay"}'


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_postgresql_talks_in_utc_whatever_the_servers_zone(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(text("SHOW TIME ZONE")).scalar() == "UTC"


def test_opening_a_migrated_store_does_not_import_alembic(url: str) -> None:
    """Alembic costs 0.6 s to import; a store that is at its head needs two small queries."""
    program = "import sys; from vigil.store.sql import open_store; open_store(sys.argv[1]); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program, url], cwd=ROOT).returncode == 0


def test_threads_may_open_different_databases_at_one_moment(tmp_path: Path) -> None:
    addresses = [f"sqlite:///{tmp_path}/{number}.db" for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(open_store, addresses):
            assert store.spec("spec-1") is None
            store.close()
