"""Which windows are due to be looked at: those that ended, whose labels should be here, and that were not looked at yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.window import Window


def span(source: ModelSource, spec: ModelSpec) -> tuple[datetime, datetime] | None:
    """Return the first and last event time of the prediction log, None where it has no row."""
    times = source.predictions()[spec.columns.time]
    found = source.predictions().agg(first=times.min(), last=times.max()).to_pyarrow().to_pylist()[0]
    if found["first"] is None:
        return None
    return _utc(found["first"]), _utc(found["last"])


def due_windows(source: ModelSource, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return all windows from the log's first row that are due as of ``now``, oldest first; windows without rows among them."""
    times = span(source, spec)
    if times is None:
        return ()
    latest = now - timedelta(days=spec.labels.delay_days)
    return tuple(window for window in spec.window.between(times[0], latest) if spec.as_of(window) <= now)


def windows_to_look_at(source: ModelSource, store: Store, spec: ModelSpec, now: datetime) -> tuple[Window, ...]:
    """Return the due windows that were never looked at, and the newest few again, whose labels or rows may have changed.

    Looking again at what has not changed writes nothing (its evaluation is the same), so the few cost little.
    """
    due = due_windows(source, spec, now)
    seen = {evaluation.window for evaluation in store.evaluations(spec.model)}
    again = set(due[-max(spec.policy.drift.n, spec.policy.performance.n) :])
    return tuple(window for window in due if window not in seen or window in again)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
