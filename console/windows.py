"""Which windows a person means who names none, or a span: those that are due and that the prediction log reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from vigil.errors import NotEnoughData
from vigil.evaluation.due import span
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.window import Window, as_utc

BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


def latest_due(folder: Path, spec: ModelSpec, now: datetime) -> Window:
    """Return the latest window that has rows and whose labels are due as of ``now``.

    Raises:
        NotEnoughData: no window with rows is due yet.
        SourceError: the prediction log cannot be read.
    """
    source = ModelSource(folder, spec)
    ended = _last_due(spec, now).end
    rows = source.predictions(Window(BEFORE_ALL, ended))
    last = rows[spec.columns.time].max().to_pyarrow().as_py()
    if last is None:
        raise NotEnoughData(
            f"no window of {spec.model} with rows is due as of {now.isoformat(timespec='minutes')}: a window is due "
            f"{spec.labels.delay_days:g} days after its end. `vigil run {spec.model} --window DATE --as-of MOMENT` looks at another one"
        )
    return spec.window.containing(as_utc(last))


def due_between(folder: Path, spec: ModelSpec, start: datetime | None, end: datetime | None, now: datetime) -> tuple[Window, ...]:
    """Return the windows from the one that holds ``start`` up to those that start before ``end``, as far as they are due.

    Without ``start`` from the log's first row; without ``end`` to the log's last row.
    """
    times = span(ModelSource(folder, spec), spec)
    if times is None:
        return ()
    first, last = start or times[0], _last_due(spec, now)
    stop = end or spec.window.containing(times[1]).end
    return tuple(window for window in spec.window.between(first, stop) if window <= last)


def _last_due(spec: ModelSpec, now: datetime) -> Window:
    window = spec.window.containing(now)
    while spec.as_of(window) > now:
        window = window.shifted(-1)
    return window
