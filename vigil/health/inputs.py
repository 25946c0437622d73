"""System inputs that the log does not hold (processor, memory, restarts, dependencies), from what Prometheus answered. Pure.

Differs from :mod:`vigil.health.measure`, which reads the prediction log: here every number is somebody else's, and may be absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec, Query
from vigil.window import Window

STEPS = 96  # values over a window that a slope is taken of: one a quarter of an hour for a day; convention
FEWEST = 12  # of them that must be there; convention
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Answer:
    """What one query was answered: (unix seconds, value) in order, or why nothing is known."""

    samples: Sequence[tuple[float, float]] = ()
    because: str = ""


def asked(query: Query, window: Window) -> dict[str, str | float]:
    """Return the parameters of the HTTP API's request: of an instant, the window's end; of a slope, the window in :data:`STEPS`.

    ``$window`` in the query is the window's length in PromQL: 86400s.
    """
    seconds = int(window.length.total_seconds())
    text = query.query.replace("$window", f"{seconds}s")
    if not query.slope:
        return {"query": text, "time": window.end.timestamp()}
    return {"query": text, "start": window.start.timestamp(), "end": window.end.timestamp(), "step": seconds / STEPS}


def measure_inputs(answers: Mapping[str, Answer], spec: ModelSpec) -> tuple[Measurement, ...]:
    """Measure each query of ``spec.health.queries``: its value, or its robust slope (Theil-Sen) in units a day.

    Outside of ``above`` and ``below`` is a breach. What was not answered, not a finite number, or for a slope has fewer than
    :data:`FEWEST` values, is ``not_enough_data`` with why in its detail: absent is unknown, never zero.
    """
    return tuple(_measured(name, query, answers[name]) for name, query in spec.health.queries.items())


def _measured(name: str, query: Query, answer: Answer) -> Measurement:
    samples = [(at, value) for at, value in answer.samples if math.isfinite(value)]
    needed = FEWEST if query.slope else 1
    if len(samples) < needed:
        because = answer.because or f"{len(samples)} of {needed} values that are needed"
        return Measurement(Layer.SYSTEM, name, None, Verdict.NOT_ENOUGH_DATA, len(samples), detail={"because": because})
    value = _slope(samples) if query.slope else samples[-1][1]
    too_high = query.above is not None and value > query.above
    too_low = query.below is not None and value < query.below
    threshold = query.below if too_low or query.above is None else query.above
    verdict = Verdict.BREACH if too_high or too_low else Verdict.OK
    return Measurement(Layer.SYSTEM, name, value, verdict, len(samples), threshold=threshold, detail={"query": query.query})


def _slope(samples: Sequence[tuple[float, float]]) -> float:
    from scipy.stats import theilslopes  # takes a second to import

    times = np.asarray([at for at, _ in samples]) / SECONDS_A_DAY
    return float(theilslopes([value for _, value in samples], times).slope)
