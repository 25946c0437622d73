"""Which windows are due to be looked at: those that ended, whose labels should be here, and that were not looked at yet.

Rows from the future (beyond the present and the tolerated skew of clocks) are quarantined: they are in no window that is due, and
the log does not reach to them.
"""

from __future__ import annotations

from datetime import datetime

import ibis

from vigil.errors import NotEnoughData
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.window import Window, as_utc


def windows_with_rows(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return the windows that have rows of the prediction log, in order; rows from the future do not count."""
    rows = source.known_by(now)
    times = rows[spec.columns.time]
    dated = rows.select(moment=times, day=times.truncate("D")).filter(ibis._.moment.notnull())
    days = dated.group_by("day").aggregate(first=ibis._.moment.min(), last=ibis._.moment.max())
    with source.reading_log():
        found = days.to_pyarrow().to_pylist()
    # a window is a whole number of days, so the rows of a day lie in one of them or on both sides of one end
    return tuple(sorted({spec.window.containing(as_utc(day[end])) for day in found for end in ("first", "last")}))


def due_windows(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return the windows that are due as of ``now``, oldest first: each that has rows, and each first one without.

    A window without rows is among them, for silence is a finding; but of several in a row only the first, for the following
    ones would say the same: a log that fell silent for a month, and a stray row of 1970, are one window each.
    """
    return _due(windows_with_rows(source, spec, now), spec, now)


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
    """Return the due windows from the one that holds ``start`` to those that start before ``end``.

    Without ``start`` from the log's first row; without ``end`` to the log's last row.
    """
    held = windows_with_rows(source, spec, now)
    return tuple(
        window
        for window in _due(held, spec, now)
        if (start is None or start < window.end) and (window.start < end if end else window <= held[-1])
    )


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


def _due(held: tuple[Window, ...], spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    silent = {window.shifted(1) for window in held}
    return tuple(window for window in sorted(silent.union(held)) if spec.as_of(window) <= now)
