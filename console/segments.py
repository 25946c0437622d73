"""``vigil segments``: where a model is worst, in a window that was looked at."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Column, Json, print_json, print_table
from console.session import moment, session_of


def segments(
    context: typer.Context,
    model: ModelArgument,
    date: Annotated[str | None, typer.Argument(metavar="[DATE]", help="A moment in the window. Default: the latest looked at.")] = None,
    as_json: Json = False,
) -> None:
    """List the segments that are worse than the rest beyond chance, and how much of the change of loss each explains."""
    from vigil.evaluation.worst import worst_of
    from vigil.performance.segments import loss_of
    from vigil.workspace import Workspace

    work = Workspace.open(session_of(context).folder(), model)
    looked = work.store.evaluations(model)
    asked = [each for each in looked if date is None or each.window.holds(moment(date))]
    if not asked:
        raise UsageError(
            f"no such window of {model} was looked at; do with `vigil run {model}`, or list them with `vigil labels status {model}`"
        )
    rows = [asdict(each) for each in worst_of(work.source, work.spec, asked[-1], datetime.now(UTC))]
    if as_json:
        print_json(rows)
        return
    columns = (
        Column("segment", lambda row: row["name"]),
        Column("labels", lambda row: f"{row['rows']:,}", right=True),
        Column(loss_of(work.spec).value, lambda row: f"{row['loss']:.3f}", right=True),
        Column("worse by", lambda row: f"{row['worse_by']:.3f} ({row['low']:.3f} to {row['high']:.3f})"),
        Column("of the change", lambda row: "–" if row["explains"] is None else f"{row['explains']:.0%}", right=True),
    )
    print_table(rows, columns, empty=f"no segment of {asked[-1].window.key} is worse than the rest beyond chance")
