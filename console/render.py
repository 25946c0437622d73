"""How rows read in a terminal. Words about a decision come from :mod:`vigil.decision.words`; nothing is computed here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from console.output import Column, Row, console, print_table
from vigil.decision.markdown import CRITERIA, LOOKS, criterion_cells, look_cells
from vigil.decision.phrases import number, percent, plural, when

if TYPE_CHECKING:
    from vigil.decision.words import Explanation

MOST_MEASUREMENTS = 12  # of those in breach or warning; the rest is in --json


def print_status(rows: Sequence[Row]) -> None:
    print_table(
        rows,
        [
            Column("model", lambda r: r["model"]),
            Column("champion", lambda r: "none" if r["version"] is None else f"v{r['version']}"),
            Column("window", lambda r: window(r)),
            Column("quality", lambda r: {True: "ok", False: "breach", None: "–"}[r["quality_passed"]]),
            Column("drift", lambda r: figure(r, "drift_share"), right=True),
            Column("performance", lambda r: "–" if r["performance"] is None else f"{r['metric']} {figure(r, 'performance')}"),
            Column("decision", lambda r: r["action"] or "–"),
            Column("waits for", lambda r: ", ".join(f"approval of {d}" for d in r["waiting_for_approval"]) or "–", fold=True),
        ],
        empty="No models yet: add models/NAME.yaml (see `vigil init`).",
    )
    for row in rows:
        if row["version"] is None:
            sys.stdout.write(f"{row['model']} has no champion yet: `vigil adopt {row['model']}` trains and registers its first version.\n")
        if row["promoted"] == "outside":
            sys.stdout.write(
                f"{row['model']}: v{row['version']} was made champion in MLflow, past vigil, and is watched since {when(row['since'])}: "
                f"`vigil history {row['model']}`.\n"
            )
        for decision in row["waiting_for_approval"]:
            sys.stdout.write(f'{row["model"]} waits for you: `vigil approve {decision} --reason "..."` or `vigil reject ...`.\n')


def print_decisions(rows: Sequence[Row], model: str) -> None:
    print_table(
        rows,
        [
            Column("window", lambda r: window(r)),
            Column("version", lambda r: f"v{r['version']}"),
            Column("action", lambda r: str(r["action"])),
            Column("reason", lambda r: r["reason"], fold=True),
            Column("retraining", lambda r: _retraining(r)),
            Column("decision", lambda r: r["decision_id"]),
        ],
        empty=f"No decisions about {model} there; `vigil run {model}` looks at its latest window.",
    )


def print_history(rows: Sequence[Row], model: str) -> None:
    print_table(
        rows,
        [
            Column("when", lambda r: when(r["at"])),
            Column("what", lambda r: str(r["event"]).replace("_", " ")),
            Column("version", lambda r: "–" if r["version"] is None else f"v{r['version']}"),
            Column("after", lambda r: "–" if r["replaced"] is None else f"v{r['replaced']}"),
            Column("held out", lambda r: "–" if r["baseline"] is None else f"{r['metric']} {number(r['baseline'])}"),
            Column("by", lambda r: r["by"] or "–", fold=True),
            Column("why", lambda r: r["reason"] or "–", fold=True),
            Column("decision", lambda r: r["decision_id"] or "–"),
        ],
        empty=f"{model} has no version yet; `vigil adopt {model}` trains and registers the first.",
    )


def print_why(explanation: Explanation, row: Row, measurements: Sequence[Row], reports: Sequence[str], *, earlier: int) -> None:
    """Print the explanation, then what was out of bounds with value, threshold and verdict, then where more can be read."""
    sys.stdout.write(explanation.text() + "\n\n")
    notable = [m for m in measurements if m["verdict"] in ("breach", "warning")]
    if notable:
        notable.sort(key=lambda m: (m["verdict"] != "breach", m["subject"] != "*"))
        print_table(
            notable[:MOST_MEASUREMENTS],
            [
                Column("out of bounds", lambda m: f"{m['metric']} of {m['subject']}" if m["subject"] != "*" else str(m["metric"])),
                Column("value", lambda m: number(m["value"]), right=True),
                Column("interval", lambda m: interval(m["low"], m["high"]), right=True),
                Column("threshold", lambda m: number(m["threshold"]) if m["threshold"] is not None else "–", right=True),
                Column("rows", lambda m: f"{m['n']:,}", right=True),
                Column("verdict", lambda m: str(m["verdict"])),
            ],
            empty="",
        )
        if len(notable) > MOST_MEASUREMENTS:
            sys.stdout.write(f"and {len(notable) - MOST_MEASUREMENTS} more (--json shows all)\n")
        sys.stdout.write("\n")
    if row["estimate"] is not None:
        sys.stdout.write(row["estimate"] + "\n")
    if row["retraining"] is not None:
        sys.stdout.write(f"It started a retraining: {_retraining(row)}.\n")
    criteria = (row["comparison"] or {}).get("criteria", ())
    if criteria:
        print_table(criteria, [Column(title, partial(_cell, place)) for place, title in enumerate(CRITERIA)], empty="")
    if row["looks"]:
        print_table(row["looks"], [Column(title, partial(_look_cell, place)) for place, title in enumerate(LOOKS)], empty="")
    if row["approval"] is not None and row["retraining"] == "waiting_for_approval":
        asked = row["approval"]
        sys.stdout.write(
            f"May v{asked['challenger']} serve in place of v{asked['champion']}? Answer until {when(asked['expires_at'])}: "
            f'`vigil approve {asked["decision_id"]} --evidence {asked["evidence"][:12]} --reason "..."` or `vigil reject ...`.\n'
        )
    for attempt in row["training_attempts"]:
        ended = str(attempt["outcome"]).replace("_", " ")
        said = f": {attempt['message']}" if attempt["message"] else ""
        sys.stdout.write(f"Training attempt {attempt['number']}: {ended} after {attempt['seconds']:.1f} s{said}.\n")
    if row["payoff"] is not None:
        sys.stdout.write(f"Did it pay? {row['payoff']['sentence']}\n")
    for report in reports:
        sys.stdout.write(f"Report: {report}\n")
    again = f"; {earlier} earlier of this window, before its rows or labels changed" if earlier else ""
    sys.stdout.write(f"Decision {row['decision_id']}, version {row['version']}, as of {when(row['as_of'])}{again}.\n")


def _cell(place: int, criterion: Row) -> str:
    return criterion_cells(criterion)[place]


def _look_cell(place: int, look: Row) -> str:
    return look_cells(look)[place]


def print_checks(rows: Sequence[Row], *, by_model: bool) -> None:
    columns = [
        Column("check", lambda r: r["check"]),
        Column("verdict", lambda r: r["verdict"]),
        Column("found", lambda r: r["message"], fold=True),
    ]
    print_table(rows, [Column("model", lambda r: r["model"]), *columns] if by_model else columns, empty="Nothing to check.")


def window(row: Row) -> str:
    start, end = row["window_start"], row["window_end"]
    return "–" if start is None else f"{when(start)} – {when(end)}"


def figure(row: Row, name: str) -> str:
    value, verdict = row[name], row[f"{name}_verdict"]
    if verdict is None:
        return "–"
    return str(verdict).replace("_", " ") if value is None else f"{number(value)} {verdict}"


def interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{number(low)} to {number(high)}"


def _retraining(row: Row) -> str:
    if row["retraining"] is None:
        return "–"
    state = str(row["retraining"]).replace("_", " ")
    return f"{state} (v{row['challenger']})" if row["challenger"] is not None else state


def print_route(row: Row, served: Row) -> None:
    """Say who serves which share, and who serves an id where one was asked about."""
    if row["challenger"] is None:
        sys.stdout.write(f"{row['model']}: v{row['champion']} serves all.\n")
    else:
        sys.stdout.write(
            f"{row['model']}: v{row['challenger']} serves {percent(row['share'])}, v{row['champion']} the rest "
            f"(salt {row['salt']}, {row['looked']} of {plural(row['windows'], 'window')} looked at).\n"
        )
    if served:
        console().print(f"{served['id']}: v{served['version']}", markup=False)


def print_retraining(row: Row) -> None:
    """Say in one sentence where a retraining stands."""
    by = f" by {row['by']}" if row["by"] else ""
    challenger = f", challenger v{row['challenger']}" if row["challenger"] else ""
    state = str(row["state"]).replace("_", " ")
    reason = f": {row['reason']}" if row["reason"] else ""
    console().print(f"{row['model']}, decision {row['decision_id']}{challenger}: {state}{by}{reason}", markup=False)
