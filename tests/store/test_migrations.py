"""The migrations build the tables that the code reads and writes, from nothing, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect

import vigil.store.migrations
from vigil.errors import StoreError
from vigil.store import tables
from vigil.store.migrate import schema_revision
from vigil.store.migrations import HEAD, VERSION_TABLE
from vigil.store.sql import SqlStore, open_store


def test_the_known_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(vigil.store.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_an_empty_database_is_brought_to_the_head(empty_url: str) -> None:
    with open_store(empty_url) as store, store.engine.connect() as connection:
        assert schema_revision(connection) == HEAD
        assert set(inspect(connection).get_table_names()) == {*tables.metadata.tables, VERSION_TABLE}


def test_the_migrated_database_agrees_with_the_tables_of_the_code(store: SqlStore) -> None:
    assert _differences(store.engine) == []


def test_a_change_without_its_migration_would_be_noticed(empty_url: str) -> None:
    """The comparison above can fail: a column or an index less, or a column more, is one difference each."""
    with open_store(empty_url) as store:
        for number, statement in enumerate(
            (
                "ALTER TABLE version DROP COLUMN parent",
                "DROP INDEX ix_retraining_model",
                "ALTER TABLE measurement ADD COLUMN unit TEXT",
            ),
            start=1,
        ):
            with store.engine.begin() as connection:
                connection.exec_driver_sql(statement)
            assert len(_differences(store.engine)) == number, statement


def test_the_migrated_database_has_the_primary_keys_of_the_code(store: SqlStore) -> None:
    """Alembic's comparison leaves primary keys out."""
    found = inspect(store.engine)
    for name, table in tables.metadata.tables.items():
        assert found.get_pk_constraint(name)["constrained_columns"] == [column.name for column in table.primary_key], name


def test_opening_again_changes_nothing(url: str) -> None:
    with open_store(url) as first:
        first.save_spec("m", "spec-1", "{}")
    with open_store(url) as second:
        assert second.spec("spec-1") == "{}"
        assert _differences(second.engine) == []


def test_a_database_of_a_newer_vigil_is_refused_with_the_next_step(empty_url: str) -> None:
    with open_store(empty_url) as store, store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=rf"has schema '9999', this vigil knows up to '{HEAD}'.*pip install --upgrade vigil"):
        open_store(empty_url)


def test_another_programs_tables_are_left_alone(empty_url: str) -> None:
    """MLflow and Prefect keep Alembic's version under its default name; vigil in the same database does not touch it."""
    with SqlStore(empty_url) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('mlflow')")
    with open_store(empty_url) as store, store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == ["mlflow"]
        assert schema_revision(connection) == HEAD


def _differences(engine: Engine) -> list[Any]:
    ours = MetaData()
    for table in tables.metadata.tables.values():
        table.to_metadata(ours)
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}), ours)
