"""Bring a database to the newest schema, once, also when many processes open it at the same moment.

One transaction holds the lock, looks again, and migrates: ``BEGIN IMMEDIATE`` on SQLite, an advisory lock on PostgreSQL.
A process killed in it leaves the schema as it was.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, column, inspect, select, table, text

from vigil.errors import StoreError
from vigil.store.engine import SQLITE_BUSY_SECONDS, reading, shown, writing
from vigil.store.migrations import HEAD, VERSION_TABLE

_ADVISORY_LOCK = 0x766967696C  # "vigil" in ASCII: the number of vigil's lock on PostgreSQL
_ASK_AGAIN_SECONDS = 0.05
_ALEMBIC_IS_GLOBAL = Lock()  # its `context` and `op` are one for the process: threads that open other databases take turns


def migrate(engine: Engine) -> None:
    """Bring the database to :data:`~vigil.store.migrations.HEAD`. Costs two small queries where it is there already.

    Raises:
        StoreError: the database cannot be reached, or a newer vigil has written it.
    """
    with reading(engine) as connection:
        if schema_revision(connection) == HEAD:
            return
    if engine.dialect.name == "sqlite":
        _use_write_ahead_log(engine)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
        if schema_revision(connection) != HEAD:
            _upgrade(connection)


def schema_revision(connection: Connection) -> str | None:
    """Return the revision that the database is at; None where vigil has never been in it."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    return revision


def _use_write_ahead_log(engine: Engine) -> None:
    """Switch the log on; SQLite keeps it in the file. Outside a transaction, as SQLite asks.

    Switching needs the file alone. SQLite does not wait for that as it waits for a lock, so it is asked again while others open the file.
    """
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    with reading(engine) as connection:
        raw = connection.connection.driver_connection
        while raw is not None:
            try:
                raw.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_ASK_AGAIN_SECONDS)
            else:
                return


def _upgrade(connection: Connection) -> None:
    from alembic import command  # 0.6 s to import, and needed only here
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    here = schema_revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if here is not None and here not in known:
        raise StoreError(
            f"the store at {shown(connection.engine.url)} has schema {here!r}, this vigil knows up to {HEAD!r}: a newer vigil has "
            "written it. Upgrade vigil (pip install --upgrade vigil), or point store.url in vigil.yaml to another database"
        )
    with _ALEMBIC_IS_GLOBAL:
        command.upgrade(config, "head")
