"""How reliably and how quickly vigil itself looks at a model: its own runs, by the clock on the wall.

Differs from :mod:`vigil.health.measure`, which measures the model's serving: here what is watched is the watching.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.intervals import wilson_interval
from vigil.spec.model import FLOW_DURATION, FLOW_SUCCESS_RATE, ModelSpec
from vigil.store.contract import Store
from vigil.store.records import FlowRun

CHANCE = 1  # so many failures say nothing: what failed is tried again; convention
AT_WORK = 20  # runs of one model that are at work at once, at most: so many more are read; convention
LOST = "it was begun and never ended: it was killed, or hangs"


def runs_of(store: Store, spec: ModelSpec, now: datetime) -> tuple[FlowRun, ...]:
    """Return the model's :func:`settled` runs of the store."""
    return settled(store.flow_runs(spec.model, latest=spec.health.pipeline.runs + AT_WORK), spec, now)


def settled(runs: Sequence[FlowRun], spec: ModelSpec, now: datetime) -> tuple[FlowRun, ...]:
    """Return the latest ``spec.health.pipeline.runs`` of which it is known how they ended, in order."""
    known = [run for run in (as_ended(run, spec, now) for run in runs) if run is not None]
    return tuple(sorted(known, key=lambda run: (run.begun_at, run.run_id))[-spec.health.pipeline.runs :])


def as_ended(run: FlowRun, spec: ModelSpec, now: datetime) -> FlowRun | None:
    """Return a run as it ended; None while it is at work. One without an end is lost after ``lost_after_minutes``: it has failed."""
    if run.ended_at is not None:
        return run
    return run.failed(LOST) if now - run.begun_at > timedelta(minutes=spec.health.pipeline.lost_after_minutes) else None


def measure_pipeline(runs: Sequence[FlowRun], spec: ModelSpec) -> tuple[Measurement, ...]:
    """Measure the :func:`settled` runs of a model; nothing where there is none.

    - ``flow_success_rate``: the share that ended without an error, in [0, 1], larger is better, with Wilson's interval. Under
      ``spec.health.pipeline.success_rate`` it is a breach, and a warning where only one run failed. ``detail`` says why the last did.
    - ``flow_duration_s``: the median length in seconds of those that succeeded, above ``duration_seconds`` a breach; None shows only.
    """
    if not runs:
        return ()
    pipeline, failures = spec.health.pipeline, [run.failure for run in runs if run.failure]
    rate = 1 - len(failures) / len(runs)
    low, high = wilson_interval(rate, len(runs), len(runs), spec.performance.confidence)
    success = Measurement(
        Layer.SYSTEM,
        FLOW_SUCCESS_RATE,
        rate,
        verdict_of(rate, len(failures), pipeline.success_rate),
        len(runs),
        low=min(low, rate),
        high=max(high, rate),
        threshold=pipeline.success_rate,
        detail={"failed": len(failures), "because": failures[-1]} if failures else {"failed": 0},
    )
    lengths = [(run.ended_at - run.begun_at).total_seconds() for run in runs if run.ended_at is not None and not run.failure]
    seconds, limit = (median(lengths) if lengths else None), pipeline.duration_seconds
    verdict = Verdict.NOT_ENOUGH_DATA if seconds is None else Verdict.BREACH if limit is not None and seconds > limit else Verdict.OK
    return success, Measurement(Layer.SYSTEM, FLOW_DURATION, seconds, verdict, len(lengths), threshold=limit)


def verdict_of(rate: float, failures: int, limit: float | None) -> Verdict:
    """Judge a rate of success: under its limit a breach, and a warning where no more failed than chance lets fail."""
    if limit is None or rate >= limit:
        return Verdict.OK
    return Verdict.BREACH if failures > CHANCE else Verdict.WARNING
