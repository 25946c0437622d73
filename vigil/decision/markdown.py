"""A decision as Markdown for operators: the explanation, what was out of bounds, and where the reports lie.

The words are those of :mod:`vigil.decision.words`; here they only get a form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vigil.decision.findings import estimate_of
from vigil.decision.phrases import number
from vigil.decision.types import Decision
from vigil.decision.words import explain
from vigil.measurement import WHOLE, Measurement, Verdict
from vigil.store.records import ChallengerLook, Retraining
from vigil.window import Window

_ORDER = {Verdict.BREACH: 0, Verdict.WARNING: 1, Verdict.NOT_ENOUGH_DATA: 2, Verdict.OK: 3}
_SHOWN = 30  # rows of the table at most; the store has all


def decision_markdown(decision: Decision, measurements: Sequence[Measurement], reports: Mapping[str, str]) -> str:
    """Return the page that an operator sees for one decision."""
    explanation = explain(decision)
    lines = [f"## {decision.action.value}", "", escaped(explanation.headline), ""]
    lines += table(("", "gate", "answer"), explanation.gates)
    lines += ["", f"**What would have changed it:** {escaped(explanation.would_have_changed)}", ""]
    notable = sorted((m for m in measurements if m.threshold is not None), key=lambda m: (_ORDER[m.verdict], m.key))
    rows = [(m.verdict.value, m.layer.value, m.metric, m.subject, number(m.value), number(m.threshold), f"{m.n:,}") for m in notable]
    lines += ["### Measured against thresholds", ""]
    lines += table(("verdict", "layer", "metric", "subject", "value", "threshold", "n"), rows[:_SHOWN])
    if len(rows) > _SHOWN:
        lines += ["", f"and {len(rows) - _SHOWN} more in the store."]
    estimate = estimate_of(measurements)
    if estimate is not None:
        lines += ["", f"*{escaped(estimate)}*"]
    if reports:
        lines += ["", "### Reports", ""] + [f"- {escaped(kind)}: `{path}`" for kind, path in sorted(reports.items())]
    lines += ["", f"decision `{decision.decision_id}` · evaluation `{decision.evaluation_id}` · version {escaped(decision.version)}"]
    return "\n".join(lines)


def retraining_markdown(retraining: Retraining, decision: Decision, looks: Sequence[ChallengerLook] = ()) -> str:
    """Return the page that an operator sees for one retraining; ``looks`` are those of its shadow or canary."""
    lines = [f"## {retraining.model}: {retraining.state.value.replace('_', ' ')}", "", escaped(retraining.reason or "Under way."), ""]
    lines += [f"It was asked for because: {escaped(decision.reason)}", ""]
    rows = [("champion when it was requested", retraining.champion), ("challenger", retraining.challenger or "none yet")]
    rows += [(name.replace("_", " "), str(value)) for name, value in retraining.comparison.items() if name != "criteria"]
    if retraining.by:
        rows.append(("by", retraining.by))
    lines += table(("", ""), rows)
    criteria = retraining.comparison.get("criteria", ())
    if criteria:
        lines += ["", "### Criteria", "", *table(CRITERIA, map(criterion_cells, criteria))]
    if looks:
        lines += ["", "### Beside the champion", "", *table(LOOKS, (look_cells(look.flat()) for look in looks))]
    lines += ["", f"decision `{retraining.decision_id}`; `vigil approve {retraining.decision_id} --reason ...` where it waits for approval"]
    return "\n".join(lines)


CRITERIA = ("criterion", "group", "champion", "challenger", "difference", "interval", "limit", "p (Holm)", "n", "standing")


def criterion_cells(criterion: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a criterion of a comparison (plain JSON) as the cells of a table with the header :data:`CRITERIA`."""
    low, high = criterion["low"], criterion["high"]
    return (
        str(criterion["name"]).replace("_", " "),
        "all rows" if criterion["subject"] == WHOLE else str(criterion["subject"]),
        *(_figure(criterion[name]) for name in ("champion", "challenger", "difference")),
        "–" if low is None or high is None else f"{number(low)} to {number(high)}",
        *(_figure(criterion[name]) for name in ("limit", "p_value")),
        f"{criterion['n']:,}",
        str(criterion["standing"]).replace("_", " "),
    )


LOOKS = ("trial", "window", "champion", "challenger", "rows", "all so far: difference", "interval", "then")


def look_cells(look: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a look (of :meth:`vigil.store.records.ChallengerLook.flat`) as the cells of a table with the header :data:`LOOKS`.

    Of a canary the difference is of what each version served.
    """
    compared = look["comparison"]
    shown = next((each for each in compared["criteria"] if each["name"] == look["kind"]), compared)
    low, high = shown["low"], shown["high"]
    return (
        str(look["kind"]),
        Window(look["window_start"], look["window_end"]).key,
        *map(_figure, (look["champion"], look["challenger"])),
        f"{look['n']:,}",
        _figure(shown["difference"]),
        "–" if low is None or high is None else f"{number(low)} to {number(high)}",
        "goes on" if compared["verdict"] == "not_enough_data" else str(compared["verdict"]),
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else number(value)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; cells are escaped."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in rows]


def escaped(text: str) -> str:
    """Make text that came from data harmless in Markdown and in the HTML made of it.

    >>> escaped("a|b <script>")
    'a\\\\|b &lt;script&gt;'
    """
    harmless = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return harmless.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`").replace("[", "\\[")
