"""Propose alert thresholds from a model's own history: chosen by its first two thirds, kept only where the third held back agrees.

Differs from :mod:`vigil.challenger.tune`, which proposes when to retrain: here it is when to tell somebody, and nothing is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from vigil.alerts.alerting import looked_of
from vigil.alerts.candidates import candidates, limits
from vigil.alerts.incident import VIGIL, Event, Incident, Kind, fold
from vigil.alerts.reading import Looked, Signal, judged, reach
from vigil.alerts.rules import rule_for, rules_of
from vigil.decision.confirmation import YEAR
from vigil.decision.phrases import plural
from vigil.decision.types import Action
from vigil.measurement import Layer, Measurement
from vigil.spec.alerts import AlertRule, Tier
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Evaluation

HELD_BACK = 3  # one in so many windows, the latest
ENOUGH = 20  # calm windows to choose by: with fewer, a limit's promise is a guess; convention
ENOUGH_AFTER = 8  # calm windows to judge by; convention, as of the digest's habits
MUCH_NEARER = 0.5  # of the present limit's distance from what is ordinary, from which a nearer one is worth a change; convention
NEARER = 0.8  # the same between two proposals, of which the first is the simpler; convention
NO_ACTION = (Action.HOLD.value, Action.GET_LABELS.value)
PROMISES = ("probation", "training_success_rate")  # measured of several windows or attempts already, against what somebody promised


@dataclass(frozen=True)
class Record:
    """How a rule, or several together, did in a span of windows.

    Attributes:
        alarms: how often it began to fire in ``windows`` calm windows: with no real incident near that it is about.
        years: how long those are.
        found: of each real incident of the span, by id, in which window after the one that opened it: negative is earlier, None never.
    """

    alarms: int
    windows: int
    years: float
    found: Mapping[str, int | None]

    @property
    def a_year(self) -> float | None:
        return self.alarms / self.years if self.windows else None

    @property
    def seen(self) -> int:
        return sum(after is not None for after in self.found.values())

    @property
    def lateness(self) -> int:
        return sum(after for after in self.found.values() if after is not None)


@dataclass(frozen=True)
class Tuned:
    """One signal: the rule it has, what is proposed and how both did in the windows held back.

    Attributes:
        proposed: None where the present rule stays; ``why`` says why, or what the proposal is better by.
        now, then: of the windows held back, by the present rule and by the proposed one; ``then`` is also there where it failed there.
    """

    signal: Signal
    present: AlertRule
    proposed: AlertRule | None
    why: str
    now: Record
    then: Record | None = None


@dataclass(frozen=True)
class Tuning:
    """What tuning says of a model's signals; ``now`` and ``then`` are of all of them together, in the windows held back.

    ``budget``: false alarms a year that are allowed, of the model as a whole.
    """

    signals: tuple[Tuned, ...]
    now: Record
    then: Record
    budget: float
    chosen_by: int
    held_back: int

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        return tuple(each.proposed for each in self.signals if each.proposed is not None)


@dataclass(frozen=True)
class _Past:
    """What everything is judged by: the windows, oldest first, where they are divided, and the incidents that were real."""

    looks: Sequence[Looked]
    split: int
    real: Sequence[Incident]
    spec: ModelSpec

    def near(self, signal: Signal) -> tuple[bool, ...]:
        """Say of each window whether it lies in a real incident that has the signal, or as shortly before as findings join it."""
        spans = [each for each in self.real if signal in each.signals]
        return tuple(any(_near(look, each, self.spec) for each in spans) for look in self.looks)

    def values(self, signal: Signal) -> list[float]:
        """The signal's values in calm windows of the first part."""
        calm = [
            look.measured[signal]
            for look, near in zip(self.looks[: self.split], self.near(signal), strict=False)
            if not near and signal in look.measured
        ]
        return [m.value for m in calm if m.value is not None and math.isfinite(m.value)]

    @cached_property
    def _reach(self) -> int:
        return reach(self.spec)

    def before(self, place: int) -> Sequence[Looked]:
        """The windows that a rule may learn from, newest first."""
        return self.looks[max(place - self._reach, 0) : place][::-1]


def tune(store: Store, spec: ModelSpec, evaluations: Sequence[Evaluation]) -> Tuning:
    """Look for better thresholds in evaluations of the store, oldest first; see :func:`tuning`."""
    measured = store.measurements([each.evaluation_id for each in evaluations])
    looks = [looked_of(each, measured, spec) for each in evaluations]
    return tuning(looks, list(store.incident_events(model=spec.model).values()), spec)


