"""The year in the terminal: one line a week, the two models' AUC, what was refused and why, where to look next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from examples.flights.faults import FAULTS
from examples.flights.feed import cached_flights
from examples.flights.year import Week, contest, incidents_by_fault, refused_in_training, weeks_of
from vigil.alerts.alerting import incidents_of
from vigil.alerts.incident import Incident
from vigil.decision.phrases import number, percent, plural
from vigil.decision.types import Action
from vigil.measurement import Measurement, Verdict
from vigil.project import Project
from vigil.store.records import RetrainingState, Version

BARS = "▁▂▃▄▅▆▇█"
STYLES = {Verdict.BREACH: "red", Verdict.WARNING: "yellow", Verdict.NOT_ENOUGH_DATA: "dim", Verdict.OK: ""}
ACTIONS = {Action.RETRAIN: "bold magenta", Action.FIX_DATA: "bold red"}


def show_year(project: Project, model: str, cache: Path, console: Console) -> None:
    """Print what came of the weeks that were played."""
    spec = project.model(model)
    with project.store() as store:
        weeks = weeks_of(project.folder, cached_flights(cache), spec, store)
        versions = store.versions(model)
        incidents = tuple(incidents_of(store, model).values())
    console.print(year_table(weeks))
    show_contest(weeks, console)
    show_refusals(weeks, versions, console)
    show_incidents(incidents, console)
    show_next(project, model, weeks, console)


def year_table(weeks: Sequence[Week]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("week of", "quality", "drift", "AUC (95 % interval)", "decision", "version"):
        table.add_column(title, justify="right" if title == "drift" else "left", no_wrap=True)
    for week in weeks:
        quality = Text("ok") if not week.failed else Text(f"{plural(len(week.failed), 'check')} failed", style="red")
        table.add_row(
            week.window.start.date().isoformat(),
            quality,
            _drift(week.drift),
            _performance(week.performance),
            _decision(week),
            f"v{week.version}",
        )
    return table


def show_contest(weeks: Sequence[Week], console: Console) -> None:
    """Print both models' weekly AUC as bars on one scale, and their means."""
    found = contest(weeks)
    kept = [auc for week in weeks if not week.refused for auc in (week.looped_auc, week.frozen_auc)]
    low, high = min(kept), max(kept)
    console.print(f"\n[bold]AUC by week on the outcomes of all flights[/], {number(low)} to {number(high)}; a gap is a refused week")
    for name, aucs in (("looped", [w.looped_auc for w in weeks]), ("frozen", [w.frozen_auc for w in weeks])):
        bars = "".join(" " if week.refused else bar(auc, low, high) for week, auc in zip(weeks, aucs, strict=True))
        mean = found.looped if name == "looped" else found.frozen
        console.print(f"  {name}  {bars}  mean {mean:.4f}")
    console.print(
        f"          {''.join(_mark(week) for week in weeks)}  [dim]^ retrained and promoted, ' retrained and kept the champion[/]"
    )
    console.print(
        f"  Over {found.weeks} weeks the looped model's mean weekly AUC is {found.looped - found.frozen:+.4f} against version 1 kept all "
        f"year; where the two differ it is better in {found.better} of {plural(found.differing, 'week')}."
    )


def show_refusals(weeks: Sequence[Week], versions: Sequence[Version], console: Console) -> None:
    console.print("\n[bold]Refused[/]")
    for week in weeks:
        if week.refused:
            console.print(f"  week of {week.window.start.date()}  {week.decision.reason}", markup=False)
    for week in weeks:
        if week.retraining is not None and week.retraining.state in (RetrainingState.KEPT, RetrainingState.FAILED):
            challenger = f"challenger v{week.retraining.challenger}" if week.retraining.challenger else "retraining"
            console.print(f"  week of {week.window.start.date()}  {challenger}: {week.retraining.reason}", markup=False)
    used = refused_in_training(weeks, versions)
    if used:
        console.print(f"  [bold red]Refused weeks were trained on or compared on: {used}[/]")
    else:
        console.print(f"  No refused week is in the training or comparison of any of {plural(len(versions), 'version')}, by their lineage.")


