"""What serving a model costs: how long it scores a row, and how large it is when it is saved.

Differs from the latency of :mod:`vigil.health`, which the log tells of what served: this is of two models side by side, here and now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd

from vigil.challenger.fit import score
from vigil.spec.model import ModelSpec

MOST_ROWS = 1000  # scored at once
ROUNDS = 5


class Costs(NamedTuple):
    """(milliseconds a row, size in MB) of both models, and how many rows were scored at once."""

    champion: tuple[float, float]
    challenger: tuple[float, float]
    rows: int


def costs_of(champion: Any, challenger: Any, rows: pd.DataFrame, spec: ModelSpec, clock: Callable[[], float] = time.perf_counter) -> Costs:
    """Score at most 1,000 of the rows with both models in turn, five times, and take each one's median.

    In turn, so that what else the machine does meanwhile slows both. ``clock`` returns seconds.
    """
    sample = rows.head(MOST_ROWS)
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for model, times in zip((champion, challenger), taken, strict=True):
            began = clock()
            score(model, sample, spec)
            times.append(clock() - began)
    one, other = (
        (1000 * float(np.median(times)) / len(sample), len(cloudpickle.dumps(model)) / 1e6)
        for model, times in zip((champion, challenger), taken, strict=True)
    )
    return Costs(one, other, len(sample))
