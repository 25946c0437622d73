"""The weekly digest: what nobody was woken for, and which thresholds say nothing. From the store alone, and into its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vigil.alerts.alerting import incidents_of, looked_of
from vigil.alerts.creeping import Creep, creeping
from vigil.alerts.hours import sent_at
from vigil.alerts.incident import FLEET, VIGIL, Event, Incident, Kind
from vigil.alerts.message import Message, MessageKind, Standing, bare_body
from vigil.alerts.reading import Looked, Signal, read
from vigil.decision.phrases import number, plural
from vigil.measurement import Layer, Verdict
from vigil.spec.alerts import Tier
from vigil.spec.channels import AlertSettings
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.history import history_of

HISTORY = timedelta(days=90)  # over which a threshold is said to fire never or always; convention
ENOUGH_WINDOWS = 8  # before either is said; convention
ALWAYS = 0.8  # share of windows in breach from which a threshold says nothing; convention


@dataclass(frozen=True)
class Habit:
    """How often one threshold was breached: in ``breaches`` of ``windows`` windows."""

    signal: Signal
    breaches: int
    windows: int


@dataclass(frozen=True)
class ModelDigest:
    """One model's week.

    Attributes:
        minor: incidents of tier P2 that were seen in the week.
        always, never: thresholds that fired in most windows of the history, and in none.
        trends: what creeps towards its limit, or has moved far without one.
        unlabelled: windows of the week whose performance could not be measured; ``windows``: all of the week.
    """

    model: str
    owner: str
    urgent: int
    minor: tuple[Incident, ...]
    trends: tuple[Creep, ...]
    always: tuple[Habit, ...]
    never: tuple[Habit, ...]
    unlabelled: int
    windows: int


@dataclass(frozen=True)
class Digest:
    """The week of all models, and the messages that never arrived."""

    start: datetime
    end: datetime
    models: tuple[ModelDigest, ...]
    dead: int

    @property
    def without_owner(self) -> tuple[str, ...]:
        return tuple(each.model for each in self.models if not each.owner.strip())


def digest(store: Store, specs: Sequence[ModelSpec], end: datetime) -> Digest:
    """Look back from ``end`` over a week, and over :data:`HISTORY` for the habits of thresholds."""
    start = end - timedelta(days=7)
    dead = [message for message in store.messages(standing=Standing.DEAD) if start <= message.created_at <= end]
    return Digest(start, end, tuple(_of(store, spec, start, end) for spec in specs), len(dead))


def _of(store: Store, spec: ModelSpec, start: datetime, end: datetime) -> ModelDigest:
    found = [i for i in incidents_of(store, spec.model).values() if datetime.fromisoformat(i.last) >= start - spec.window.length]
    looks = _looks(store, spec, end)
    always, never = _habits(looks, spec)
    week = [look for look in looks if look.window.end > start]
    metric = Signal(Layer.PERFORMANCE.value, spec.performance.metric.value, "*")
    lacking = [look for look in week if metric in look.measured and look.measured[metric].verdict is Verdict.NOT_ENOUGH_DATA]
    return ModelDigest(
        model=spec.model,
        owner=spec.owner,
        urgent=sum(incident.tier.sends for incident in found),
        minor=tuple(incident for incident in found if incident.tier is Tier.P2),
        trends=creeping(list(reversed(looks)), spec),
        always=always,
        never=never,
        unlabelled=len(lacking),
        windows=len(week),
    )


def _looks(store: Store, spec: ModelSpec, end: datetime) -> list[Looked]:
    evaluations = history_of(store, spec, start=end - HISTORY, end=end, as_of=end)
    measured = store.measurements([each.evaluation_id for each in evaluations])
    return [looked_of(each, measured, spec) for each in reversed(evaluations)]


def _habits(looks: Sequence[Looked], spec: ModelSpec) -> tuple[tuple[Habit, ...], tuple[Habit, ...]]:
    """Count breaches of every signal that has a threshold."""
    counts: dict[Signal, list[int]] = {}
    for place, look in enumerate(looks):
        for reading in read(look, looks[place + 1 :], spec):
            if reading.threshold is not None:
                count = counts.setdefault(reading.signal, [0, 0])
                count[0] += reading.breach
                count[1] += 1
    habits = [Habit(signal, *count) for signal, count in sorted(counts.items()) if count[1] >= ENOUGH_WINDOWS]
    always = tuple(habit for habit in habits if habit.breaches >= ALWAYS * habit.windows)
    return always, tuple(habit for habit in habits if habit.breaches == 0)


def _trend_text(creep: Creep) -> str:
    moves = (
        f"{creep.signal} {'rises' if creep.per_week > 0 else 'falls'} by {number(abs(creep.per_week))} a week, now {number(creep.level)}"
    )
    if creep.limit is None or creep.reached is None:
        return moves
    return f"{moves}: at its limit {number(creep.limit)} in about {plural(round(creep.reached / timedelta(days=7)), 'week')}"


def digest_text(found: Digest) -> str:
    """Return the digest as a person reads it."""
    lines = [f"The week from {found.start.date()} to {found.end.date()}"]
    for each in found.models:
        lines += ["", f"{each.model} (owner {each.owner.strip() or 'nobody'}): {each.urgent} urgent, {len(each.minor)} minor incidents"]
        lines += [f"  minor   {incident.incident_id}  {incident.title}, {incident.state}" for incident in each.minor]
        lines += [f"  trend   {_trend_text(creep)}" for creep in each.trends]
        if each.unlabelled:
            lines.append(f"  labels  too few to measure performance in {each.unlabelled} of {each.windows} windows")
        lines += [f"  always  {h.signal}: in breach in {h.breaches} of {h.windows} windows: it says nothing" for h in each.always]
        if each.never:
            names = ", ".join(sorted({habit.signal.metric for habit in each.never}))
            lines.append(f"  never   {len(each.never)} thresholds were never breached ({names})")
    if found.without_owner:
        lines += ["", f"Without an owner: {', '.join(found.without_owner)}"]
    if found.dead:
        lines += ["", f"{found.dead} messages could not be delivered: `vigil channels list`"]
    return "\n".join(lines)


def week_end(now: datetime) -> datetime:
    """Return the end of the last whole ISO week before ``now``: a Monday's midnight, UTC.

    >>> week_end(datetime(2024, 1, 10, 7, tzinfo=UTC)).isoformat()
    '2024-01-08T00:00:00+00:00'
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


def post_digest(store: Store, specs: Sequence[ModelSpec], settings: AlertSettings, end: datetime, now: datetime) -> tuple[Message, ...]:
    """Put the digest of the week before ``end`` into the outbox, once; return its messages, those of the first time where it was there.

    Raises:
        Conflict: another process is writing the same digest at the same moment.
    """
    name = f"digest-{end.date()}"
    there = store.messages(incident_id=name)
    if there or not settings.digest_channels:
        return there
    found = digest(store, specs, end)
    event = Event(name, 1, Kind.DIGEST, FLEET, end, VIGIL, key=name)
    trends, minor = sum(len(each.trends) for each in found.models), sum(len(each.minor) for each in found.models)
    headline = f"Digest: {plural(trends, 'trend')}, {plural(minor, 'minor incident')}"
    body = bare_body(headline, digest_text(found).splitlines(), name=name, model=FLEET, at=end)
    messages = tuple(
        Message(f"{name}:{channel}", name, 1, channel, MessageKind.TRIGGER, body, now, sent_at(settings, channel, Tier.P2, now))
        for channel in settings.digest_channels
    )
    store.record_alerts(None, model=FLEET, at=now, events=[event], messages=messages)
    return messages
