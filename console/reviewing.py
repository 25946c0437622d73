"""Commands about reviews: ``review open`` lists what to look at, ``review import`` takes what was said, ``review status`` shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.labels import workspace
from console.looking import ModelArgument
from console.output import Column, Json, print_json, print_table, say
from console.session import By, name_of, window_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
ROWS = 40  # an hour or two of a person; convention


@app.command(name="open")
def open_(
    context: typer.Context,
    model: ModelArgument,
    rows: Annotated[
        int | None, typer.Option("--rows", min=4, max=1000, help="How many predictions to look at. Default: labels.review_rows, else 40.")
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="DATE", help="A moment in the window. Default: the latest that is due.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another session of the same window.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The session, .csv or .parquet. Default: reviews/ of the project.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List predictions for a person to look at, with why each is there. The same call again is the same session."""
    from collections import Counter

    from vigil.review.session import open_session, session_file, write_session

    work, now = workspace(context, model), datetime.now(UTC)
    of = window_of(work.source, work.spec, window, now)
    session = open_session(work.source, work.store, work.spec, of, rows=rows or work.spec.labels.review_rows or ROWS, seed=seed, now=now)
    path = out or work.project.path(session_file(session))
    write_session(work.source, work.spec, session, path)
    why = Counter(reason.partition(":")[0] for pick in session.picks for reason in pick.why)
    if as_json:
        print_json([_session_row(session) | {"picked": len(session.picks), "why": why, "path": str(path)}])
        return
    columns = (Column("why", lambda row: row[0]), Column("predictions", lambda row: str(row[1]), right=True))
    print_table(why.most_common(), columns, empty="nothing to look at")
    say(f"{len(session.picks)} predictions of {of.key} to look at: {path}")
    say(f"Fill in `{work.spec.columns.label}`, `vigil_outcome` or `vigil_comment`, then: vigil review import {model} {path}")


@app.command(name="import")
def import_(
    context: typer.Context,
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A session, filled in.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Take in what reviewers said. All of it, or with an error that names row and column nothing."""
    from dataclasses import asdict

    from vigil.review.outcomes import import_reviews

    work = workspace(context, model)
    done = import_reviews(work.source, work.store, work.spec, file, by=name_of(by), now=datetime.now(UTC))
    counted = 0 if done.labels is None else done.labels.answered
    if as_json:
        print_json([asdict(done) | {"labels": counted}])
        return
    already = "" if done.new else " (imported before; nothing changed)"
    say(f"{done.reviewed} of {done.rows} predictions of session {done.session_id} were reviewed{already}.")
    say(f"{counted} labels of rows at random count in estimates; those of rows picked on purpose do not.")


@app.command()
def status(context: typer.Context, model: ModelArgument, as_json: Json = False) -> None:
    """Show the sessions of a model. How many rows were reviewed, and what was found."""
    from vigil.review.outcomes import Outcome, latest_reviews
    from vigil.review.session import Session

    work = workspace(context, model)
    latest = latest_reviews(work.store.reviews(model)).values()
    rows = []
    for kept in work.store.review_sessions(model):
        session = Session.of(kept)
        said = [review for review in latest if review.session_id == session.session_id]
        found = {outcome.value: sum(review.outcome == outcome for review in said) for outcome in Outcome}
        rows.append(_session_row(session) | {"picked": len(session.picks), "reviewed": len(said), "outcomes": found})
    if as_json:
        print_json(rows)
    else:
        print_table(rows, STATUS, empty=f"no review session of {model}; make one with `vigil review open {model}`")


def _session_row(session: Any) -> dict[str, Any]:
    return {
        "model": session.model,
        "session_id": session.session_id,
        "window_start": session.window.start,
        "window_end": session.window.end,
        "made_at": session.made_at,
        "plan_id": session.plan_id,
    }


STATUS = (
    Column("session", lambda row: row["session_id"]),
    Column("window of", lambda row: row["window_start"].date().isoformat()),
    Column("predictions", lambda row: str(row["picked"]), right=True),
    Column("reviewed", lambda row: str(row["reviewed"]), right=True),
    Column("found", lambda row: ", ".join(f"{count} {outcome}" for outcome, count in row["outcomes"].items() if count) or "–"),
)
