"""Rows that Spark reads: tables of its catalog, and Parquet that the driver and all its workers see under one path."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis

from vigil.errors import SourceError
from vigil.sources.columns import Wanted
from vigil.sources.files import list_files
from vigil.sources.footers import Span
from vigil.sources.parquet import ParquetEngine, ParquetRows
from vigil.sources.postgresql import DatabaseRows
from vigil.spec.model import Place, Table
from vigil.window import Window

RUNNING = "session"  # the master's name for: the session that runs already
STANDALONE = "spark://"
CONNECT_SECONDS = 10  # as for PostgreSQL
CONFIGURATION = {  # of a session that vigil starts itself; spark-defaults.conf and spark-submit say the rest
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "8",  # what is shuffled are counts: a few hundred rows per partition of the log
}
_GLOB_SIGNS = re.compile(r"[\\{}\[\]*?]")  # Spark expands them in every path that it is given


class SparkEngine:
    """The process's Spark session, started on ``master`` where none runs. It stays when the engine goes."""

    def __init__(self, name: str, master: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        try:
            from py4j.protocol import Py4JError
            from pyspark import SparkContext
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise SourceError("needs pyspark: pip install 'vigil[spark]' (and Java 17)", source=f"connection {name}") from error
        self._errors = (PySparkException, Py4JError)
        running = SparkContext._active_spark_context  # getActiveSession knows only those of this thread
        if running is None and master == RUNNING:
            raise SourceError("no Spark session runs in this process; name a master instead", source=f"connection {name}")
        if running is not None and master not in (RUNNING, running.master):
            raise SourceError(
                f"asks for {master}, but this process has a session on {running.master}; stop it, or use `session`",
                source=f"connection {name}",
            )
        if running is None:
            _require_listening(master, f"connection {name}")
        with self.reading(f"connection {name}"):
            builder = SparkSession.builder if running else _configured(SparkSession.builder.master(master))
            self._session = builder.getOrCreate()
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
            raise SourceError(f"Spark cannot read it ({_told(error)}); {_next_step(error, self.name)}", source=source) from error

    def named(self, rows: ibis.Table) -> ibis.Table:
        return rows

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        wanted = rows if columns is None else rows.select(*(name for name in rows.columns if name in columns))
        cursor.register("vigil_offered", self._session.sql(self.backend.compile(wanted)).toArrow())
        return "SELECT * FROM vigil_offered"


class SparkParquet:
    """Files that are one table, columns united by name. Spark unites no types: a column is stored in one type in all files."""

    def __init__(self, engine: SparkEngine, session: Any, folder: Path, files: Sequence[Path], pattern: str) -> None:
        self._engine, self._session, self._files, self._pattern = engine, session, tuple(files), pattern
        self._local = ParquetRows(ParquetEngine(folder), files, pattern)  # reads footers only: which files to read, and which is at fault
        hidden = [str(file) for file in files if file.name.startswith(("_", "."))]
        if hidden:
            raise SourceError("Spark passes over files whose names begin with _ or a dot; rename it", source=hidden[0])
        self.table: ibis.Table = self._opened(self._files)
        self._parts: dict[tuple[Path, ...], ibis.Table] = {self._files: self.table}

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        self._local.require(wanted, everywhere=everywhere)

    def part_in(self, column: str, windows: Sequence[Window]) -> ibis.Table:
        files = tuple(self.files_in(column, windows)) or self._files  # of no file there would be no column
        if files not in self._parts:
            self._parts[files] = self._opened(files)
        part, every = self._parts[files], self.table.schema()
        return part.select(**{name: part[name] if name in part.columns else ibis.null(kind) for name, kind in every.items()})

    def files_in(self, column: str | None, windows: Sequence[Window]) -> Mapping[Path, Span]:
        return self._local.files_in(column, windows)

    def require_readable(self) -> None:
        self._local.require_readable()

    def part_with(self, held: Callable[[ibis.Table], ibis.Value]) -> str:
        return self._local.part_with(held)

    def _opened(self, files: Sequence[Path]) -> ibis.Table:
        view = ibis.util.gen_name("vigil_parquet")
        with self._engine.reading(self._pattern):
            paths = ["file://" + _GLOB_SIGNS.sub(r"\\\g<0>", str(file.resolve())) for file in files]
            self._session.read.option("mergeSchema", "true").parquet(*paths).createOrReplaceTempView(view)
            table: ibis.Table = self._engine.backend.table(view)
        return table


def _configured(builder: Any) -> Any:
    return builder.appName("vigil").config(map=CONFIGURATION)


def _require_listening(master: str, source: str) -> None:
    """Spark itself gives up on a master only after a minute, and leaves a context that cannot be used."""
    if not master.startswith(STANDALONE):
        return
    told = "expected spark://host:port"
    for place in master.removeprefix(STANDALONE).split(","):
        host, _, port = place.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
                return
        except ValueError:
            continue
        except OSError as error:
            told = str(error)
    raise SourceError(f"no Spark master answers at {master} ({told}); start it, or correct the connection in vigil.yaml", source=source)


def _told(error: Exception) -> str:
    """The first line that is about the cause: a Java error begins with where it was thrown."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    java = getattr(error, "java_exception", None)
    if java is not None:
        lines = str(java.getMessage() or java.toString()).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _next_step(error: Exception, name: str) -> str:
    if "JAVA_GATEWAY_EXITED" in str(error):
        return "install Java 17, and set JAVA_HOME if it is not on the PATH"
    return f"check connections.{name} of vigil.yaml"
