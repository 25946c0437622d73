"""Alert thresholds that ``tune`` proposes: as a table, as YAML to paste, and for machines. :mod:`vigil.alerts.tune` proposes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING, Any

from console.output import Column, print_table

if TYPE_CHECKING:
    from vigil.alerts.tune import Record, Tuning
    from vigil.spec.alerts import AlertRule


def alert_rows(found: Tuning) -> list[dict[str, Any]]:
    """One row a signal, and one of all together (``signal``: null)."""
    rows = [
        {
            "tunes": "alerts",
            "signal": each.signal._asdict(),
            "present": each.present.model_dump(mode="json"),
            "proposed": None if each.proposed is None else _plain(each.proposed),
            "why": each.why,
            "now": _record(each.now),
            "then": None if each.then is None else _record(each.then),
        }
        for each in found.signals
    ]
    together = {"now": _record(found.now), "then": _record(found.then), "budget": found.budget}
    return [*rows, {"tunes": "alerts", "signal": None, **together, "chosen_by": found.chosen_by, "held_back": found.held_back}]


def print_alerts(found: Tuning) -> None:
    """Print what is proposed, how it did on the windows held back, and the YAML that brings it about."""
    from vigil.decision.confirmation import plural_alarms
    from vigil.decision.phrases import plural

    print_table(
        [{"each": each} for each in found.signals],
        [
            Column("alerted", lambda r: str(r["each"].signal), fold=True),
            Column("now", lambda r: _threshold(r["each"].present)),
            Column("proposed", lambda r: "–" if r["each"].proposed is None else _threshold(r["each"].proposed)),
            Column("false alarms a year, now", lambda r: _alarms(r["each"].now), right=True),
            Column("then", lambda r: "–" if r["each"].then is None else _alarms(r["each"].then), right=True),
            Column("incidents, now", lambda r: _seen(r["each"].now), right=True),
            Column("then", lambda r: "–" if r["each"].then is None else _seen(r["each"].then), right=True),
            Column("why", lambda r: r["each"].why, fold=True),
        ],
        empty="No signal of this model is alerted at once by a limit.",
    )
    if not found.signals:
        return
    spans = f"Chosen by {plural(found.chosen_by, 'window')}; counted in the {found.held_back} after them, which did not choose."
    budget = f"The model may have {plural_alarms(found.budget)} a year (policy.false_alarms_per_year)."
    sys.stdout.write(f"{spans} {budget}\n")
    sys.stdout.write(
        f"All together: {_alarms(found.now)} false alarms a year now, {_alarms(found.then)} then; "
        f"incidents found {_seen(found.now)} now, {_seen(found.then)} then.\n"
    )
    for name in sorted(found.now.found):
        sys.stdout.write(f"  {name}: {_when(found.now.found[name])} now, {_when(found.then.found[name])} then\n")
    if not found.rules:
        sys.stdout.write("No threshold is proposed.\n")
        return
    sys.stdout.write("\n" + yaml_of(found.rules))


def yaml_of(rules: Sequence[AlertRule]) -> str:
    """Return rules as they stand in a model's file: what is at its default is left out.

    >>> from vigil.spec.alerts import AlertRule
    >>> print(yaml_of([AlertRule(layer="system", metric="latency_p95_ms", subject="*", tier="P1", above=61.2)]), end="")
    alerts:
      rules:
        - {layer: system, metric: latency_p95_ms, subject: '*', tier: P1, above: 61.2}
    """
    from ruamel.yaml import YAML

    yaml, lines = YAML(), ["alerts:", "  rules:"]
    yaml.default_flow_style, yaml.width = True, 10_000
    for rule in rules:
        text = StringIO()
        yaml.dump(_plain(rule), text)
        lines.append(f"    - {text.getvalue().strip()}")
    return "\n".join(lines) + "\n"


def _plain(rule: AlertRule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)


def _record(record: Record) -> dict[str, Any]:
    return asdict(record) | {"false_alarms_a_year": record.a_year}


def _threshold(rule: AlertRule) -> str:
    """A rule in a few words: its limit, and how long it lasts."""
    from vigil.decision.phrases import number, percent

    if rule.dynamic is not None:
        sides = [name for name in ("below", "above") if getattr(rule.dynamic, name)]
        limit = f"{' or '.join(sides)} the weekday's {percent(1 - rule.dynamic.false_alarms)}"
    else:
        ends = {"below": rule.below, "above": rule.above}
        times = " times its baseline" if rule.of_baseline else ""
        limit = " or ".join(f"{name} {number(end)}{times}" for name, end in ends.items() if end is not None) or "as measured"
    return limit if rule.sustained.n == 1 else f"{limit}, in {rule.sustained.k} of {rule.sustained.n}"


def _alarms(record: Record) -> str:
    return "–" if record.a_year is None else f"{record.a_year:.1f} ({record.alarms} in {record.windows})"


def _seen(record: Record) -> str:
    return f"{record.seen} of {len(record.found)}"


def _when(after: int | None) -> str:
    from vigil.decision.phrases import plural

    if after is None:
        return "missed"
    return "when it was opened" if after == 0 else f"{plural(abs(after), 'window')} {'later' if after > 0 else 'earlier'}"
