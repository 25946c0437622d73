"""Writes that are idempotent on natural keys: the same again changes nothing, the same key with other content is a conflict."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table, and_, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from vigil.errors import Conflict, StoreError
from vigil.store.rows import Row


def keep(connection: Connection, table: Table, row: Row, *, keys: Sequence[tuple[str, ...]], not_content: Sequence[str] = ()) -> bool:
    """Insert ``row`` unless it is there already. True where it was inserted, False where the same row was there.

    Args:
        keys: the natural keys; each stored row that agrees in one of them is compared with ``row``. A key of None is none.
        not_content: columns that say when and by what something was first seen; they are not compared, the first stay.

    Raises:
        Conflict: another row holds one of the keys.
        StoreError: ``row`` refers to something that is not saved.
    """
    refuse_missing_parents(connection, table, row)
    if insert_new(connection, table, row):
        return True
    whole = [key for key in keys if all(row[name] is not None for name in key)]
    same_key = or_(*(and_(*(table.c[name] == row[name] for name in key)) for key in whole))
    for stored in connection.execute(select(table).where(same_key)).mappings():
        differing = [name for name, value in row.items() if name not in not_content and stored[name] != value]
        if differing:
            raise Conflict(_conflict_message(table, row, dict(stored), keys[0], differing))
    return False


def keep_parts(connection: Connection, table: Table, parts: Sequence[Row], *, of: Row, new: bool) -> None:
    """Insert the parts ``of`` a row that :func:`keep` has just inserted, in one executemany; compare them where it was there.

    Raises:
        ValueError: two parts have the same key.
        Conflict: the stored parts are others.
    """
    key = [column.name for column in table.primary_key.columns if column.name not in of]
    wanted = {tuple(part[name] for name in key): {**of, **part} for part in parts}
    if len(wanted) < len(parts):
        keys = [tuple(part[name] for name in key) for part in parts]
        twice = next(each for each in keys if keys.count(each) > 1)
        raise ValueError(f"two {table.name}s have the key {twice}: one of them would be lost")
    if new:
        if wanted:
            connection.execute(insert(table), list(wanted.values()))
        return
    query = select(table).where(*(table.c[name] == value for name, value in of.items()))
    stored = {tuple(row[name] for name in key): dict(row) for row in connection.execute(query).mappings()}
    differing = sorted(each for each in wanted.keys() | stored.keys() if wanted.get(each) != stored.get(each))
    if differing:
        each, owner = differing[0], ", ".join(f"{name} {value!r}" for name, value in of.items())
        raise Conflict(
            f"{len(differing)} {table.name}s of {owner} are not as stored, first {each}: stored is {stored.get(each)}, came "
            f"{wanted.get(each)}. Nothing was written: read it again, then decide"
        )


def insert_new(connection: Connection, table: Table, row: Row) -> bool:
    """Insert ``row``; False where one of its unique keys is taken.

    On PostgreSQL it waits for another writer of the same key and sees what that one committed; on SQLite the transaction
    has the database for itself.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing().returning(next(iter(table.primary_key.columns)))
    return connection.execute(statement, dict(row)).first() is not None


def refuse_missing_parents(connection: Connection, table: Table, row: Row) -> None:
    """Raise :class:`~vigil.errors.StoreError` naming what ``row`` refers to and is not saved; the database would not name it."""
    for constraint in sorted(table.foreign_key_constraints, key=lambda each: tuple(each.column_keys)):
        references = {key.column: row[key.parent.name] for key in constraint.elements}
        if None in references.values():
            continue
        parent = constraint.referred_table
        saved = select(1).select_from(parent).where(*(column == value for column, value in references.items()))
        if connection.execute(saved).first() is None:
            wanted = ", ".join(f"{column.name} {value!r}" for column, value in references.items())
            raise StoreError(f"this {table.name} refers to the {parent.name} with {wanted}, which is not saved: save it first")


def _conflict_message(table: Table, row: Row, stored: Row, key: tuple[str, ...], differing: Sequence[str]) -> str:
    name = ", ".join(f"{column} {row[column]!r}" for column in key)
    differences = "; ".join(f"`{column}` is {_short(stored[column])}, not {_short(row[column])}" for column in differing)
    return f"the {table.name} with {name} cannot be kept, another is stored: {differences}. Nothing was written: read it again, then decide"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