def show_incidents(incidents: Sequence[Incident], console: Console) -> None:
    """Print how many incidents each planted fault made, and those that no planted fault explains."""
    console.print("\n[bold]Incidents[/]")
    by_fault, others = incidents_by_fault(incidents, FAULTS)
    for fault, found in by_fault.items():
        said = "; ".join(f"{each.incident_id} {each.tier} {each.title}" for each in found)
        console.print(f"  week of {fault.week.start.date()}  {fault.what}: {plural(len(found), 'incident')}  {said}", markup=False)
    for each in others:
        console.print(f"  from {each.first[:10]} to {each.last[:10]}  {each.incident_id} {each.tier} {each.title}", markup=False)


def show_next(project: Project, model: str, weeks: Sequence[Week], console: Console) -> None:
    retrained = [week for week in weeks if week.decision.action is Action.RETRAIN]
    day = (retrained or list(weeks))[0].window.start.date()
    at = f"{_program()} --project {_short(project.folder)}"
    console.print("\n[bold]Where to look next[/]")
    for command, what in (
        (f"{at} why {model} {day}", "why that was decided, in plain words with the numbers"),
        (f"{at} decisions {model} --json", "all decisions with their gates"),
        (f"{at} incidents --all", "incidents; `vigil incident ID` shows one with its suspected causes"),
        (f"{at} up", "Prefect's and MLflow's pages: runs and artifacts, versions and their lineage"),
        (f"{_short(project.path(project.spec.reports) / model)}/", "Evidently's reports of the weeks in breach"),
        (
            f"{_short(project.path('reviews'))}/",
            "what the last week's planned review lists for a person to look at",
        ),
        (f"{_short(project.folder)}/models/{model}.yaml", "everything that was specified"),
        ("examples/flights/faults.py", "the three faults that were planted"),
    ):
        console.print(f"  [bold]{escape(command)}[/]  [dim]{what}[/]")


def bar(value: float, low: float, high: float) -> str:
    """Return the bar of ``value`` on a scale from low to high.

    >>> bar(0.5, 0.5, 0.7), bar(0.7, 0.5, 0.7)
    ('▁', '█')
    """
    share = (value - low) / (high - low) if high > low else 0.0
    return BARS[min(max(int(share * len(BARS)), 0), len(BARS) - 1)]


def _drift(measured: Measurement | None) -> Text:
    if measured is None or measured.value is None:
        return Text("–", style="dim")
    return Text(percent(measured.value), style=STYLES[measured.verdict])


def _performance(measured: Measurement | None) -> Text:
    if measured is None or measured.value is None or measured.low is None or measured.high is None:
        return Text("–", style="dim")
    return Text(f"{measured.value:.3f} ({measured.low:.3f} to {measured.high:.3f})", style=STYLES[measured.verdict])


def _decision(week: Week) -> Text:
    action = Text(week.decision.action.value, style=ACTIONS.get(week.decision.action, ""))
    if week.retraining is not None:
        became = f" v{week.retraining.challenger}" if week.retraining.challenger else ""
        action.append(f" ->{became} {week.retraining.state.value.replace('_', ' ')}", style="not bold")
    return action


def _mark(week: Week) -> str:
    if week.retraining is None:
        return " "
    return "^" if week.retraining.state is RetrainingState.PROMOTED else "'"


def _program() -> str:
    """Return how the command was called, so that what is printed can be pasted: ``.venv/bin/vigil`` where it is not on the path."""
    called = Path(sys.argv[0])
    return _short(called.absolute()) if called.name == "vigil" and shutil.which("vigil") is None else "vigil"


def _short(path: Path) -> str:
    """Return the path relative to the current folder where it lies in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
