"""A band that an ordinary value lies in, from the metric's own history: robust, by weekday, with a stated rate of false alarms.

Differs from the thresholds of a specification, which are the same every day: a Monday that is like other Mondays is silent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MINIMUM = 4  # values of the same weekday: with fewer a median is one day's value
SMALLEST_SPREAD = 0.01  # of the centre: a history that never moved makes no alarm of rounding; convention
DRAWS = 20_000  # of the simulation: its error at a rate of 0.01 is 7 % of the rate


@dataclass(frozen=True)
class Band:
    """What is ordinary: ``[low, high]`` around ``centre``; ``n`` values of the same weekday made it."""

    centre: float
    low: float
    high: float
    n: int


def band(slots: Sequence[Sequence[float]], own: int, false_alarms: float) -> Band | None:
    """Return the band of slot ``own``; None where it holds fewer than :data:`MINIMUM` values.

    Where all values are positive it is found in logarithms, for counts and durations vary by a share of their size; else as they are.
    ``median(own) +- c * s``, where ``s`` is the median absolute distance of all values from the median of their own slot, and
    ``c`` is such that of normally distributed values in slots of these sizes a share ``false_alarms`` lies outside, by
    simulation (fixed seed): with few values the median and the spread err themselves, so the normal quantile would promise
    too much. Heavier tails than normal give more alarms. It follows no trend within the history.
    Source of the spread: Hampel 1974, doi:10.1080/01621459.1974.10482962.

    Args:
        slots: the values of each season's slot (weekday), finite; slots may be empty.

    >>> round(band([[10.0, 11.0, 9.0, 10.0], [50.0, 52.0, 48.0, 50.0]], 0, 0.01).centre, 6)
    10.0
    """
    if len(slots[own]) < MINIMUM:
        return None
    if all(value > 0 for slot in slots for value in slot):
        found = _band([list(np.log(slot)) for slot in slots], own, false_alarms, smallest=SMALLEST_SPREAD)
        return Band(math.exp(found.centre), math.exp(found.low), math.exp(found.high), found.n)
    return _band(slots, own, false_alarms, smallest=SMALLEST_SPREAD * abs(float(np.median(slots[own]))))


def _band(slots: Sequence[Sequence[float]], own: int, false_alarms: float, *, smallest: float) -> Band:
    values = slots[own]
    held = [np.asarray(slot, dtype=np.float64) for slot in (values, *(slot for k, slot in enumerate(slots) if k != own)) if len(slot)]
    spread = float(np.median(np.concatenate([np.abs(slot - np.median(slot)) for slot in held])))
    centre = float(np.median(values))
    reach = critical_value(tuple(len(slot) for slot in held), false_alarms) * max(spread, smallest)
    return Band(centre, centre - reach, centre + reach, len(values))


@lru_cache(maxsize=256)
def critical_value(sizes: tuple[int, ...], false_alarms: float) -> float:
    """Return how many spreads a new value of the first slot lies from its median at most, but for a share ``false_alarms``.

    In units of the median absolute distance; above 1.4826 times the normal quantile, and near it where the slots are large.

    >>> critical_value((200,), 0.05) > 1.4826 * 1.96 - 0.05
    True
    """
    return float(np.quantile(_distances(sizes), 1 - false_alarms))


@lru_cache(maxsize=128)
def _distances(sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Simulate how far new values lie from their slot's median, in spreads: the same for every rate."""
    rng = np.random.default_rng(20_130_101)
    slots = [rng.standard_normal((DRAWS, size)) for size in sizes]
    centres = [np.median(slot, axis=1, keepdims=True) for slot in slots]
    spread = np.median(np.concatenate([np.abs(slot - centre) for slot, centre in zip(slots, centres, strict=True)], axis=1), axis=1)
    distances: NDArray[np.float64] = np.abs(rng.standard_normal(DRAWS) - centres[0][:, 0]) / spread
    return distances
