"""What vigil needs of a place that rows lie in: the contract of :class:`Engine`, and which engine a specification asks for.

Everything else about rows (windows, labels, profiles) is written once, in Ibis, for all engines. The same data gives the
same profile on each; digests are equal in meaning, not in text: each engine hashes with a function of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import ibis

from vigil.errors import SourceError
from vigil.sources.columns import Wanted
from vigil.sources.footers import Span
from vigil.spec.model import ModelSpec, Place
from vigil.spec.project import Connection
from vigil.window import Window

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Rows(Protocol):
    """The prediction log, the labels or the reference rows, opened."""

    @property
    def table(self) -> ibis.Table: ...

    def require(self, wanted: Wanted, *, everywhere: bool) -> None:
        """Check the columns ``wanted``, each of its kind; with ``everywhere`` no part (file) may lack one.

        Raises:
            SourceError: one is missing or holds another type; the narrowest part that can be named is named.
        """

    def part_in(self, column: str, windows: Sequence[Window]) -> ibis.Table:
        """The rows, all columns, as little more than those whose ``column`` is a moment of ``windows`` as costs nothing to find."""

    def files_in(self, column: str | None, windows: Sequence[Window]) -> Mapping[Path, Span]:
        """The files that :meth:`part_in` reads, with what they hold of ``column``; all where it is None. Empty for tables."""

    def require_readable(self) -> None:
        """Read every part to its end, to name the one that an error is about.

        Raises:
            SourceError: a part (file) cannot be read; it is named.
        """

    def part_with(self, held: Callable[[ibis.Table], ibis.Value]) -> str:
        """Name the part (file, table) that has a row for which ``held`` is true, for an error about it."""


class Engine(Protocol):
    """Reads rows where they lie, through ``backend``, whose time zone is UTC. It never writes there."""

    @property
    def backend(self) -> Any: ...

    def find(self, place: Place) -> Rows | None:
        """Open ``place``; None where nothing was written yet.

        Raises:
            SourceError: it is unreadable, or of a kind that this engine does not read.
        """

    def require_place(self, place: Place) -> None:
        """Check that rows could come to a ``place`` that has none yet (for Parquet: the folder is there)."""

    def reading(self, source: str) -> AbstractContextManager[None]:
        """Turn the engine's errors inside the block into SourceErrors of ``source``."""

    def named(self, rows: ibis.Table) -> ibis.Table:
        """Return ``rows`` under a name, so that Ibis compiles what they are once and not with every question of them.

        Compiling took half of the processor time of a look at a small window. As they are where nothing may be written.
        """

    def offer(self, rows: ibis.Table, cursor: Any, columns: Collection[str] | None) -> str:
        """Let another DuckDB connection read ``rows``: return a SELECT that ``cursor`` can run.

        ``columns``: those needed, None for all; an engine that has to send rows sends no others.
        """


def open_engine(folder: Path, spec: ModelSpec, connections: Mapping[str, Connection]) -> Engine:
    """Return the engine that ``source.connection`` names: DuckDB over Parquet where it names none.

    Raises:
        SourceError: the connection is not in vigil.yaml, its driver is not installed, or it cannot be reached.
    """
    name = spec.source.connection
    if name is None:
        from vigil.sources.parquet import ParquetEngine

        return ParquetEngine(folder)
    if name not in connections:
        known = ", ".join(sorted(connections)) or "none yet"
        raise SourceError(
            f"`source.connection` names {name!r}, which is not in connections: of vigil.yaml (there: {known}); add it there",
            source=f"model {spec.model}",
        )
    connection = connections[name]
    if connection.postgresql is not None:
        from vigil.sources.postgresql import PostgresqlEngine

        return PostgresqlEngine(name, expanded(connection.postgresql, name, os.environ))
    from vigil.sources.spark import SparkEngine

    return SparkEngine(name, expanded(str(connection.spark), name, os.environ), folder)


def expanded(text: str, connection: str, environ: Mapping[str, str]) -> str:
    """Return ``text`` with every ``${NAME}`` replaced by the environment's variable.

    >>> expanded("postgresql://reader:${PG_PASSWORD}@db/scores", "warehouse", {"PG_PASSWORD": "s3cret"})
    'postgresql://reader:s3cret@db/scores'

    Raises:
        SourceError: a variable is not set.
    """
    for name in _REFERENCE.findall(text):
        if name not in environ:
            raise SourceError(f"the environment variable {name} is not set; set it where vigil runs", source=f"connection {connection}")
    return _REFERENCE.sub(lambda found: environ[found[1]], text)
