"""Commands that act. ``accept`` writes to the store, ``demo`` and ``up`` run for long, all others run a flow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.alerting import send_waiting
from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Json, console, print_json, say, working
from console.session import By, flows_of, moment, name_of, own_name, session_of, window_of

if TYPE_CHECKING:
    from vigil.project import Project

DecisionArgument = Annotated[str, typer.Argument(metavar="DECISION", help="The decision's id, from `vigil status` or `vigil decisions`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the audit trail.")]


def adopt(context: typer.Context, model: ModelArgument, by: By = None, as_json: Json = False) -> None:
    """Train, register and serve a first version. It is trained on source.reference; a model that has a champion is left as it is."""
    from dataclasses import asdict

    project = session_of(context).project()
    project.model(model)
    with working(f"training the first version of {model}"), flows_of(project):
        from flows.adopt import adopt as adopt_flow

        adopt_flow(str(project.folder), model, name_of(by))
    with project.store() as store:
        champion = store.champion(model)
    assert champion is not None
    if as_json:
        print_json([asdict(champion)])
    else:
        console().print(
            f"{model}: version {champion.version} is champion. Look at its first window with `vigil run {model}`.", markup=False
        )


def run(
    context: typer.Context,
    model: ModelArgument,
    window: Annotated[
        str | None, typer.Option("--window", metavar="START", help="A moment in the window. Default: the latest due.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="MOMENT", help="See labels up to this moment. Default: now.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Write Evidently's reports even where nothing is in breach.")] = False,
    as_json: Json = False,
) -> None:
    """Look at one window of a model, and decide. A decision to retrain is carried out at once; a second run writes nothing new."""
    from vigil.workspace import open_source

    project = session_of(context).project()
    spec = project.model(model)
    seen_at = datetime.now(UTC) if as_of is None else moment(as_of)
    chosen = window_of(open_source(project, spec), spec, window, seen_at)
    with working(f"looking at {model}, {chosen.key}"), flows_of(project):
        from flows.monitor import monitor

        seen = None if as_of is None else seen_at.isoformat()
        summary = monitor(str(project.folder), model, chosen.start.isoformat(), seen, "always" if report else "wanted")
    send_waiting(project)
    _print_made(project, [summary["decision_id"]], as_json=as_json)


def backfill(
    context: typer.Context,
    model: ModelArgument,
    start: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="The first window holds this. Default: the log's first row.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Windows that start before this. Default: the latest due.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="MOMENT", help="See labels up to this moment. Default: for each window when it was due."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at a span of windows, oldest first. Each sees the labels that were there when it was due, unless --as-of says otherwise."""
    from rich.progress import Progress

    from vigil.evaluation.due import due_between
    from vigil.workspace import open_source

    project = session_of(context).project()
    spec = project.model(model)
    now = datetime.now(UTC)
    span = None if start is None else moment(start), None if end is None else moment(end)
    windows = due_between(open_source(project, spec), spec, *span, now)
    if not windows:
        raise UsageError(f"no window of {model} in that span is due; a window is due {spec.labels.delay_days:g} days after its end")
    made = []
    bars = console(stderr=True)
    with flows_of(project), Progress(console=bars, transient=True) as progress:
        from flows.monitor import monitor

        bar = progress.add_task(f"looking at {model}", total=len(windows))
        for window in windows:
            progress.update(bar, description=f"looking at {model}, {window.key}")
            seen_at = spec.as_of(window) if as_of is None else moment(as_of)
            made.append(monitor(str(project.folder), model, window.start.isoformat(), seen_at.isoformat())["decision_id"])
            progress.advance(bar)
    send_waiting(project)
    _print_made(project, made, as_json=as_json)


