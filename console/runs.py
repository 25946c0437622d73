"""``vigil runs``: how vigil's own runs over a model ended, and whether that is good enough."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from console.looking import ModelArgument
from console.output import Column, Json, print_json, print_table
from console.session import session_of

SHOWN = 20  # runs at most


def runs(context: typer.Context, model: ModelArgument, as_json: Json = False) -> None:
    """List the latest runs of vigil's own over a model. They fail where their error stands there, or where they never ended."""
    from vigil.decision.phrases import number
    from vigil.health.pipeline import as_ended, measure_pipeline, runs_of

    project, now = session_of(context).project(), datetime.now(UTC)
    spec = project.model(model)
    with project.store() as store:
        latest, counted = store.flow_runs(model, latest=SHOWN), runs_of(store, spec, now)
    measured = measure_pipeline(counted, spec)
    rows = [_row(as_ended(run, spec, now) or run) for run in latest]
    if as_json:
        print_json([{"model": model, "runs": rows, "measured": [asdict(each) for each in measured]}])
        return
    columns = (
        Column("begun", lambda row: f"{row['begun_at']:%Y-%m-%d %H:%M}"),
        Column("seconds", lambda row: "–" if row["seconds"] is None else f"{row['seconds']:.1f}", right=True),
        Column("outcome", lambda row: row["outcome"]),
        Column("why", lambda row: row["failure"] or "–", fold=True),
    )
    print_table(rows, columns, empty=f"vigil has not run over {model} yet; do with `vigil run {model}`")
    for each in measured:
        limit = "" if each.threshold is None else f", limit {number(each.threshold)}"
        sys.stdout.write(f"{each.metric} of the last {len(counted)}: {number(each.value)}{limit}, {each.verdict}\n")


def _row(run: Any) -> dict[str, Any]:
    ended = run.ended_at
    outcome = "failed" if run.failure else "at work" if ended is None else "succeeded"
    return asdict(run) | {"outcome": outcome, "seconds": None if ended is None else (ended - run.begun_at).total_seconds()}
