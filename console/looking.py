"""Commands that read the store and change nothing: ``status``, ``why``, ``decisions``, ``history``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.exit_codes import UsageError
from console.output import Json, print_json
from console.session import moment, session_of

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name in its specification.")]


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show how each model stands. Champion, latest window, latest decision, and what waits for approval."""
    from console.render import print_status
    from console.rows import status_row

    project = session_of(context).project()
    with project.store() as store:
        rows = [status_row(store, project.models[name]) for name in sorted(project.models)]
    if as_json:
        print_json(rows)
    else:
        print_status(rows)


def why(
    context: typer.Context,
    model: ModelArgument,
    date: Annotated[str | None, typer.Argument(metavar="[DATE]", help="A moment in the window asked about. Default: the latest.")] = None,
    as_json: Json = False,
) -> None:
    """Explain a decision in plain words. What each gate said, with its numbers, and what would have changed it."""
    from dataclasses import asdict

    from console.render import print_why
    from console.rows import attempt_rows, decision_rows, measurement_row
    from vigil.decision.findings import estimate_of
    from vigil.decision.words import explain

    project = session_of(context).project()
    project.model(model)
    with project.store() as store:
        made = store.decisions(model)
        if not made:
            raise UsageError(f"nothing was decided about {model} yet; look at its latest window with `vigil run {model}`")
        asked = made[-1].window.start if date is None else moment(date)
        about = [decision for decision in made if decision.window.holds(asked)]
        if not about:
            raise UsageError(
                f"nothing was decided about the window of {model} that holds {asked.date()}; decided windows are from "
                f"{made[0].window.start.date()} to {made[-1].window.end.date()}."
                f" Look at it with `vigil run {model} --window {asked.date()}`"
            )
        decision = about[-1]
        explanation = explain(decision)
        row: dict[str, Any] = decision_rows(store, [decision])[0]
        measured = store.measurements([decision.evaluation_id])[decision.evaluation_id]
        measurements = [measurement_row(m) for m in measured]
        row["estimate"] = estimate_of(measured)
        reports = dict(store.reports([decision.evaluation_id]).get(decision.evaluation_id, {}))
        retraining = store.retraining(decision.decision_id)
        row["comparison"] = None if retraining is None else dict(retraining.comparison)
        asked = store.approval(decision.decision_id)
        row["approval"] = None if asked is None else asdict(asked)
        row["looks"] = [look.flat() for look in store.challenger_looks(model, decision_id=decision.decision_id)]
        row["training_attempts"] = attempt_rows(store, model, decision.decision_id)
    row |= {"headline": explanation.headline, "would_have_changed": explanation.would_have_changed, "reports": reports}
    if as_json:
        print_json([row | {"measurements": measurements}])
    else:
        print_why(explanation, row, measurements, [str(project.path(path)) for path in reports.values()], earlier=len(about) - 1)


def decisions(
    context: typer.Context,
    model: ModelArgument,
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Windows that start at or after this.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Windows that start before this.")] = None,
    as_json: Json = False,
) -> None:
    """List the decisions about a model, by window."""
    from console.render import print_decisions
    from console.rows import decision_rows

    project = session_of(context).project()
    project.model(model)
    with project.store() as store:
        made = store.decisions(model, start=None if start is None else moment(start), end=None if end is None else moment(end))
        rows = decision_rows(store, made)
    if as_json:
        print_json(rows)
    else:
        print_decisions(rows, model)


def route(
    context: typer.Context,
    model: ModelArgument,
    key: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Which version serves this prediction or customer; default the shares only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say who serves which share. The champion, and a challenger that serves some as a canary; for a server to obey."""
    from dataclasses import asdict

    from vigil.challenger.canary import route_of

    project = session_of(context).project()
    spec = project.model(model)
    with project.store() as store:
        found = route_of(store, spec)
    served = {} if key is None else {"id": key, "version": found.version_for(key)}
    if as_json:
        print_json([asdict(found) | served])
        return
    from console.render import print_route

    print_route(asdict(found), served)


def history(context: typer.Context, model: ModelArgument, as_json: Json = False) -> None:
    """Tell a model's life. Each version, who or what made it champion or kept it back, and why."""
    from console.render import print_history
    from console.rows import history_rows

    project = session_of(context).project()
    project.model(model)
    with project.store() as store:
        rows = history_rows(store, model)
    if as_json:
        print_json(rows)
    else:
        print_history(rows, model)
