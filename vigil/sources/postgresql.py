"""Tables of a PostgreSQL database, read where they lie; only counts and the rows that a report shows leave it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ibis
from ibis.common.exceptions import TableNotFound

from vigil.errors import SourceError
from vigil.sources.columns import Wanted, quote_name, require_columns
from vigil.sources.footers import Span
from vigil.spec.model import Place, Table
from vigil.window import Window

if TYPE_CHECKING:
    from ibis.backends.postgres import Backend

CONNECT_SECONDS = 10  # convention: a host that drops packets is reported, not waited for


class PostgresqlEngine:
    """One read-only transaction on a snapshot: rows written after it was opened are not seen; make a new one to see them.

    A snapshot that is kept for long keeps the server from cleaning up behind it, so an engine is for one operation.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        try:
            import psycopg
        except ImportError as error:
            raise SourceError("needs psycopg: pip install 'vigil[postgres]'", source=f"connection {name}") from error
        self._error = psycopg.Error
        with self.reading(f"connection {name}"):
            connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="vigil")
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            # DateStyle: texts of dates are compared with DuckDB's; extra_float_digits: texts of floats read back exactly
            connection.execute("SELECT set_config('DateStyle', 'ISO, YMD', false), set_config('extra_float_digits', '1', false)")
            self.backend: Backend = ibis.postgres.from_connection(connection)
            weakref.finalize(self.backend, connection.close)  # tables outlive the engine, not the backend

    def find(self, place: Place) -> DatabaseRows:
        rows = DatabaseRows(self, place, parts_at_most=2)
        assert isinstance(place, Table)
        rows.table = self._with_enums_as_text(rows.table, place)
        return rows

    def _with_enums_as_text(self, table: ibis.Table, place: Table) -> ibis.Table:
        """Ibis takes an enum on the search path for a text, which the server mixes with no other; the empty text behind it makes it one."""
        sql = """SELECT attname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = to_regclass(%s) AND attnum > 0 AND typtype = 'e'"""
        with self.reading(str(place)):
            found = self.backend.con.execute(sql, [".".join(quote_name(part) for part in place.parts)]).fetchall()
        return table.mutate(**{name: table[name].cast("string").concat("") for (name,) in found}) if found else table

    def require_place(self, place: Place) -> None:
        """A table that is not there is an error of :meth:`find` already."""

    @contextmanager
    def reading(self, source: str) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(
                f"PostgreSQL cannot read it ({told}); check connections.{self.name} of vigil.yaml and the table", source=source
            ) from error

    def named(self, rows: ibis.Table) -> ibis.Table:
        return rows

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        wanted = rows if columns is None else rows.select(*(name for name in rows.columns if name in columns))
        wanted = wanted.mutate(**{name: _without_nan(wanted[name]) for name, kind in wanted.schema().items() if kind.is_decimal()})
        cursor.register("vigil_offered", wanted.to_pyarrow_batches())
        return "SELECT * FROM vigil_offered"


def _without_nan(number: Any) -> Any:
    """Return a numeric as what can be sent: Arrow's decimals have no NaN and one scale, a numeric without a scale has one a row."""
    near = number.cast("float64")
    return near if number.type().scale is None else ibis.ifelse(near.isnan(), ibis.null(number.type()), number)


class Database(Protocol):
    """What :class:`DatabaseRows` needs of the engine of its tables."""

    name: str  # the connection's
    backend: Any

    def reading(self, source: str) -> AbstractContextManager[None]: ...


class DatabaseRows:
    """A table of a database. Its columns are the same for all rows, so there is nothing narrower to name than itself."""

    def __init__(self, engine: Database, place: Place, *, parts_at_most: int) -> None:
        self._name = str(place)
        if not isinstance(place, Table) or len(place.parts) > parts_at_most:
            raise SourceError(
                f"expected a table of connection {engine.name}; write {{table: schema.table}}, or leave out `source.connection`",
                source=str(place),
            )
        *path, name = place.parts
        try:
            with engine.reading(self._name):
                self.table: ibis.Table = engine.backend.table(name, database=tuple(path) if len(path) > 1 else path[0] if path else None)
        except TableNotFound as error:
            raise SourceError(
                f"is not in connection {engine.name}, or may not be read; correct `source`, or grant SELECT", source=self._name
            ) from error

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        require_columns(self.table, wanted, self._name)

    def part_in(self, column: str, windows: Sequence[Window]) -> ibis.Table:
        return self.table

    def files_in(self, column: str | None, windows: Sequence[Window]) -> Mapping[Path, Span]:
        return {}

    def require_readable(self) -> None:
        """An error of the engine names the table or file itself."""

    def part_with(self, held: Callable[[ibis.Table], ibis.Value]) -> str:
        return self._name