def tuning(history: Sequence[Looked], incidents: Iterable[Sequence[Event]], spec: ModelSpec) -> Tuning:
    """Look for better thresholds of every signal that is alerted at once and has a limit.

    The budget of ``policy.false_alarms_per_year`` is shared by the signals in equal parts. A rule is better where it keeps its part, then
    where it finds more of the real incidents, then earlier, then where its limit lies much nearer to what is ordinary. What the first two
    thirds choose is proposed only if the last third, which did not choose, has no more false alarms than now (or than the budget) and
    misses nothing that is found now.

    An incident is real where more speaks for it than one signal: another layer was in breach, other models shared it, the decision was to
    act, or a person acknowledged it without resolving it in the same breath. What else fired was a false alarm.

    Args:
        history: looks, oldest first; those in declared events are left out.
        incidents: the events of each of the model's.
    """
    looks = [look for look in history if look.silent is None]
    real = [fold(events) for events in incidents if is_real(events)]
    past = _Past(looks, len(looks) - len(looks) // HELD_BACK, real, spec)
    present = dict(sorted(_present(looks, spec).items()))
    share = spec.policy.false_alarms_per_year / max(len(present), 1)
    tuned = tuple(_tuned(signal, rule, past, share) for signal, rule in present.items())
    after = range(past.split, len(looks))
    return Tuning(
        signals=tuned,
        now=_record({each.signal: _fires(each.signal, each.present, past) for each in tuned}, after, past),
        then=_record({each.signal: _fires(each.signal, each.proposed or each.present, past) for each in tuned}, after, past),
        budget=spec.policy.false_alarms_per_year,
        chosen_by=past.split,
        held_back=len(after),
    )


def is_real(events: Sequence[Event]) -> bool:
    """Tell whether more than one signal's word speaks for an incident."""
    found = fold(events)
    acted = any(dict(event.body.get("context", {}).get("decision") or {}).get("action", NO_ACTION[0]) not in NO_ACTION for event in events)
    dismissed = {(event.by, event.at) for event in events if event.kind is Kind.RESOLVED}
    taken_up = any(e.kind is Kind.ACKNOWLEDGED and e.by != VIGIL and (e.by, e.at) not in dismissed for e in events)
    return acted or taken_up or found.fleet is not None or len({signal.layer for signal in found.signals}) > 1


def _present(looks: Sequence[Looked], spec: ModelSpec) -> dict[Signal, AlertRule]:
    """The signals that are alerted at once by a limit, with their rules; by the newest measurement of each."""
    newest: dict[Signal, Measurement] = {}
    for look in looks:
        newest |= look.measured
    rules = {signal: rule for signal, measured in newest.items() if (rule := rule_for(measured, rules_of(spec))) is not None}
    return {
        signal: rule for signal, rule in rules.items() if rule.tier is not None and rule.tier.sends and _has_limit(newest[signal], rule)
    }


def _has_limit(newest: Measurement, rule: AlertRule) -> bool:
    if newest.layer is Layer.DATA_QUALITY or newest.metric in PROMISES or newest.metric.startswith("flow_"):
        return False
    return not rule.follows_verdict or newest.threshold is not None


def _tuned(signal: Signal, present: AlertRule, past: _Past, alarms: float) -> Tuned:
    after = range(past.split, len(past.looks))
    fires = _fires(signal, present, past)
    now = _record({signal: fires}, after, past)
    values = past.values(signal)
    if len(values) < ENOUGH or now.windows < ENOUGH_AFTER:
        few = plural(len(values), "calm window")
        return Tuned(
            signal,
            present,
            None,
            f"too little history: {few} to choose by, {now.windows} to judge by (wanted: {ENOUGH}, {ENOUGH_AFTER})",
            now,
        )
    looks = [look for look in past.looks[: past.split] if signal in look.measured and look.measured[signal].value is not None]
    kept = best = _merit(signal, present, fires, past, alarms)
    for rule in candidates(signal, present, values, looks, past.spec, alarms):
        tried = _merit(signal, rule, _fires(signal, rule, past), past, alarms)
        if tried.seen >= kept.seen and tried.beats(best, by=MUCH_NEARER if best is kept else NEARER):
            best = tried
    if best is kept:
        return Tuned(signal, present, None, "nothing is clearly better", now)
    then = _record({signal: _fires(signal, best.rule, past)}, after, past)
    if then.alarms > max(now.alarms, math.floor(alarms * then.years)) or any(then.found[name] is None for name in _seen(now)):
        return Tuned(signal, present, None, "what was better before fails in the last third", now, then)
    return Tuned(signal, present, best.rule, best.reason(kept), now, then)


@dataclass(frozen=True)
class _Merit:
    """What a rule is chosen by: false alarms over its budget, incidents found, windows late, distance from what is ordinary.

    The distance counts times the root of ``k``, which is what ``k`` windows average out: to wait for more of them has its price.
    """

    rule: AlertRule
    over: float
    seen: int
    late: int
    distance: float

    def beats(self, other: _Merit, *, by: float) -> bool:
        mine, theirs = (self.over, -self.seen, self.late), (other.over, -other.seen, other.late)
        return mine < theirs or (mine == theirs and self.distance <= by * other.distance)

    def reason(self, other: _Merit) -> str:
        if self.over < other.over:
            return "fewer false alarms"
        if self.seen > other.seen:
            return "finds more incidents"
        return "finds them earlier" if self.late < other.late else "nearer to what is ordinary"


def _merit(signal: Signal, rule: AlertRule, fires: Sequence[bool | None], past: _Past, alarms: float) -> _Merit:
    record = _record({signal: fires}, range(past.split), past)
    over = max(record.alarms - alarms * record.years, 0.0)
    return _Merit(rule, over, record.seen, record.lateness, math.sqrt(rule.sustained.k) * _room(signal, rule, past))


def _fires(signal: Signal, rule: AlertRule, past: _Past) -> list[bool | None]:
    """Say of each window whether the rule fires in it, as :func:`vigil.alerts.reading.read` does; None where it was not measured."""
    breaches: list[bool] = []
    fires: list[bool | None] = []
    for place, look in enumerate(past.looks):
        reading = judged(signal, rule, look, past.before(place), past.spec)
        if reading is None:
            fires.append(None)
            continue
        breaches.append(reading.breach)
        fires.append(reading.breach and (reading.tier is Tier.P0 or sum(breaches[-rule.sustained.n :]) >= rule.sustained.k))
    return fires


def _room(signal: Signal, rule: AlertRule, past: _Past) -> float:
    """Return the median distance of calm values from the nearer limit, in the first part."""
    found = []
    near = past.near(signal)
    for place, look in enumerate(past.looks[: past.split]):
        if not near[place] and signal in look.measured and (value := look.measured[signal].value) is not None:
            found += [min(abs(value - end) for end in ends)] if (ends := _ends(signal, rule, look, past.before(place), past.spec)) else []
    return float(np.median(found)) if found else math.inf


def _ends(signal: Signal, rule: AlertRule, at: Looked, before: Sequence[Looked], spec: ModelSpec) -> list[float]:
    return [end for end in limits(signal, rule, at, before, spec) if end is not None]


def _record(fires: Mapping[Signal, Sequence[bool | None]], span: range, past: _Past) -> Record:
    """Count over a span, of the rules of several signals together: they fire where any does, and find the incidents that they are in."""
    near = {signal: past.near(signal) for signal in fires}
    fired_before, alarms, windows = False, 0, 0
    for place in range(span.stop):
        here = [(bool(some[place]), near[signal][place]) for signal, some in fires.items() if some[place] is not None]
        calm = [fired for fired, is_near in here if not is_near]
        if calm and place >= span.start:
            windows += 1
            alarms += any(calm) and not fired_before
        fired_before = any(fired for fired, _ in here) if here else fired_before
    return Record(alarms, windows, windows * (past.spec.window.length / YEAR), _found(fires, span, past))


def _found(fires: Mapping[Signal, Sequence[bool | None]], span: range, past: _Past) -> dict[str, int | None]:
    places = {look.window.start.isoformat(): place for place, look in enumerate(past.looks)}
    found = {}
    for each in past.real:
        own = [some for signal, some in fires.items() if signal in each.signals]
        opened = places.get(each.first)
        if own and opened is not None and opened in span:
            fired = (place for place, look in enumerate(past.looks) if _near(look, each, past.spec) and any(some[place] for some in own))
            first = next(fired, None)
            found[each.incident_id] = None if first is None else first - opened
    return found


def _near(look: Looked, incident: Incident, spec: ModelSpec) -> bool:
    first, last = datetime.fromisoformat(incident.first), datetime.fromisoformat(incident.last)
    return first - spec.alerts.join_windows * spec.window.length <= look.window.start <= last


def _seen(record: Record) -> list[str]:
    return [name for name, after in record.found.items() if after is not None]
