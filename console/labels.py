"""Commands about ground truth: ``labels plan`` asks for labels, ``import`` takes them, ``status`` and ``check`` show what is known."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Column, Json, print_json, print_table, say
from console.session import moment, session_of, window_of

if TYPE_CHECKING:
    from vigil.labels.plan import Plan
    from vigil.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="MOMENT", help="Labels known by then. Default: now.")]


@app.command()
def plan(
    context: typer.Context,
    model: ModelArgument,
    budget: Annotated[int | None, typer.Option("--budget", min=2, help="How many labels to ask for. Default: labels.budget.")] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="DATE", help="A moment in the window. Default: the latest that is due.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another plan of the same window.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The request, .csv or .parquet. Default: requests/ of the project.")
    ] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Choose which predictions to have labelled, and write them to a file. The same call again is the same plan."""
    from vigil.labels.keeping import budget_now, kept_plan
    from vigil.labels.request import write_request

    work = workspace(context, model)
    budget = budget or budget_now(work.store, work.spec)
    if budget is None:
        raise UsageError(f"how many labels? Give --budget N, or labels.budget in the specification of {model}")
    now = datetime.now(UTC) if as_of is None else moment(as_of)
    of = window_of(work.source, work.spec, window, now)
    made = kept_plan(work.source, work.store, work.spec, of, budget=budget, seed=seed, now=now)
    path = out or work.project.path(f"requests/{model}-{of.start.date()}-{made.plan_id}.csv")
    write_request(work.source, work.spec, made, path)
    row = _plan_row(made, path)
    if as_json:
        print_json([row])
        return
    print_table(row["strata"], STRATA, empty="no stratum")
    say(f"{len(made.chosen)} predictions of {of.key} to label, {len(made.control)} of them a control drawn from all rows alike: {path}")
    say(f"Fill in `{work.spec.columns.label}`, then: vigil labels import {model} {path}")


