"""System health of one window and version from its prediction log: rows, throughput, latency percentiles, errors, time-outs."""

from __future__ import annotations

import math
from typing import Any

import ibis

from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec

LATENCY_QUANTILES = {"latency_p50_ms": 0.50, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}


def measure_health(rows: ibis.Table, spec: ModelSpec, *, version: str, logged: int) -> tuple[Measurement, ...]:
    """Measure the rows of ``version`` (``*``: of all versions) in one aggregate of the engine.

    - ``rows``: how many predictions were logged, by all versions: what a canary or a new version takes over is not lost; shown.
    - ``latency_p50_ms``, ``latency_p95_ms``, ``latency_p99_ms``: quantiles of the latencies logged, in milliseconds, linear
      between the two nearest (Hyndman & Fan 1996, type 7); p95 judged against ``spec.health.latency_p95_ms``, others shown.
    - ``error_rate``: share of rows whose error is not null (a boolean one: is true), judged against ``spec.health.error_rate``.
    - ``timeout_rate``: share of rows whose error holds one of ``spec.health.timeouts``, where a limit is given.
    - ``throughput_per_s``: rows a second, over the whole window, where a limit is given.

    Above the limit is a breach, of the throughput below it; a limit of None shows only. The log holds every prediction, so these are the
    window's own numbers and carry no interval. A column that the specification sets to None has no measurement. No rows, or no latency
    in any of them, is ``not_enough_data``.

    Args:
        rows: the window's rows of the prediction log, under the log's own names.
        logged: how many they are.
    """
    columns = spec.columns
    if version != WHOLE:
        rows = rows.filter(rows[columns.version].cast("string") == version)
    wanted: dict[str, Any] = {"rows": rows.count()}
    if columns.latency_ms is not None:
        latency = rows[columns.latency_ms].cast("float64")
        known = latency.notnull() & ~latency.isnan()
        wanted["latencies"] = known.sum()
        wanted |= {metric: latency.quantile(share, where=known) for metric, share in LATENCY_QUANTILES.items()}
    if columns.error is not None:
        error = rows[columns.error]
        wanted["errors"] = (error if error.type().is_boolean() else error.notnull()).sum()
        if spec.health.timeout_rate is not None:
            text = rows[columns.error].cast("string").lower()
            timed_out: Any = ibis.or_(*(text.contains(part.lower()) for part in spec.health.timeouts))
            wanted["timeouts"] = timed_out.sum()
    answer = rows.aggregate(**wanted).to_pyarrow().to_pylist()[0]

    count = int(answer["rows"])
    found = [_judged("rows", float(logged) if logged else None, logged, None, version, {})]
    if columns.latency_ms is not None:
        n, limits = int(answer["latencies"] or 0), {"latency_p95_ms": spec.health.latency_p95_ms}
        found.extend(_judged(metric, answer[metric], n, limits.get(metric), version, {}) for metric in LATENCY_QUANTILES)
    if columns.error is not None:
        errors = int(answer["errors"] or 0)
        rate = errors / count if count else None
        found.append(_judged("error_rate", rate, count, spec.health.error_rate, version, {"errors": errors}))
    if "timeouts" in wanted:
        timeouts = int(answer["timeouts"] or 0)
        rate = timeouts / count if count else None
        found.append(_judged("timeout_rate", rate, count, spec.health.timeout_rate, version, {"timeouts": timeouts}))
    if spec.health.throughput_per_s is not None:
        found.append(_throughput(count, spec, version))
    return tuple(found)


def _throughput(count: int, spec: ModelSpec, version: str) -> Measurement:
    """No rows are no predictions a second, and known."""
    value, limit = count / spec.window.length.total_seconds(), spec.health.throughput_per_s
    assert limit is not None
    verdict = Verdict.BREACH if value < limit else Verdict.OK
    return Measurement(Layer.SYSTEM, "throughput_per_s", value, verdict, count, version=version, threshold=limit)


def _judged(metric: str, value: float | None, n: int, limit: float | None, version: str, detail: dict[str, Any]) -> Measurement:
    if value is None or not math.isfinite(value):
        value, verdict = None, Verdict.NOT_ENOUGH_DATA
    else:
        verdict = Verdict.BREACH if limit is not None and value > limit else Verdict.OK
    return Measurement(
        layer=Layer.SYSTEM, metric=metric, value=value, verdict=verdict, n=n, version=version, threshold=limit, detail=detail
    )
