"""Rows that Spark reads: tables of its catalog, and Parquet that the driver and all its workers see under one path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis

from vigil.errors import SourceError
from vigil.sources.columns import Wanted
from vigil.sources.files import list_files, require_in_files
from vigil.sources.footers import Span
from vigil.sources.parquet import ParquetEngine
from vigil.sources.postgresql import DatabaseRows
from vigil.spec.model import Place, Table
from vigil.window import Window

RUNNING = "session"  # the master's name for: the session that runs already


class SparkEngine:
    """The process's Spark session, started on ``master`` where none runs. It stays when the engine goes."""

    def __init__(self, name: str, master: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        try:
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise SourceError("needs pyspark: pip install 'vigil[spark]' (and Java 17)", source=f"connection {name}") from error
        self._errors = (PySparkException,)
        running = SparkSession.getActiveSession()
        if running is None and master == RUNNING:
            raise SourceError("no Spark session runs in this process; name a master instead", source=f"connection {name}")
        if running is not None and master not in (RUNNING, running.conf.get("spark.master")):
            raise SourceError(
                f"asks for {master}, but this process has a session on {running.conf.get('spark.master')}; stop it, or use `session`",
                source=f"connection {name}",
            )
        with self.reading(f"connection {name}"):
            started = SparkSession.builder.master(master).appName("vigil").config("spark.ui.enabled", "false")
            self._session = running or started.config("spark.sql.shuffle.partitions", "8").getOrCreate()
            self.backend: Any = ibis.pyspark.connect(self._session)  # sets the session's time zone to UTC

    def find(self, place: Place) -> DatabaseRows | SparkParquet | None:
        if isinstance(place, Table):
            return DatabaseRows(self, place, parts_at_most=3)
        files = list_files(self.folder, place)
        return SparkParquet(self, self._session, self.folder, files, place) if files else None

    def require_place(self, place: Place) -> None:
        ParquetEngine(self.folder).require_place(place)

    @contextmanager
    def reading(self, source: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SourceError(f"Spark cannot read it ({told}); check connections.{self.name} of vigil.yaml", source=source) from error

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        wanted = rows if columns is None else rows.select(*(name for name in rows.columns if name in columns))
        cursor.register("vigil_offered", self._session.sql(self.backend.compile(wanted)).toArrow())
        return "SELECT * FROM vigil_offered"


class SparkParquet:
    """Files that are one table, columns united by name. Spark unites no types: a column is stored in one type in all files."""

    def __init__(self, engine: SparkEngine, session: Any, folder: Path, files: Sequence[Path], pattern: str) -> None:
        self._local = ParquetEngine(folder)  # reads footers only, to name the file that is at fault
        self._files, self._pattern = files, pattern
        view = ibis.util.gen_name("vigil_parquet")
        with engine.reading(pattern):
            paths = ["file://" + str(file.resolve()) for file in files]
            session.read.option("mergeSchema", "true").parquet(*paths).createOrReplaceTempView(view)
            self.table: ibis.Table = engine.backend.table(view)

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        require_in_files(self._local.backend, self._files, wanted, everywhere=everywhere)

    def part_in(self, column: str, windows: Sequence[Window]) -> ibis.Table:
        return self.table

    def files_in(self, column: str | None, windows: Sequence[Window]) -> Mapping[Path, Span]:
        return {}

    def require_readable(self) -> None:
        """An error of the engine names the table or file itself."""

    def part_with(self, column: str, value: Any) -> str:
        found = self._local.find(self._pattern)
        return self._pattern if found is None else found.part_with(column, value)
