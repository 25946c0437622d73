"""Parquet files as one Ibis table, opened with errors that name the file, the column and the next step.

Differs from :mod:`vigil.sources.tables`, which knows what a model's files mean; here they are only files with columns.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import ibis
from ibis.backends.duckdb import Backend

from vigil.errors import SourceError
from vigil.sources.columns import Wanted, quote_name, quote_text, require_columns

_AS_KNOWN = {  # DuckDB's type -> what it is read as
    "TIMESTAMPTZ_NS": "make_timestamptz(epoch_ns({}) // 1000)",
    '"NULL"': "CAST({} AS INTEGER)",
    "NULL": "CAST({} AS INTEGER)",
}


def list_files(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return the files that ``pattern`` (a path or a glob, ``**`` for any depth) names inside ``folder``, sorted.

    Raises:
        SourceError: it names a folder, in which no file is named.
    """
    if (folder / pattern).is_dir():
        raise SourceError(f"is a folder; name the files in it, such as {Path(pattern) / '*.parquet'}", source=repr(pattern))
    found = glob.glob(pattern, root_dir=folder, recursive=True)
    return tuple(path for path in sorted(folder / name for name in found) if path.is_file())


def open_parquet(backend: Backend, files: Sequence[Path], source: str) -> ibis.Table:
    """Open ``files`` as one table: columns united by name, null where a file lacks one; folder names are not columns.

    Every file's footer is read here, so a file that was cut off is found here.

    Raises:
        SourceError: a file is not readable Parquet; it is named.
    """
    view = ibis.util.gen_name("vigil_parquet")
    with reading(source):
        try:
            backend.raw_sql(f"CREATE TEMP VIEW {quote_name(view)} AS {parquet_select(backend, files)}")
        except duckdb.Error:
            for file in files:
                with reading(str(file)):
                    backend.raw_sql(f"DESCRIBE {_read([file])}")
            raise
        return backend.table(view)


def parquet_select(backend: Backend, files: Sequence[Path]) -> str:
    """Return the DuckDB SELECT that reads what :func:`open_parquet` opens.

    Types that Ibis does not know come as ones that it does: times with a zone in nanoseconds as microseconds (rounded down; Parquet
    of pandas 2), a column without any value, which has no type of its own, as integers.
    """
    described = backend.raw_sql(f"DESCRIBE {_read(files)}").fetchall()
    cast = [f"{_AS_KNOWN[kind].format(quote_name(name))} AS {quote_name(name)}" for name, kind, *_ in described if kind in _AS_KNOWN]
    return _read(files, f"* REPLACE ({', '.join(cast)})" if cast else "*")


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


def require_readable(backend: Backend, file: Path) -> None:
    """Read all of a file.

    Raises:
        SourceError: it cannot be.
    """
    with reading(str(file)):
        backend.raw_sql(f"SELECT sum(hash(whole)) FROM ({_read([file])}) AS whole").fetchall()  # noqa: S608 - all is quoted


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn an engine error of the reads inside into a SourceError of ``source`` (a page inside a file may be damaged)."""
    try:
        yield
    except duckdb.Error as error:
        raise SourceError(
            f"cannot be read as Parquet ({_first_line(error)}); write it again from where it came, or move it away", source=source
        ) from error


def _read(files: Sequence[Path], columns: str = "*") -> str:
    names = ", ".join(quote_text(_verbatim(file)) for file in files)
    return f"SELECT {columns} FROM read_parquet([{names}], union_by_name=true, hive_partitioning=false)"  # noqa: S608 - all is quoted


def _verbatim(file: Path) -> str:
    return glob.escape(str(file))  # DuckDB expands *, ? and [ in every file name that it is given


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
