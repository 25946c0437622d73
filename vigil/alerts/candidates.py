"""The alert rules that could stand in a signal's place, by what is ordinary for it: static, relative to baseline, dynamic; k of n.

Differs from :mod:`vigil.alerts.rules`, which says what is followed; which of these is better is :mod:`vigil.alerts.tune`'s to judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import bdtrc

from vigil.alerts.dynamic import band
from vigil.alerts.reading import Looked, Signal, judged, larger_is_better, limits_of, measured_limits
from vigil.decision.confirmation import windows_per_year
from vigil.spec.alerts import AlertRule, Dynamic
from vigil.spec.base import Sustained
from vigil.spec.model import ModelSpec

LASTING = (Sustained(k=1, n=1), Sustained(k=2, n=3), Sustained(k=3, n=5))  # that are tried beside the present one; convention
WIDER = (1.0, 0.25, 0.0625)  # parts of the promised share: tails heavier than normal and runs need a wider limit; convention
LEAST_SHARE = 0.001  # of windows outside: less than the simulation of the band can tell
MOST_SHARE = 0.1  # so that no limit lies among ordinary values; convention
DIGITS = 3  # of a limit that a person reads; rounded away from what is ordinary


def limits(signal: Signal, rule: AlertRule, at: Looked, before: Sequence[Looked], spec: ModelSpec) -> tuple[float | None, float | None]:
    """Return the limits below and above that a rule judges one window by: its own, or that which was measured."""
    if rule.follows_verdict:
        return measured_limits(at.measured[signal], spec)
    found = limits_of(signal, rule, at, before, spec)
    return (None, None) if found is None else found[1:]


def outside_share(sustained: Sustained, windows: float, alarms: float) -> float:
    """Return the share of ordinary windows outside at which ``k`` of the last ``n`` are outside ``alarms`` times in ``windows``.

    The ``p`` of ``windows * p * P(Bin(n - 1, p) >= k - 1) = alarms``, at most :data:`MOST_SHARE`: windows are taken as independent. What
    goes on for several windows is one alarm, so there are fewer.

    >>> round(outside_share(Sustained(k=1, n=1), 365.25, 1.0), 5)
    0.00274
    """
    shares = np.geomspace(1e-9, MOST_SHARE, 2_000)  # the formula rises; between two of these it is a straight line
    others = bdtrc(sustained.k - 2, sustained.n - 1, shares) if sustained.k > 1 else 1.0
    return float(np.interp(alarms, windows * shares * others, shares))


def candidates(
    signal: Signal, present: AlertRule, values: Sequence[float], looks: Sequence[Looked], spec: ModelSpec, alarms: float
) -> Iterator[AlertRule]:
    """Yield the rules that promise at most ``alarms`` false alarms a year, the simplest first. What is P0 stays P0 from the same value on.

    - the present limit, with another k of n;
    - static limits around the median of ``values``: as wide as the band of :mod:`vigil.alerts.dynamic` without weekdays;
    - the same as multiples of the median of the windows before, where it is positive;
    - dynamic ones, by weekday.

    Each of the last three with the share of windows outside that :func:`outside_share` says, and with :data:`WIDER` ones. None is tried
    whose limit would be :data:`LEAST_SHARE`'s or less, which lies where the history never was, or beyond what is P0.

    Args:
        values: of the signal in calm windows.
        looks: windows that it is tuned by, oldest first; in the last of them it was measured.
    """
    lasting = list(dict.fromkeys((present.sustained, *LASTING)))
    yield from (own for own in (_of(signal, present, sustained=each) for each in lasting) if own.sustained != present.sustained)
    sides = _sides(signal, present, looks[-1], spec)
    for limit in _limits_of_its_own(values, lasting, sides, windows_per_year(spec), alarms):
        rule = _of(signal, present, **limit)
        urgent = _urgent_from(signal, present, rule, looks, spec)
        if urgent is not None:
            yield rule.model_copy(update={"catastrophic": urgent if present.catastrophic is not None else None})


def _sides(signal: Signal, present: AlertRule, at: Looked, spec: ModelSpec) -> dict[str, bool]:
    """Say on which sides of what is ordinary the present rule judges."""
    if present.dynamic is not None:
        return {"below": present.dynamic.below, "above": present.dynamic.above}
    if present.follows_verdict:
        better = larger_is_better(at.measured[signal], spec)
        return {"below": better, "above": not better}
    return {"below": present.below is not None, "above": present.above is not None}


def _of(signal: Signal, present: AlertRule, **changes: Any) -> AlertRule:
    """The present rule for this signal alone, with something else in it."""
    alone = {"layer": signal.layer, "metric": signal.metric, "subject": signal.subject}
    return AlertRule.model_validate({**present.model_dump(), **alone, **changes})


def _limits_of_its_own(
    values: Sequence[float], lasting: Sequence[Sustained], sides: dict[str, bool], windows: float, alarms: float
) -> Iterator[dict[str, Any]]:
    nothing = {"above": None, "below": None, "of_baseline": False, "dynamic": None}
    centre = float(np.median(values))
    for sustained in lasting:
        share = outside_share(sustained, windows, alarms)
        for part in (share * wider for wider in WIDER if share * wider >= LEAST_SHARE):
            outside = part if all(sides.values()) else 2 * part  # a band has two sides; of one only half of it is seen
            found = band([list(values)], 0, outside)
            if found is None or found.high <= found.low:
                continue
            ends = {"below": found.low, "above": found.high}
            wanted = {side: ends[side] for side, judged_by in sides.items() if judged_by}
            yield {**nothing, "sustained": sustained, **{side: _rounded(end, side) for side, end in wanted.items()}}
            if centre > 0 and min(wanted.values()) > 0:
                times = {side: _rounded(end / centre, side) for side, end in wanted.items()}
                yield {**nothing, "sustained": sustained, "of_baseline": True, **times}
            yield {**nothing, "sustained": sustained, "dynamic": Dynamic(false_alarms=round(outside, 4), **sides)}


def _rounded(value: float, side: str) -> float:
    """Three significant digits, away from what is ordinary."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    return float(f"{(math.ceil if side == 'above' else math.floor)(value / step) * step:.{DIGITS}g}")


def _urgent_from(signal: Signal, present: AlertRule, tried: AlertRule, looks: Sequence[Looked], spec: ModelSpec) -> float | None:
    """Return how many times what the tried rule tolerates the value is from which the present one is P0; None where that is none at all.

    Both count in straight lines from their limit on, so that two values tell where the present rule's line ends.
    """
    if present.catastrophic is None:
        return math.inf

    def excess(rule: AlertRule, value: float) -> float | None:
        there = replace(looks[-1].measured[signal], value=value)
        at = replace(looks[-1], measured={**looks[-1].measured, signal: there})
        reading = judged(signal, rule, at, looks[:-1][::-1], spec)
        return None if reading is None else reading.excess

    below, above = limits(signal, present, looks[-1], looks[:-1][::-1], spec)
    limit, outwards = (above, 1.0) if above is not None else (below, -1.0)
    if limit is None:
        return None
    step = outwards * max(abs(limit), 1e-6)
    at_limit, beyond = excess(present, limit), excess(present, limit + step)
    if at_limit is None or beyond is None or beyond <= at_limit:
        return None
    times = excess(tried, limit + step * (present.catastrophic - at_limit) / (beyond - at_limit))
    return None if times is None or round(times, 2) <= 1 else round(times, 2)
