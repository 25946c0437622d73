"""Which slow trends are worth a line in the weekly digest: what creeps towards its limit, or has moved far without one. Pure.

Differs from :mod:`vigil.alerts.trend`, which computes one trend: here it is judged, over all signals of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from vigil.alerts.reading import WEEKDAYS, Looked, Signal, measured_limits
from vigil.alerts.rules import rule_for, rules_of
from vigil.alerts.trend import Trend, trend
from vigil.drift.multiplicity import benjamini_hochberg
from vigil.measurement import Measurement
from vigil.spec.alerts import AlertRule
from vigil.spec.model import ModelSpec

FALSE_DISCOVERY = 0.01  # share of the trends that are told though there is none, over a model's signals; convention
HORIZON = timedelta(days=90)  # a limit that is reached later is no news yet; convention
MATTERS = 0.2  # share of its level that a number without a limit has to move by; convention
LATEST = 7  # values whose median is the present level: a week of days; convention


@dataclass(frozen=True)
class Creep:
    """A trend that is told.

    Attributes:
        level: where it is now; ``per_week``: how much it moves in a week.
        limit: what it moves towards, ``reached`` in so much time; both None where the signal has no limit.
    """

    signal: Signal
    level: float
    per_week: float
    n: int
    q_value: float
    limit: float | None = None
    reached: timedelta | None = None


def creeping(history: Sequence[Looked], spec: ModelSpec) -> tuple[Creep, ...]:
    """Return the trends that are worth telling, those whose limit is nearest first.

    A trend counts where the false discovery rate over all signals that are alerted at all (Benjamini-Hochberg) is held, and it leads
    to the signal's limit within :data:`HORIZON`; without any limit, where it has moved the signal by :data:`MATTERS` of its level.
    What is beyond its limit is an incident's, and what moves away from it no news. Windows of declared events are left out.

    Args:
        history: looks, oldest first.
    """
    usable = [look for look in history if look.silent is None]
    if not usable:
        return ()
    season = WEEKDAYS if spec.window.days == 1 else 1
    series = {signal: _values(signal, usable) for signal in usable[-1].measured if rule_for(usable[-1].measured[signal], rules_of(spec))}
    found = {signal: trend(values, season) for signal, values in series.items()}
    trends = {signal: one for signal, one in found.items() if one is not None}
    q_values = benjamini_hochberg({_key(signal): one.p_value for signal, one in trends.items()})
    told = [
        _told(signal, one, q_values[_key(signal)], series[signal], usable[-1].measured[signal], spec)
        for signal, one in trends.items()
        if q_values[_key(signal)] <= FALSE_DISCOVERY
    ]
    return tuple(sorted((creep for creep in told if creep is not None), key=lambda creep: (creep.reached or HORIZON, creep.signal)))


def _key(signal: Signal) -> str:
    return "|".join(signal)


def _values(signal: Signal, looks: Sequence[Looked]) -> list[float | None]:
    """The signal's values on the grid of windows, None where there is none."""
    first, length = looks[0].window.start, looks[0].window.length
    by_place: Mapping[int, float | None] = {
        (look.window.start - first) // length: look.measured[signal].value for look in looks if signal in look.measured
    }
    return [by_place.get(place) for place in range((looks[-1].window.start - first) // length + 1)]


def _told(signal: Signal, one: Trend, q_value: float, values: Sequence[float | None], newest: Measurement, spec: ModelSpec) -> Creep | None:
    rule = rule_for(newest, rules_of(spec))
    assert rule is not None
    known = [value for value in values if value is not None]
    level = float(np.median(known[-LATEST if spec.window.days == 1 else -1 :]))
    per_week = one.slope * WEEKDAYS / spec.window.days
    lower, upper = _limits(rule, newest, spec)
    if lower is None and upper is None:
        moved = abs(one.slope) * len(values)
        return Creep(signal, level, per_week, one.n, q_value) if moved >= MATTERS * abs(float(np.median(known))) else None
    limit = upper if one.slope > 0 else lower
    if limit is None or (limit - level) * one.slope <= 0:
        return None
    windows = (limit - level) / one.slope
    if windows * spec.window.length > HORIZON:
        return None
    return Creep(signal, level, per_week, one.n, q_value, limit, windows * spec.window.length)


def _limits(rule: AlertRule, newest: Measurement, spec: ModelSpec) -> tuple[float | None, float | None]:
    """The limits below and above that stay where they are; what is learnt from history moves with the trend and is none."""
    if rule.dynamic is not None or rule.of_baseline:
        return None, None
    return (rule.below, rule.above) if rule.static else measured_limits(newest, spec)
