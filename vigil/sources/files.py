"""Parquet files as one Ibis table, opened with errors that name the file, the column and the next step.

Differs from :mod:`vigil.sources.tables`, which knows what a model's files mean; here they are only files with columns.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from enum import Enum
from pathlib import Path

import duckdb
import ibis
import ibis.expr.datatypes as dt
from ibis.backends.duckdb import Backend

from vigil.errors import SourceError


class Kind(Enum):
    """What a column has to hold; the value is how a message says it."""

    ANY = "any type"
    NUMBER = "numbers"
    NUMBER_OR_BOOLEAN = "numbers or booleans"
    TEXT_OR_INTEGER = "text or integers"
    TIME = "timestamps or dates"

    def holds(self, dtype: dt.DataType) -> bool:
        match self:
            case Kind.NUMBER:
                return bool(dtype.is_numeric() and not dtype.is_boolean())
            case Kind.NUMBER_OR_BOOLEAN:
                return bool(dtype.is_numeric() or dtype.is_boolean())
            case Kind.TEXT_OR_INTEGER:
                return bool(dtype.is_string() or dtype.is_integer())
            case Kind.TIME:
                return bool(dtype.is_timestamp() or dtype.is_date())
        return True


Wanted = Mapping[str, tuple[str, Kind]]  # role in the specification -> (column's name, kind)


def list_files(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return the files that ``pattern`` (a path or a glob, ``**`` for any depth) names inside ``folder``, sorted."""
    found = glob.glob(pattern, root_dir=folder, recursive=True)
    return tuple(path for path in sorted(folder / name for name in found) if path.is_file())


def open_parquet(backend: Backend, files: Sequence[Path], source: str) -> ibis.Table:
    """Open ``files`` as one table: columns united by name, null where a file lacks one; folder names are not columns.

    Every file's footer is read here, so a file that was cut off is found here.

    Raises:
        SourceError: a file is not readable Parquet; it is named.
    """
    with reading(source):
        try:
            return backend.read_parquet([_verbatim(file) for file in files], union_by_name=True, hive_partitioning=False)
        except duckdb.Error:
            for file in files:
                with reading(str(file)):
                    backend.read_parquet(_verbatim(file), hive_partitioning=False)
            raise


def parquet_relation(files: Sequence[Path]) -> str:
    """Return the DuckDB table function call that reads what :func:`open_parquet` opens."""
    names = ", ".join(quote_text(_verbatim(file)) for file in files)
    return f"read_parquet([{names}], union_by_name=true, hive_partitioning=false)"


def require_columns(table: ibis.Table, wanted: Wanted, source: str) -> None:
    """Check that ``table`` has the columns ``wanted``, each of its kind.

    Raises:
        SourceError: one is missing or holds another type.
    """
    for role, (name, kind) in wanted.items():
        if name not in table.columns:
            raise SourceError(missing_column(role, name, table.columns), source=source, column=name)
        if not kind.holds(table.schema()[name]):
            raise SourceError(
                f"expected {kind.value}, found {table.schema()[name]}; write it with that type, or name another column in `{role}`",
                source=source,
                column=name,
            )


def require_in_files(backend: Backend, files: Sequence[Path], wanted: Wanted, *, everywhere: bool) -> None:
    """Check each file by itself: united by name, a column that one file lacks reads as null, and mixed types read as text.

    Of the files that store a column in the same way one is opened. With ``everywhere`` each file has to have each column,
    without it a file may lack them.

    Raises:
        SourceError: a file lacks a column or holds another type in it; the file is named.
    """
    listed = ", ".join(quote_text(_verbatim(file)) for file in files)
    names = ", ".join(quote_text(name) for name, _ in wanted.values())
    sql = (
        "SELECT name, min(file_name), list(file_name) "  # noqa: S608 - all is quoted
        f"FROM parquet_schema([{listed}]) WHERE name IN ({names}) GROUP BY name, type, converted_type, logical_type ORDER BY 1, 2"
    )
    stored = backend.raw_sql(sql).fetchall()
    tables: dict[str, ibis.Table] = {}
    for role, (name, kind) in wanted.items():
        having = {file for column, _, which in stored if column == name for file in which}
        lacking = [str(file) for file in files if str(file) not in having] if everywhere else []
        for example in [first for column, first, _ in stored if column == name] + lacking[:1]:
            if example not in tables:
                tables[example] = open_parquet(backend, (Path(example),), example)
            require_columns(tables[example], {role: (name, kind)}, example)


def missing_column(role: str, name: str, present: Sequence[str]) -> str:
    """Say that a column is missing, what was probably meant, and where to name another."""
    close = get_close_matches(name, present, n=1)
    meant = f"did you mean `{close[0]}`? " if close else ""
    shown = ", ".join(sorted(present)[:30]) + (", ..." if len(present) > 30 else "")
    return f"is missing; {meant}name the right column in `{role}` of the model's specification. The columns are: {shown}"


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn an engine error of the reads inside into a SourceError of ``source`` (a page inside a file may be damaged)."""
    try:
        yield
    except duckdb.Error as error:
        raise SourceError(
            f"cannot be read as Parquet ({_first_line(error)}); write it again from where it came, or move it away", source=source
        ) from error


def quote_name(name: str) -> str:
    """Quote a column or view name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a text literal for SQL."""
    return "'" + text.replace("'", "''") + "'"


def _verbatim(file: Path) -> str:
    return glob.escape(str(file))  # DuckDB expands *, ? and [ in every file name that it is given


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
