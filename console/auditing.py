"""Commands that check what was decided: ``audit verify`` the ledger's chain, ``replay`` the decisions themselves. They change nothing."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from console.exit_codes import ExitCode, UsageError
from console.output import Json, print_json
from console.session import session_of

audit = typer.Typer(name="audit", help="Check the ledger of decisions.", no_args_is_help=True, rich_markup_mode=None)


@audit.callback()
def _audit() -> None:
    """Check the ledger of decisions."""


@audit.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="A head that this command printed before: it has to be in the chain.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the chain of all decisions. Exit code 1 names the first link that does not hold."""
    from dataclasses import asdict

    with session_of(context).project().store() as store:
        found = store.verify_ledger(head=head)
    if as_json:
        print_json([asdict(found)])
    elif found.broken is None:
        decisions = "decision" if found.links == 1 else "decisions"
        sys.stdout.write(f"The chain holds: {found.links:,} {decisions}, head {found.head}\n")
    else:
        sys.stdout.write(f"The chain is broken after {found.links:,} links, at {found.broken}\n")
    if found.broken is not None:
        raise typer.Exit(ExitCode.FAILED)


def replay(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The model's name in its specification.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All models of the project.")] = False,
    as_json: Json = False,
) -> None:
    """Decide again from the store, and compare. Exit code 1 names every difference."""
    from vigil import __version__
    from vigil.decision.replay import replay as differences_of

    project = session_of(context).project()
    if (model is None) != everything:
        raise UsageError("name a model, or give --all for all of them")
    models = sorted(project.models) if model is None else [project.model(model).model]
    with project.store() as store:
        made = [decision for name in models for decision in store.decisions(name)]
        rows = [
            {
                "model": decision.model,
                "decision_id": decision.decision_id,
                "window_start": decision.window.start,
                "action": decision.action,
                "code_version": decision.code_version,
                "differences": list(differences_of(store, decision)),
            }
            for decision in made
        ]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            for difference in row["differences"]:
                by = "" if row["code_version"] == __version__ else f" (made by vigil {row['code_version']}, this is {__version__})"
                sys.stdout.write(f"{row['model']}, decision {row['decision_id']}{by}: {difference}\n")
        different = sum(bool(row["differences"]) for row in rows)
        sys.stdout.write(f"{len(rows):,} decisions made again, {different:,} of them differently.\n")
    if any(row["differences"] for row in rows):
        raise typer.Exit(ExitCode.FAILED)
