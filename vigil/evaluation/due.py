"""Which windows are due to be looked at: those that ended, whose labels should be here, and that were not looked at yet.

Rows from the future (beyond the present and the tolerated skew of clocks) are quarantined: they are in no window that is due, and
the log does not reach to them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vigil.errors import NotEnoughData
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.window import Window


def span(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first and last event time of the prediction log, None where it has no row; rows from the future do not count."""
    rows = source.known_by(now)
    times = rows[spec.columns.time]
    with source.reading_log():
        found = rows.agg(first=times.min(), last=times.max()).to_pyarrow().to_pylist()[0]
    if found["first"] is None:
        return None
    return _utc(found["first"]), _utc(found["last"])


def due_windows(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return the windows that are due as of ``now``, oldest first: from the log's first row to one window after its last.

    Windows without rows are among them, for silence is a finding; but of a log that has fallen silent only the first
    silent window is due, for the following ones would say the same.
    """
    times = span(source, spec, now)
    if times is None:
        return ()
    first_silent = spec.window.containing(times[1]).shifted(1)
    return tuple(window for window in spec.window.between(times[0], first_silent.end) if spec.as_of(window) <= now)


def latest_due(source: ModelSource, spec: ModelSpec, now: datetime) -> Window:
    """Return the latest due window that has rows.

    Raises:
        NotEnoughData: there is none yet.
        SourceError: the prediction log cannot be read.
    """
    for window in reversed(due_windows(source, spec, now)):
        if source.rows_in((window,))[window]:
            return window
    raise NotEnoughData(
        f"no window of {spec.model} with rows is due as of {now.isoformat(timespec='minutes')}: a window is due "
        f"{spec.labels.delay_days:g} days after its end. `vigil run {spec.model} --window DATE --as-of MOMENT` looks at another one"
    )


def due_between(source: ModelSource, spec: ModelSpec, start: datetime | None, end: datetime | None, now: datetime) -> tuple[Window, ...]:
    """Return the windows from the one that holds ``start`` to those that start before ``end``, as far as they are due.

    Without ``start`` from the log's first row; without ``end`` to the log's last row.
    """
    times = span(source, spec, now)
    if times is None:
        return ()
    windows = spec.window.between(start or times[0], end or times[1] + timedelta(microseconds=1))
    return tuple(window for window in windows if spec.as_of(window) <= now)


def windows_to_look_at(source: ModelSource, store: Store, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return the due windows that were never looked at, those of ``source.look_back_windows`` that have other rows since, and the
    newest few again, whose labels or values may have changed.

    Rows that came late are noticed by their number: one aggregate over the event times. Looking again at what has not changed writes
    nothing (its evaluation is the same), so the few cost little.
    """
    due = due_windows(source, spec, now)
    seen = {evaluation.window: evaluation.rows for evaluation in store.evaluations(spec.model)}
    again = set(due[-max(spec.policy.drift.n, spec.policy.performance.n) :])
    back = [window for window in due[len(due) - min(spec.source.look_back_windows, len(due)) :] if window in seen and window not in again]
    counted = source.rows_in(back)
    again |= {window for window in back if counted[window] != seen[window]}
    return tuple(window for window in due if window not in seen or window in again)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
