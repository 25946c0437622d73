"""``vigil card``: the model card of a version, on the screen or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Json, print_json, say
from console.session import session_of


def card(
    context: typer.Context,
    model: ModelArgument,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Default: the champion.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there: HTML to .html, Markdown to any other.")] = None,
    as_json: Json = False,
) -> None:
    """Show the model card of a version. What it is for and made from, how good it is and for whom, who let it serve; as of now."""
    from dataclasses import asdict

    from vigil.challenger.card import as_html, as_markdown, card_of

    project = session_of(context).project()
    project.model(model)
    with project.store() as store:
        champion = store.champion(model)
        wanted = version or (None if champion is None else champion.version)
        if wanted is None:
            raise UsageError(f"{model} has no version yet; `vigil adopt {model}` trains and registers the first")
        known = store.version(model, wanted)
        if known is None:
            names = ", ".join(each.version for each in store.versions(model)) or "none"
            raise UsageError(f"no version {wanted} of {model}; its versions: {names}")
        made = card_of(store, known)
    if out is not None:
        out.write_text(as_html(made) if out.suffix == ".html" else as_markdown(made), encoding="utf-8")
        say(f"{model} version {wanted}: {out}")
    if as_json:
        print_json([asdict(made)])
    elif out is None:
        typer.echo(as_markdown(made))
