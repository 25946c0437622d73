"""One model's rows as Ibis tables, on the engine where they lie; each table is a question not answered yet.

Differs from :mod:`vigil.sources.engine` (tables with columns, whatever they mean) and :mod:`vigil.sources.labels` (which
label counts). Nothing here holds a window's rows in memory; callers aggregate, or execute what they know to be small.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import pyarrow.parquet as pq

from vigil.errors import SourceError
from vigil.labels.design import METADATA, PREFIX, Design
from vigil.sources.columns import Kind, require_columns
from vigil.sources.content import LABELS, OUTCOMES, PREDICTIONS, Content, SourceFile, content_of, stamp_of
from vigil.sources.digest import Digest, rows_digest
from vigil.sources.engine import Rows, open_engine
from vigil.sources.labels import LABEL, PROBABILITY, latest, moment_literal, not_after
from vigil.sources.observations import Observations
from vigil.sources.outcomes import PREFIX as KPI
from vigil.sources.outcomes import open_outcomes, with_outcomes
from vigil.spec.model import FeatureType, ModelSpec
from vigil.spec.project import Connection
from vigil.window import Window, as_utc, spans_of

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)  # what stands for no moment lies before it: 0001-01-01 of .NET, 1601 of Windows, -infinity
STRATUM, STRATUM_ROWS = "vigil_stratum", "vigil_stratum_rows"


class ModelSource:
    """The prediction log, labels and reference rows of one model.

    It sees the rows that were there when each kind is first opened (the prediction log: at construction) and keeps to
    them; make a new one to see new rows. Event times without a zone are taken as UTC, and come out as UTC.

    A log without any file is an error only to what reads the log: a first version can be made from the reference rows
    before there is any prediction.

    Args:
        connections: those of vigil.yaml, of which ``source.connection`` names one.

    Raises:
        SourceError: a column in ``columns`` of the specification is missing or of another type, or the rows are unreadable.
            Features are not checked here: a missing feature is a finding about the data (see expectations).
    """

    def __init__(self, folder: Path, spec: ModelSpec, connections: Mapping[str, Connection] | None = None) -> None:
        self.folder, self.spec = Path(folder), spec
        self.engine = open_engine(self.folder, spec, connections or {})
        self._contents: dict[Path, tuple[object, Content]] = {}
        self._named: dict[object, ibis.Table] = {}  # by what was asked for
        self._opened = self._open()

    @property
    def backend(self) -> Any:
        """The Ibis backend that the tables are of."""
        return self.engine.backend

    def columns(self) -> tuple[str, ...]:
        """The names in the prediction log, of all its files."""
        return tuple(self._log.table.columns)

    def predictions(self, window: Window | None = None) -> ibis.Table:
        """The log's rows with ``start <= event time < end``, under their own names; all rows without a window.

        Event time comes out as timestamp in UTC, the version as text, ids in one type for all windows. A row without an event
        time is in no window.
        """
        return self._rows(None if window is None else (window,))

    def predictions_in(self, windows: Sequence[Window]) -> ibis.Table:
        """The log's rows of several windows, as :meth:`predictions` gives those of one; no window, no row."""
        return self._rows(windows)

    def known_by(self, now: datetime) -> ibis.Table:
        """The log's rows that can have happened by ``now``: since :data:`EARLIEST`, not later than ``now`` by more than
        ``source.clock_skew_minutes``.
        """
        rows = self.predictions()
        moment = rows[self.spec.columns.time]
        return rows.filter(moment >= moment_literal(moment, EARLIEST), not_after(moment, self._believed_until(now)))

    def future_rows(self, now: datetime) -> int:
        """Count the rows that cannot have happened by ``now`` (see :meth:`known_by`): quarantined, in no window that is looked at."""
        moment = self._log.table[self.spec.columns.time]
        early, late = (moment_literal(moment, end) for end in (EARLIEST, self._believed_until(now)))
        impossible = self._log.table.filter((moment < early) | (moment > late))
        with self.reading_log():
            return int(impossible.count().to_pyarrow().as_py())

    def rows_in(self, windows: Sequence[Window]) -> dict[Window, int]:
        """Count the rows of each of ``windows``, by one aggregate over their event times."""
        if not windows:
            return {}
        rows = self._rows(windows)
        moment = rows[self.spec.columns.time]
        inside = [(moment >= moment_literal(moment, w.start)) & (moment < moment_literal(moment, w.end)) for w in windows]
        with self.reading_log():
            found = rows.aggregate(**{f"w{i}": held.sum() for i, held in enumerate(inside)}).to_pyarrow().to_pylist()[0]
        return {window: int(found[f"w{i}"] or 0) for i, window in enumerate(windows)}

    @contextmanager
    def reading_log(self) -> Iterator[None]:
        """Turn the engine's errors inside the block into SourceErrors that name the file of the log, where one cannot be read."""
        try:
            with self.engine.reading(str(self.spec.source.predictions)):
                yield
        except SourceError:
            self._log.require_readable()
            raise

    def reference_rows(self) -> ibis.Table:
        """The labelled rows that the first version was trained on, under their own names.

        Raises:
            SourceError: none specified, no file, or a feature or the label is missing or of another type.
        """
        place, columns = self.spec.source.reference, self.spec.columns
        if place is None:
            raise SourceError(
                "no reference rows are specified; set `source.reference` to the Parquet file or table of the training rows",
                source=f"model {self.spec.model}",
            )
        found = self.engine.find(place)
        if found is None:
            raise SourceError(
                f"no file of the reference rows is there (looked in {self.folder}); write the training rows as Parquet, "
                "or correct `source.reference`",
                source=str(place),
            )
        wanted = {
            f"features.{name}": (name, Kind.NUMBER_OR_BOOLEAN if feature.type is FeatureType.NUMERIC else Kind.ANY)
            for name, feature in self.spec.features.items()
        }
        require_columns(found.table, wanted | {"columns.label": (columns.label, Kind.NUMBER_OR_BOOLEAN)}, str(place))
        return found.table

    def labels(self, as_of: datetime) -> ibis.Table:
        """One row per prediction id: the latest label observed at or before ``as_of`` (see :mod:`vigil.sources.labels`).

        Columns: the id and the observation time under their own names, ``label`` and ``inclusion_probability`` (float64).
        No label file yet is no label: labels come late or never. A folder that does not exist is a mistake.

        Raises:
            SourceError: a column is missing or of another type, an inclusion probability known by then is outside (0, 1],
                or a label is one that the task cannot have.
        """
        return latest(self._observations.known_by(as_of), self.spec.columns)

    def observations(self, as_of: datetime) -> ibis.Table:
        """All observations of labels made at or before ``as_of`` (see :func:`vigil.sources.labels.observed_by`); errors as of labels."""
        return self._observations.known_by(as_of)

    def labelled(self, windows: Sequence[Window], as_of: datetime) -> ibis.Table:
        """The predictions of ``windows`` that have a label at ``as_of``, ordered by event time and id.

        All columns of :meth:`predictions`, then ``label`` and ``inclusion_probability``; where the log has columns of these
        names itself, the label's take their place. Where labels of a window were planned and had come back by then, a column
        ``vigil_stratum`` too, and the inclusion probability is that of the row's stratum (see :mod:`vigil.labels.design`).
        """
        asked = tuple(windows), as_of
        if asked not in self._named:
            rows = self._labelled(windows, as_of)
            with self.engine.reading(str(self.spec.source.labels)):
                self._named[asked] = self.engine.named(rows)
        return self._named[asked]

    def designs(self, as_of: datetime) -> tuple[Design, ...]:
        """The designs of the planned labels that had come back by ``as_of``, one a window, by window."""
        found: dict[Window, Design] = {}
        for design in self._designs:
            if _came_by(design, as_of):
                found.setdefault(design.window, design)
        return tuple(found[window] for window in sorted(found))

    def asked_and_answered(self, window: Window, as_of: datetime) -> tuple[int, int] | None:
        """How many labels the plans of ``window`` that had come back by ``as_of`` asked for, and how many came, each as last imported.

        None where no plan had come back.
        """
        back = [each for each in self._designs if each.window == window and _came_by(each, as_of)]
        last = {each.plan_id: each for each in back}  # they come by the moment of the answer
        answers = [(sum(plan.asked), sum(plan.answered)) for plan in last.values()]
        return (sum(asked for asked, _ in answers), sum(came for _, came in answers)) if answers else None

    def answered_plans(self) -> frozenset[str]:
        """The ids of the plans whose labels have come back."""
        return frozenset(design.plan_id for design in self._designs)

    @cached_property
    def _designs(self) -> tuple[Design, ...]:
        planned = [file for file in self._observations.files() if file.name.startswith(PREFIX)]
        carried = [(pq.read_schema(file).metadata or {}).get(METADATA) for file in sorted(planned)]
        return tuple(sorted((Design.from_json(body) for body in carried if body is not None), key=lambda design: str(design.answered_at)))

    def _stratified(self, rows: ibis.Table, designs: Sequence[Design]) -> ibis.Table:
        columns, moment = self.spec.columns, rows[self.spec.columns.time]
        strata, offset = [], 0
        for design in designs:
            inside = (moment >= moment_literal(moment, design.window.start)) & (moment < moment_literal(moment, design.window.end))
            strata.append((inside, design.stratum(rows, columns.score) + offset))
            offset += max(design.merged) + 1
        rows = rows.mutate(**{STRATUM: ibis.cases(*strata, else_=ibis.null("int64"))})
        return rows.mutate(**{STRATUM_ROWS: rows[columns.id].count().over(group_by=rows[STRATUM])})

    def data_digest(self, window: Window) -> Digest:
        """Digest of the window's rows, all columns, by content (see :func:`vigil.sources.digest.rows_digest`)."""
        with self.reading_log():
            return rows_digest(self.backend, self.predictions(window))

    def labels_digest(self, window: Window, as_of: datetime) -> Digest:
        """Digest of id, label and inclusion probability of the window's labelled predictions at ``as_of``, and of the KPIs of all of them.

        When a label was observed is not in it: the same label observed again changes nothing.
        """
        with self.engine.reading(str(self.spec.source.labels)):
            rows = self.labelled((window,), as_of).select(self.spec.columns.id, LABEL, PROBABILITY)
            labels = rows_digest(self.backend, rows)
        if self.spec.source.outcomes is None:
            return labels
        kpis = [KPI + name for name in self.spec.business.kpis]
        with self.engine.reading(str(self.spec.source.outcomes)):
            outcomes = rows_digest(self.backend, self.outcomes(window, as_of).select(self.spec.columns.id, *kpis))
        return Digest(hashlib.sha256(f"{labels.sha256}/{outcomes.sha256}".encode()).hexdigest(), labels.rows)

    def outcomes(self, window: Window, as_of: datetime) -> ibis.Table:
        """The window's predictions with what was known of their outcomes at ``as_of`` (see :mod:`vigil.sources.outcomes`)."""
        return with_outcomes(self._outcomes, self.spec, self.predictions(window), as_of)

    def files(self, window: Window) -> list[SourceFile]:
        """The files that a look at ``window`` reads, predictions first; none of a database."""
        log = self._log.files_in(self.spec.columns.time, (window,))
        outcomes = {} if self.spec.source.outcomes is None or self._outcomes is None else self._outcomes.files_in(None, ())
        return [
            *(SourceFile(PREDICTIONS, file, span) for file, span in log.items()),
            *(SourceFile(LABELS, file, span) for file, span in self._observations.files().items()),
            *(SourceFile(OUTCOMES, file, span) for file, span in outcomes.items()),
        ]

    def content_of(self, file: Path) -> Content:
        """The digest of a file's bytes, read once for as long as its size and times stay (see :mod:`vigil.sources.content`)."""
        key = stamp_of(file)
        known = self._contents.get(file)
        if known is None or known[0] != key:
            known = self._contents[file] = (key, content_of(file))
        return known[1]

    def part_without_numbers(self, feature: str) -> str | None:
        """Name the part (file, table) of the log in which a numeric feature is no number; None where it is one in all of them."""
        try:
            self._log.require({f"features.{feature}": (feature, Kind.NUMBER_OR_BOOLEAN)}, everywhere=False)
        except SourceError as error:
            return error.source
        return None

    def duckdb_sql(self, window: Window, cursor: Any, columns: Collection[str] | None = None) -> str:
        """A SELECT of the window's rows for another DuckDB connection, of which ``cursor`` is one (see Engine.offer).

        The connection has to be at ``SET TimeZone = 'UTC'``.
        """
        return self.engine.offer(self.predictions(window), cursor, columns)

    def _believed_until(self, now: datetime) -> datetime:
        return as_utc(now) + timedelta(minutes=self.spec.source.clock_skew_minutes)

    def _labelled(self, windows: Sequence[Window], as_of: datetime) -> ibis.Table:
        columns = self.spec.columns
        rows = self._rows(windows)
        rows = rows.drop(*(name for name in (LABEL, PROBABILITY) if name in rows.columns))
        designs = [design for design in self.designs(as_of) if design.window in windows]
        if designs:
            rows = self._stratified(rows, designs)
        wanted = self._observations.known_by(as_of)
        wanted = wanted.semi_join(rows, [(wanted[columns.id], rows[columns.id])])
        known = latest(wanted, columns).select(columns.id, LABEL, PROBABILITY)
        joined = rows.inner_join(known, columns.id)
        if designs:
            share = joined[columns.id].count().over(group_by=joined[STRATUM]) / joined[STRATUM_ROWS]
            chance = ibis.ifelse(joined[STRATUM].isnull(), joined[PROBABILITY], share)
            joined = joined.mutate(**{PROBABILITY: chance}).drop(STRATUM_ROWS)
        return joined.order_by([columns.time, columns.id])

    def _rows(self, windows: Sequence[Window] | None) -> ibis.Table:
        if windows is None:
            return self._typed(self._log.table)
        asked = tuple(windows)
        if asked not in self._named:
            rows = self._typed(self._inside(asked))
            with self.reading_log():
                self._named[asked] = self.engine.named(rows)
        return self._named[asked]

    def _inside(self, windows: Sequence[Window]) -> ibis.Table:
        rows = self._log.part_in(self.spec.columns.time, windows)
        moment = rows[self.spec.columns.time]
        inside: Any = ibis.literal(False)
        for window in spans_of(windows):
            inside |= (moment >= moment_literal(moment, window.start)) & (moment < moment_literal(moment, window.end))
        return rows.filter(inside)

    def _typed(self, rows: ibis.Table) -> ibis.Table:
        columns = self.spec.columns
        typed = {columns.time: rows[columns.time].cast("timestamp('UTC')"), columns.version: rows[columns.version].cast("string")}
        every = self._log.table.schema()[columns.id]
        if rows.schema()[columns.id] != every:  # one file of numbers among files of text: labels have ids as the whole log has them
            typed[columns.id] = rows[columns.id].cast(every)
        return rows.mutate(**typed)

    @property
    def _log(self) -> Rows:
        if self._opened is None:
            raise SourceError(
                f"no file of the prediction log is there (looked in {self.folder}); write predictions as Parquet, "
                "or correct `source.predictions` of the model's specification",
                source=str(self.spec.source.predictions),
            )
        return self._opened

    @cached_property
    def _outcomes(self) -> Rows | None:
        return open_outcomes(self.engine, self.spec, self._log.table)

    @cached_property
    def _observations(self) -> Observations:
        return Observations(self.engine, self.spec, self._log.table)

    def _open(self) -> Rows | None:
        columns, source = self.spec.columns, str(self.spec.source.predictions)
        found = self.engine.find(self.spec.source.predictions)
        if found is None:
            return None
        log = found.table
        wanted = {
            "columns.id": (columns.id, Kind.TEXT_OR_INTEGER),
            "columns.time": (columns.time, Kind.TIME),
            "columns.version": (columns.version, Kind.TEXT_OR_INTEGER),
            "columns.score": (columns.score, Kind.NUMBER),
        }
        found.require(wanted, everywhere=True)
        for role, name, kind in (
            ("columns.latency_ms", columns.latency_ms, Kind.NUMBER),
            ("columns.error", columns.error, Kind.ANY),
        ):
            if name is not None:  # logged since some day, perhaps: earlier files may lack it
                require_columns(log, {f"{role} (null where it is not logged)": (name, Kind.ANY)}, source)
                found.require({role: (name, kind)}, everywhere=False)
        for name in (LABEL, PROBABILITY):
            if name in {columns.id, columns.time, columns.version, columns.score, *self.spec.features}:
                raise SourceError(
                    "vigil gives this name to what labels bring; rename the column in the log and in the specification",
                    source=source,
                    column=name,
                )
        return found


def _came_by(design: Design, as_of: datetime) -> bool:
    return design.answered_at is not None and design.answered_at <= as_utc(as_of)
