"""An incident in words: a headline under ten words, at most two lines of context, one link. One way for every channel and command."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from vigil.alerts.incident import Incident, State
from vigil.alerts.reading import Signal
from vigil.decision.phrases import number, percent
from vigil.measurement import Layer
from vigil.performance.maturity import LABEL_MATURITY

MOST_WORDS = 9
LONGEST_LINE = 300  # characters; convention: two of them fit a telephone's notification
NAMES = {
    "data_fault": "data at fault",
    "release": "worse since a release",
    "covariate": "inputs have drifted",
    "concept": "relation has changed",
    "seasonal": "seasonal change",
    "infrastructure": "infrastructure is disturbed",
    "unknown": "out of bounds",
}
LAYERS = {
    Layer.DATA_QUALITY: "data quality",
    Layer.DRIFT: "drift",
    Layer.PERFORMANCE: "performance",
    Layer.SYSTEM: "system",
    Layer.BUSINESS: "business",
}


def title_of(model: str, kind: str, signals: Sequence[Signal]) -> str:
    """Return what an incident is called: model, suspected cause, first signal; under ten words.

    >>> title_of("churn", "data_fault", [Signal("data_quality", "expect_column_values_to_not_be_null", "age")])
    'churn: data at fault (age)'
    """
    first = signals[0] if signals else None
    named = "labels are overdue" if signals and all(signal.metric == LABEL_MATURITY for signal in signals) else NAMES[kind]
    more = {s.subject for s in signals if s.layer == Layer.DATA_QUALITY == first.layer and s.subject != first.subject} if first else ()
    about = "" if first is None else f" ({_name(first)}{f' +{len(more)}' if more else ''})"
    return shortened(f"{model}: {named}{about}")


def _name(signal: Signal) -> str:
    return " ".join((signal.metric if signal.subject == "*" else signal.subject).split())


def shortened(text: str) -> str:
    words = text.split()
    return " ".join(words) if len(words) <= MOST_WORDS else " ".join([*words[: MOST_WORDS - 1], words[MOST_WORDS - 1].rstrip(",;:") + "…"])


def headline(incident: Incident, *, calmer: bool = False) -> str:
    """Return tier, what it is, and where it stands where that is not plain: at most nine words.

    An opened incident is told by its title alone. Where something else than what began it made it as urgent as it is, that is named.
    ``calmer``: it is told to those for whom it is over because it became less urgent.
    """
    unnamed = _unnamed(incident)
    again = f" – {unnamed} again" if unnamed else " – again"
    goes_on = f", now {unnamed}" if unnamed else ""
    tail = " – calmer" if calmer else {State.RESOLVED: " – resolved", State.REOPENED: again}.get(incident.state, goes_on)
    words = incident.title.split()[: MOST_WORDS - 1 - len(tail.split())]
    return f"{incident.tier} {' '.join(words)}{tail}"


def _unnamed(incident: Incident) -> str:
    """Return the newest of what is most urgent, in one word, where the title names none of it; else nothing."""
    urgent = [
        (seen.breaches[-1], "".join(_name(signal).split()[:1]))
        for signal, seen in incident.signals.items()
        if seen.tier is incident.tier and seen.breaches  # a window that was looked at again may be in bounds after all
    ]
    named = any(f"({word}" in incident.title for _, word in urgent)
    return max(urgent)[1] if urgent and not named else ""


def context_lines(incident: Incident) -> tuple[str, ...]:
    """Return at most two lines: why that cause is suspected, and what is out of bounds or what was decided."""
    lines = []
    if incident.causes:
        lines.append(f"Suspected: {incident.causes[0]['cause'].replace('_', ' ')}: {incident.causes[0]['why']}.")
    worst = sorted(incident.signals.items(), key=lambda item: (item[1].tier.value, -(item[1].excess or 0.0), item[0]))[:2]
    told = [(signal, seen) for signal, seen in worst if seen.value is not None]
    said = "; ".join(f"{signal} is {number(seen.value)} (limit {number(seen.threshold)})" for signal, seen in told)
    decided = dict(incident.context.get("decision") or {})
    tail = f" Decided: {decided['action']}." if decided else ""
    if said or tail:
        lines.append(f"{said}.{tail}" if said else tail.strip())
    return tuple(shorten(" ".join(line.split()), LONGEST_LINE, placeholder=" …") for line in lines[:2])


def account(incident: Incident) -> list[str]:
    """Return the whole incident for a person, line by line."""
    lines = [
        f"{incident.incident_id}  {headline(incident)}",
        "",
        f"  state     {incident.state}, since {incident.changed_at:%Y-%m-%d %H:%M UTC}",
        f"  owner     {incident.owner or 'nobody'}",
        f"  windows   first breach {incident.first[:10]}, last {incident.last[:10]}",
    ]
    if incident.muted_until is not None:
        lines.append(f"  muted     until {incident.muted_until:%Y-%m-%d %H:%M UTC}")
    if incident.fleet is not None:
        lines.append(f"  part of   {incident.fleet}")
    if incident.members:
        lines.append(f"  members   {', '.join(incident.members)}")
    for rank, cause in enumerate(incident.causes, start=1):
        since = f", since {cause['since'][:10]}" if "since" in cause else ""
        lines.append(f"  cause {rank}   {cause['cause'].replace('_', ' ')} ({number(cause['weight'])}{since}): {cause['why']}")
    for signal, seen in sorted(incident.signals.items(), key=lambda item: (item[1].tier.value, item[0])):
        value = "" if seen.value is None else f": {number(seen.value)}, limit {number(seen.threshold)}"
        breaches = len(seen.breaches)
        lines.append(f"  {seen.tier}        {LAYERS[Layer(signal.layer)]}, {signal}{value}, in {breaches} window{'s' * (breaches != 1)}")
    context = incident.context
    for name, key in (("features", "features"), ("segments", "segments")):
        shares = dict(context.get(key) or {})
        if shares:
            largest = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"  {name}  {', '.join(f'{each} {percent(share)}' for each, share in largest)} of the change")
    lines += [f"  before    {change}" for change in context.get("changes") or ()]
    decided = dict(context.get("decision") or {})
    if decided:
        lines.append(f"  decided   {decided['action']}: {decided['reason']}")
    if context.get("playbook"):
        lines.append(f"  playbook  {context['playbook']}")
    return lines
