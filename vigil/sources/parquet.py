"""Parquet files on this machine, read by DuckDB: the engine of a specification that names no connection."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import ibis
from ibis.backends.duckdb import Backend

from vigil.errors import SourceError
from vigil.sources.columns import Wanted, quote_name
from vigil.sources.files import list_files, open_parquet, parquet_relation, reading, require_in_files
from vigil.spec.model import Place


class ParquetEngine:
    """An in-memory DuckDB connection. Files are listed when their place is opened; the engine keeps to those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend: Backend = ibis.duckdb.connect()
        self.backend.raw_sql("SET TimeZone = 'UTC'")
        self._opened: dict[str, ParquetRows] = {}  # view -> what it reads

    def find(self, place: Place) -> ParquetRows | None:
        files = list_files(self.folder, str(place))
        if not files:
            return None
        rows = ParquetRows(self.backend, files, str(place))
        self._opened[rows.table.get_name()] = rows
        return rows

    def require_place(self, place: Place) -> None:
        wanted = _fixed_folder(self.folder, str(place))
        if not wanted.is_dir():
            raise SourceError(
                f"the folder of the labels is not there (looked for {wanted}); "
                "correct `source.labels`, or make the folder if no label has arrived yet",
                source=str(place),
            )

    def reading(self, source: str) -> AbstractContextManager[None]:
        return reading(source)

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        return self.sql(rows)

    def sql(self, rows: ibis.Table) -> str:
        """A DuckDB SELECT of ``rows`` that any connection at ``TimeZone = 'UTC'`` can run; it names the files by absolute path."""
        compiled = self.backend.compile(rows)
        views = [f"{quote_name(view)} AS (SELECT * FROM {parquet_relation(opened.files)})" for view, opened in self._opened.items()]  # noqa: S608
        return f"WITH {', '.join(views)} SELECT * FROM ({compiled})"  # noqa: S608 - all is quoted


class ParquetRows:
    """Files that are one table: columns united by name, null where a file lacks one."""

    def __init__(self, backend: Backend, files: Sequence[Path], pattern: str) -> None:
        self._backend, self.files, self._pattern = backend, tuple(files), pattern
        self.table = open_parquet(backend, files, pattern)

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        require_in_files(self._backend, self.files, wanted, everywhere=everywhere)

    def part_with(self, column: str, value: Any) -> str:
        for file in self.files:
            table = open_parquet(self._backend, (file,), str(file))
            if table.filter(table[column] == value).count().to_pyarrow().as_py():
                return str(file)
        return self._pattern


def _fixed_folder(folder: Path, pattern: str) -> Path:
    """Return the deepest folder that ``pattern`` names before its first wildcard."""
    parts = Path(pattern).parts[:-1]
    wild = next((place for place, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return folder.joinpath(*parts[:wild])