def approve(
    context: typer.Context,
    decision: DecisionArgument,
    reason: Reason,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="DIGEST", help="What you read, from `vigil why`; refused where it is another now.")
    ] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Promote a challenger that waits for approval."""
    _answer(context, decision, reason, by, approve=True, evidence=evidence, as_json=as_json)


def reject(context: typer.Context, decision: DecisionArgument, reason: Reason, by: By = None, as_json: Json = False) -> None:
    """Turn down a challenger that waits for approval. The champion stays."""
    _answer(context, decision, reason, by, approve=False, evidence=None, as_json=as_json)


def rollback(
    context: typer.Context,
    model: ModelArgument,
    reason: Reason,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Default: the version that the champion replaced.")] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Bring an earlier champion back. It serves from now on, in vigil's store and in the MLflow registry."""
    from console.rows import promotion_row
    from vigil.challenger.rollback import rollback_target

    project = session_of(context).project()
    project.model(model)
    with project.store() as store:
        rollback_target(model, store.promotions(model), version)  # raises before anything is started
    with working(f"rolling {model} back"), flows_of(project):
        from flows.promote import rollback as rollback_flow

        rollback_flow(str(project.folder), model, name_of(by), reason, version)
    with project.store() as store:
        last = store.promotions(model)[-1]
    if as_json:
        print_json([promotion_row(last)])
    else:
        before = f", after v{last.replaced}" if last.replaced else ""
        console().print(f"{model}: v{last.version} is champion{before}. `vigil history {model}` tells how it came.", markup=False)


def accept(
    context: typer.Context,
    model: ModelArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of source.predictions, as the error names it.")],
    reason: Reason,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Accept a prediction file that changed or went. Needed where `source.files` is immutable; the next look takes it as it is."""
    from dataclasses import asdict

    from vigil.evaluation.batches import accept as accept_file
    from vigil.store.records import ABSENT

    project = session_of(context).project()
    spec = project.model(model)
    with project.store() as store:
        accepted = accept_file(project.folder, store, spec, file, by=name_of(by), reason=reason, at=datetime.now(UTC))
    if as_json:
        print_json([asdict(accepted)])
    else:
        now = "it is gone" if accepted.sha256 == ABSENT else f"sha256 {accepted.sha256[:12]}, {accepted.size} bytes"
        console().print(f"{model}: {accepted.path} is accepted as it is ({now}). Look again with `vigil run {model}`.", markup=False)


def demo(context: typer.Context) -> None:
    """Play a year of real flights through the loop. It is written to the folder of --project (default .demo)."""
    folder = Path(session_of(context).project_option or ".demo")
    from examples.flights.demo import run as play

    play(folder, console())


def up(context: typer.Context) -> None:
    """Run servers and schedules on this machine. Prefect, MLflow and the scheduled monitoring run until Ctrl-C."""
    project = session_of(context).project()
    from deployments.up import run as serve

    serve(project)


def _answer(
    context: typer.Context, decision: str, reason: str, by: str | None, *, approve: bool, evidence: str | None, as_json: bool
) -> None:
    from console.render import print_retraining
    from console.rows import retraining_row

    project = session_of(context).project()
    with project.store() as store:
        asked = store.retraining(decision)
        if asked is None:
            waiting = [
                r.decision_id for name in sorted(project.models) for r in store.retrainings(name) if r.state == "waiting_for_approval"
            ]
            raise UsageError(f"no retraining of decision {decision!r}; waiting for approval: {', '.join(waiting) or 'none'}")
    who = own_name(by) if project.model(asked.model).comparison.approvers else name_of(by)
    with working("promoting" if approve else "rejecting"), flows_of(project):
        from flows.promote import approve as approve_flow
        from flows.promote import reject as reject_flow

        if approve:
            approve_flow(str(project.folder), decision, who, reason, evidence)
        else:
            reject_flow(str(project.folder), decision, who, reason)
    with project.store() as store:
        retraining = store.retraining(decision)
    assert retraining is not None
    if as_json:
        print_json([retraining_row(retraining)])
    else:
        print_retraining(retraining_row(retraining))


def _print_made(project: Project, decision_ids: list[str], *, as_json: bool) -> None:
    """Print decisions that were just made, and how to read more about them."""
    from console.render import print_decisions
    from console.rows import decision_rows

    with project.store() as store:
        made = [found for found in map(store.decision, decision_ids) if found is not None]
        rows = decision_rows(store, made)
    if as_json:
        print_json(rows)
        return
    print_decisions(rows, made[0].model)
    say(f"`vigil why {made[-1].model} {made[-1].window.start.date()}` explains it.")
