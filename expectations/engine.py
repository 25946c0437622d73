"""One window's rows in a DuckDB of their own, where Great Expectations asks its questions; pandas where it cannot ask DuckDB.

Differs from :mod:`expectations.validate`, which knows what is asked and what the answers mean: here is only how.
"""

from __future__ import annotations

import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.duckdb_dialect import support_duckdb
from vigil.errors import SourceError

TABLE = "vigil_window"
PANDAS_ROWS = 100_000  # rows taken out of the engine where pandas has to check; of more, a sample by a hash of the id
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_NAMING = ("column", "column_A", "column_B", "column_list", "column_set")  # the arguments that name columns

_one_at_a_time = threading.RLock()  # a Great Expectations context is process-wide state


@dataclass(frozen=True)
class WindowRows:
    """One window's rows as the table :data:`TABLE`.

    ``types``: column -> the DuckDB type that it came with. ``stored``: column -> its name in the table. Great Expectations and
    what lies between stumble over some names (a question mark is enough), so those that are not plain words have another there.
    ``texts``: categorical column that is no text -> its name as text, written as the profile writes it.
    """

    connection: sa.Connection
    url: str
    id: str
    time: str
    types: Mapping[str, str]
    stored: Mapping[str, str]
    texts: Mapping[str, str]

    def column(self, name: str) -> str:
        """A column of :data:`TABLE`, quoted for DuckDB."""
        return _quoted(self.stored[name])

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one query of our own."""
        cursor = self.connection.connection.cursor()
        cursor.execute(sql, values)
        return list(cursor.fetchall())

    def keep(self, ids: Sequence[Any]) -> str:
        """Keep ids that were found outside the engine, and return the query that gives them back."""
        name = f"vigil_kept_{len(self.ask('SHOW TABLES'))}"
        self.ask(f"CREATE TABLE {name} AS SELECT unnest(?) AS id", list(ids))
        return f"SELECT id FROM {name}"  # noqa: S608 - a name of our own

    def check(self, expectations: Sequence[GxExpectation]) -> list[ExpectationValidationResult]:
        """Let Great Expectations check all of ``expectations`` in DuckDB, in one validation."""
        with _one_at_a_time:
            context, name = _context(), f"duckdb-{uuid.uuid4().hex}"
            source = context.data_sources.add_sql(name=name, connection_string=self.url, create_temp_table=False)
            try:
                batch = source.add_table_asset(name="rows", table_name=TABLE).add_batch_definition_whole_table("all").get_batch()
                bounded = {"result_format": "BASIC", "partial_unexpected_count": 1}
                located = {"unexpected_index_column_names": [self.stored[self.id]], "return_unexpected_index_query": True}
                with _configured_once():
                    return list(batch.validate(self._suite(expectations), result_format=bounded | located).results)
            finally:
                source.get_execution_engine().close()
                source.get_engine().dispose()
                context.data_sources.delete(name)

    def check_in_pandas(self, made: GxExpectation, columns: Sequence[str]) -> tuple[ExpectationValidationResult, int]:
        """Check outside the engine what DuckDB cannot, on at most :data:`PANDAS_ROWS` rows, in order of time.

        Returns how many rows it looked at, too.
        """
        names = ", ".join(self.column(name) for name in dict.fromkeys((self.id, self.time, *columns))) if columns else "*"
        by = self.column(self.id)
        chosen = f"SELECT {names} FROM {TABLE} ORDER BY hash({by}), {by} LIMIT {PANDAS_ROWS}"  # noqa: S608 - all is quoted
        cursor = self.connection.connection.cursor()
        cursor.execute(f"FROM ({chosen}) ORDER BY {self.column(self.time)}, {by}")
        frame = cursor.df()
        with _one_at_a_time:
            context, name = _context(), f"pandas-{uuid.uuid4().hex}"
            source = context.data_sources.add_pandas(name=name)
            try:
                batch = source.add_dataframe_asset(name="rows").add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
                wanted = {
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": [self.stored[self.id]],
                    "partial_unexpected_count": 1,
                }
                return batch.validate(self._suite([made]), result_format=wanted).results[0], len(frame)
            finally:
                context.data_sources.delete(name)

    def _suite(self, expectations: Sequence[GxExpectation]) -> gx.ExpectationSuite:
        return gx.ExpectationSuite(name="window", expectations=[self._renamed(made) for made in expectations])

    def _renamed(self, made: GxExpectation) -> GxExpectation:
        as_text = made.meta and made.meta.get("compared") == "as text"
        names = {**self.stored, **self.texts} if as_text else self.stored

        def stored(value: Any) -> Any:
            return [stored(part) for part in value] if isinstance(value, list | tuple | set) else names.get(value, value)

        named = {part: getattr(made, part) for part in _NAMING if getattr(made, part, None) is not None}
        changed = {part: stored(value) for part, value in named.items() if stored(value) != value}
        return made.copy(update=changed) if changed else made


@contextmanager
def window_rows(
    select: Callable[[Any], str],
    *,
    id_column: str,
    time_column: str,
    columns: Collection[str] | None,
    numeric: Collection[str],
    categorical: Collection[str],
) -> Iterator[WindowRows]:
    """Open the rows that the DuckDB query ``select(cursor)`` selects on that cursor's connection.

    Great Expectations asks some forty questions of a window, so its columns are read once, into the engine's own table
    (which DuckDB pages out to a temporary folder where memory ends), not forty times from all Parquet files.
    NaN and infinite values become null, so that they count as missing; booleans of ``numeric`` columns become 0 and 1.

    Args:
        columns: those needed (the others are not read), None for all.

    Raises:
        SourceError: the rows cannot be read.
    """
    url = f"duckdb+vigil:///:memory:vigil-{uuid.uuid4().hex}"  # a name lets several connections of this process see one database
    support_duckdb()
    engine = sa.create_engine(url, poolclass=sa.StaticPool)
    with tempfile.TemporaryDirectory(prefix="vigil-duckdb-") as folder, _disposed(engine), engine.connect() as connection:
        try:
            cursor = connection.connection.cursor()
            cursor.execute("SET GLOBAL TimeZone = 'UTC'")
            cursor.execute(f"SET GLOBAL temp_directory = '{folder}'")
            sql = select(cursor)
            cursor.execute(f"DESCRIBE {sql}")
            types = {name: kind.split("(")[0] for name, kind, *_ in cursor.fetchall()}
            stored = {name: _stored(name, number) for number, name in enumerate(types) if columns is None or name in columns}
            kept = [f"{_cleaned(name, types[name], numeric)} AS {_quoted(alias)}" for name, alias in stored.items()]
            texts = {name: f"{alias}_as_text" for name, alias in stored.items() if name in categorical and types[name] != "VARCHAR"}
            kept += [f"{_text(name, types[name])} AS {_quoted(alias)}" for name, alias in texts.items()]
            cursor.execute(f"CREATE TABLE {TABLE} AS SELECT {', '.join(kept)} FROM ({sql})")  # noqa: S608 - all is quoted
            cursor.execute("COMMIT")
        except duckdb.Error as error:
            told = str(error).strip().splitlines()[0]
            raise SourceError(
                f"the window's rows cannot be read ({told}); write the file named there again", source="predictions"
            ) from error
        yield WindowRows(connection, url, id_column, time_column, types, stored, texts)


@contextmanager
def _disposed(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def _stored(name: str, number: int) -> str:
    return name if _PLAIN.fullmatch(name) else f"vigil_column_{number}"


def _cleaned(name: str, kind: str, numeric: Collection[str]) -> str:
    column = _quoted(name)
    if kind in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isfinite({column}) THEN {column} END"
    if kind == "BOOLEAN" and name in numeric:
        return f"CAST({column} AS TINYINT)"
    return f"CAST({column} AS VARCHAR)" if kind in ("ENUM", "UUID") else column


def _text(name: str, kind: str) -> str:
    """The SQL of :func:`vigil.profile.columns.as_text`."""
    column = _quoted(name)
    if kind not in ("FLOAT", "DOUBLE"):
        return f"CAST({column} AS VARCHAR)"
    whole = f"floor({column}) = {column} AND abs({column}) < 9007199254740992"
    text = f"CASE WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST(CAST({column} AS DOUBLE) AS VARCHAR) END"
    return f"CASE WHEN isfinite({column}) THEN {text} END"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _configured_once() -> Iterator[None]:
    """Keep each expectation's configuration while it is validated: built anew some sixty times, it is a third of a validation's time."""
    built = GxExpectation.configuration
    kept: dict[int, tuple[GxExpectation, Any]] = {}

    def configuration(made: GxExpectation) -> Any:
        if id(made) not in kept:
            kept[id(made)] = made, built.fget(made)
        return kept[id(made)][1]

    GxExpectation.configuration = property(configuration)
    try:
        yield
    finally:
        GxExpectation.configuration = built


@cache
def _context() -> EphemeralDataContext:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context._save_project_config = lambda: None  # type: ignore[method-assign] # an ephemeral one is saved nowhere, but written as YAML each time
    return context
