"""Parquet files on this machine, read by DuckDB: the engine of a specification that names no connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import ibis
from ibis.backends.duckdb import Backend

from vigil.errors import SourceError
from vigil.sources.columns import Wanted, quote_name
from vigil.sources.files import list_files, open_parquet, parquet_select, reading, require_in_files, require_readable
from vigil.sources.footers import UNTOLD, Span, span_of
from vigil.spec.model import Place
from vigil.window import Window


class ParquetEngine:
    """An in-memory DuckDB connection. Files are listed when their place is opened; the engine keeps to those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend: Backend = ibis.duckdb.connect()
        self.backend.raw_sql("SET TimeZone = 'UTC'")
        self._views: dict[str, str | tuple[Path, ...]] = {}  # name -> what it selects, possibly of views before it, or the files it reads

    def find(self, place: Place) -> ParquetRows | None:
        files = list_files(self.folder, str(place))
        if not files:
            return None
        return ParquetRows(self, files, str(place))

    def open(self, files: Sequence[Path], source: str) -> ibis.Table:
        """Open ``files`` as one table that :meth:`sql` can name to another connection."""
        table = open_parquet(self.backend, files, source)
        self._views[table.get_name()] = tuple(files)
        return table

    def named(self, rows: ibis.Table) -> ibis.Table:
        name, select = ibis.util.gen_name("vigil_rows"), self.backend.compile(rows)
        self.backend.raw_sql(f"CREATE TEMP VIEW {quote_name(name)} AS {select}")
        self._views[name] = select
        return self.backend.table(name)

    def require_place(self, place: Place) -> None:
        wanted = _fixed_folder(self.folder, str(place))
        if not wanted.is_dir():
            raise SourceError(
                f"the folder of the labels is not there (looked for {wanted}); "
                "correct `source.labels`, or make the folder if no label has arrived yet",
                source=str(place),
            )
        try:
            os.scandir(wanted).close()
        except OSError as error:  # a glob passes over what it may not look into
            raise SourceError(
                f"the folder {wanted} cannot be listed ({error.strerror}); let the user that vigil runs as read it", source=str(place)
            ) from error

    def reading(self, source: str) -> AbstractContextManager[None]:
        return reading(source)

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        return self.sql(rows)

    def sql(self, rows: ibis.Table) -> str:
        """A DuckDB SELECT of ``rows`` that any connection at ``TimeZone = 'UTC'`` can run; it names the files by absolute path."""
        wanted, views = self.backend.compile(rows), []
        told = wanted
        for name, held in reversed(self._views.items()):
            if name in told:
                select = held if isinstance(held, str) else parquet_select(self.backend, held)
                views.append(f"{quote_name(name)} AS ({select})")
                told += select
        return f"WITH {', '.join(reversed(views))} SELECT * FROM ({wanted})"  # noqa: S608 - all is quoted


class ParquetRows:
    """Files that are one table: columns united by name, null where a file lacks one."""

    def __init__(self, engine: ParquetEngine, files: Sequence[Path], pattern: str) -> None:
        self._engine, self._backend, self.files, self._pattern = engine, engine.backend, tuple(files), pattern
        self.table = engine.open(files, pattern)
        self._parts: dict[tuple[Path, ...], ibis.Table] = {self.files: self.table}
        self._spans: dict[str, dict[Path, Span]] = {}

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        require_in_files(self._backend, self.files, wanted, everywhere=everywhere)

    def part_in(self, column: str, windows: Sequence[Window]) -> ibis.Table:
        """Only the files that may hold such a moment: one that stores a column as text turns no other window's numbers into text."""
        files = tuple(self.files_in(column, windows)) or self.files  # of no file there would be no column
        if files not in self._parts:
            self._parts[files] = self._engine.open(files, self._pattern)
        part, every = self._parts[files], self.table.schema()
        spelled = {name.lower(): name for name in part.columns}  # DuckDB unites names whatever their case, under the first file's
        named = {spelled.get(name.lower(), name): kind for name, kind in every.items()}
        return part.select(**{name: part[name] if name in part.columns else ibis.null(kind) for name, kind in named.items()})

    def files_in(self, column: str | None, windows: Sequence[Window]) -> dict[Path, Span]:
        if column is None:
            return dict.fromkeys(self.files, UNTOLD)
        if column not in self._spans:
            self._spans[column] = {file: span_of(file, column) for file in self.files}
        return {file: span for file, span in self._spans[column].items() if any(span.meets(window) for window in windows)}

    def require_readable(self) -> None:
        for file in self.files:
            require_readable(self._backend, file)

    def part_with(self, held: Callable[[ibis.Table], ibis.Value]) -> str:
        for file in self.files:
            table = open_parquet(self._backend, (file,), str(file))
            if table.filter(held(table)).count().to_pyarrow().as_py():
                return str(file)
        return self._pattern


def _fixed_folder(folder: Path, pattern: str) -> Path:
    """Return the deepest folder that ``pattern`` names before its first wildcard."""
    parts = Path(pattern).parts[:-1]
    wild = next((place for place, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return folder.joinpath(*parts[:wild])