@app.command(name="import")
def import_(
    context: typer.Context,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A request, filled in.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Take in a request that was filled in. All of it, or with an error that names row and column nothing."""
    from dataclasses import asdict

    from vigil.labels.answers import import_answers
    from vigil.labels.keeping import plans_of

    work = workspace(context, model)
    now = datetime.now(UTC) if as_of is None else moment(as_of)
    done = import_answers(work.source, work.spec, plans_of(work.store, model), file, now=now)
    if as_json:
        print_json([asdict(done) | {"path": str(done.path) if done.new else None}])
    else:
        said = f": {done.path}" if done.new else " (imported before; nothing changed)."
        say(f"{done.answered} of {done.asked} labels of plan {done.plan_id}{said}")


@app.command()
def status(
    context: typer.Context,
    model: ModelArgument,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.html", help="Also draw the metric by window, estimates hatched, as a page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the labels of each window. How many, how mature, what is still needed to decide, and which plans are open."""
    work = workspace(context, model)
    rows = _status_rows(work)
    if plot is not None and rows:
        from console.labels_plot import page_of

        plot.write_text(page_of(rows), encoding="utf-8")
    if as_json:
        print_json(rows)
    else:
        print_table(rows, STATUS, empty=f"no window of {model} was looked at yet; do with `vigil run {model}`")


@app.command()
def check(context: typer.Context, model: ModelArgument, as_json: Json = False) -> None:
    """Look for labels of no prediction, in conflict at one moment, and from the future. How many, and one of each."""
    from dataclasses import asdict

    from vigil.labels.check import check_labels

    work = workspace(context, model)
    rows = [asdict(found) | {"verdict": found.verdict} for found in check_labels(work.source, work.spec, datetime.now(UTC))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, CHECK, empty="nothing was looked for")


def _plan_row(made: Plan, path: Path) -> dict[str, Any]:
    control = Counter(stratum for each, stratum in made.chosen if each in made.control)
    strata = [
        {"stratum": number, "labels": asked, "control": control[number], "probability": chance}
        for number, (asked, chance) in enumerate(zip(made.design.asked, made.probability, strict=True))
    ]
    return {
        "model": made.model,
        "plan_id": made.plan_id,
        "window_start": made.window.start,
        "window_end": made.window.end,
        "budget": made.budget,
        "seed": made.seed,
        "labels": len(made.chosen),
        "control": len(made.control),
        "segment": made.design.segment,
        "path": str(path),
        "strata": strata,
    }


def _status_rows(work: Workspace) -> list[dict[str, Any]]:
    from console.rows import find
    from vigil.labels.control import control_of
    from vigil.labels.keeping import plans_of
    from vigil.labels.plan import labels_needed
    from vigil.measurement import Layer
    from vigil.performance.label_free import PREFIX

    evaluations = work.store.evaluations(work.spec.model)
    measured = work.store.measurements([each.evaluation_id for each in evaluations])
    plans = plans_of(work.store, work.spec.model)
    answered = work.source.answered_plans()
    rows = []
    for evaluation in evaluations:
        metric = find(measured[evaluation.evaluation_id], Layer.PERFORMANCE, work.spec.performance.metric.value)
        mature = find(measured[evaluation.evaluation_id], Layer.PERFORMANCE, "label_maturity")
        estimate = find(measured[evaluation.evaluation_id], Layer.PERFORMANCE, PREFIX + work.spec.performance.metric.value)
        here = [plan for plan in plans if plan.window == evaluation.window]
        control = control_of(work.source, work.spec, here, evaluation.window, evaluation.as_of)
        alone = None if control is None else control.found
        rows.append(
            {
                "model": work.spec.model,
                "window_start": evaluation.window.start,
                "window_end": evaluation.window.end,
                "as_of": evaluation.as_of,
                "predictions": evaluation.rows,
                "labels": evaluation.labels,
                "maturity": None if mature is None else mature.value,
                "metric": work.spec.performance.metric,
                "value": None if metric is None else metric.value,
                "low": None if metric is None else metric.low,
                "high": None if metric is None else metric.high,
                "threshold": None if metric is None else metric.threshold,
                "verdict": None if metric is None else metric.verdict,
                "estimated": None if estimate is None else estimate.value,
                "estimated_low": None if estimate is None else estimate.low,
                "estimated_high": None if estimate is None else estimate.high,
                "labels_needed": None if metric is None else labels_needed(metric, work.spec),
                "control_asked": None if control is None else control.asked,
                "control_labels": None if control is None else control.answered,
                "control_value": None if alone is None else alone.value,
                "control_low": None if alone is None else alone.low,
                "control_high": None if alone is None else alone.high,
                "plans_open": [plan.plan_id for plan in here if plan.plan_id not in answered],
                "plans_answered": [plan.plan_id for plan in here if plan.plan_id in answered],
            }
        )
    return rows


def workspace(context: typer.Context, model: str) -> Workspace:
    """Open the model of the project that the command is about."""
    from vigil.workspace import Workspace

    return Workspace.open(session_of(context).folder(), model)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _needed(row: Any) -> str:
    if row["metric"] is None or row["verdict"] is None:
        return "–"
    if row["labels_needed"] is None:
        return "too close"
    if row["labels_needed"] > row["predictions"] - row["labels"]:
        return "more than there are"
    return "decided" if row["labels_needed"] == 0 else f"{row['labels_needed']:,}"


def _control(row: Any) -> str:
    if row["control_asked"] is None:
        return "–"
    came = f"{row['control_labels']} of {row['control_asked']}"
    value, low, high = (row[f"control_{name}"] for name in ("value", "low", "high"))
    return came if value is None else f"{came}: {_number(value)} ({_number(low)} to {_number(high)})"


CHECK = (
    Column("labels", lambda row: row["oddity"]),
    Column("predictions", lambda row: f"{row['count']:,}", right=True),
    Column("such as", lambda row: "–" if row["example"] is None else str(row["example"])),
    Column("verdict", lambda row: row["verdict"]),
)
STRATA = (
    Column("stratum", lambda row: str(row["stratum"]), right=True),
    Column("labels", lambda row: str(row["labels"]), right=True),
    Column("of them control", lambda row: str(row["control"]), right=True),
    Column("probability", lambda row: _number(row["probability"]), right=True),
)
STATUS = (
    Column("window of", lambda row: row["window_start"].date().isoformat()),
    Column("predictions", lambda row: f"{row['predictions']:,}", right=True),
    Column("labels", lambda row: f"{row['labels']:,}", right=True),
    Column("maturity", lambda row: "–" if row["maturity"] is None else f"{row['maturity']:.0%}", right=True),
    Column("value", lambda row: _number(row["value"]), right=True),
    Column("interval", lambda row: "–" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}"),
    Column("verdict", lambda row: row["verdict"] or "–"),
    Column("estimate, no labels", lambda row: _number(row["estimated"]), right=True),
    Column("still needed", _needed, right=True),
    Column("control alone", _control),
    Column("plans", lambda row: f"{len(row['plans_open'])} open, {len(row['plans_answered'])} answered"),
)
