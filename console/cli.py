"""The ``vigil`` command: global options, the commands' registration, and errors turned into a sentence and an exit code.

Nothing heavy is imported here: each command imports what it uses.
"""

from __future__ import annotations

import os
import select
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from console import acting, alerting, auditing, authoring, backtesting, card, checking, labels, looking, reviewing, runs, segments
from console.exit_codes import ExitCode, exit_code_of
from console.session import Session
from vigil import __version__
from vigil.errors import VigilError, sentence_of

GLOBAL_WITH_VALUE, GLOBAL_FLAGS = ("--project",), ("--debug",)


class VigilGroup(TyperGroup):
    """Takes the global options after the command too, and turns errors into messages on stderr and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoisted(args))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except VigilError as error:
            _complain(str(error), debug=ctx.params["debug"])
            raise typer.Exit(exit_code_of(error)) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if hasattr(error, "show"):  # Typer's own usage errors, which it prints itself
                raise
            if isinstance(error, BrokenPipeError) and _reader_left():
                _print_nowhere()
                raise typer.Exit(ExitCode.NOT_READ) from None
            hint = "" if ctx.params["debug"] else " (run it again with --debug for the traceback)"
            _complain(sentence_of(error) + hint, debug=ctx.params["debug"])
            raise typer.Exit(exit_code_of(error)) from None


app = typer.Typer(
    name="vigil",
    cls=VigilGroup,
    help="Keeps machine-learning models healthy in production: validates, measures, decides with reasons, retrains, compares, promotes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    context: typer.Context,
    project: Annotated[
        str | None,
        typer.Option("--project", metavar="DIR", help="The folder with vigil.yaml. Default: $VIGIL_PROJECT, else here or a parent."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version.", callback=lambda v: _version(asked=v))
    ] = False,
) -> None:
    context.obj = Session(project_option=project, debug=debug)


for command in (
    acting.demo,
    authoring.init,
    checking.check,
    acting.adopt,
    acting.run,
    acting.backfill,
    acting.up,
    looking.status,
    looking.why,
    looking.decisions,
    looking.history,
    looking.route,
    card.card,
    auditing.replay,
    backtesting.backtest,
    backtesting.tune,
    alerting.incidents,
    alerting.incident,
    alerting.ack,
    alerting.mute,
    alerting.resolve,
    alerting.postmortem,
    alerting.digest,
    alerting.metrics,
    segments.segments,
    runs.runs,
    acting.approve,
    acting.reject,
    acting.rollback,
    acting.accept,
    checking.doctor,
    authoring.schema,
):
    app.command()(command)
app.add_typer(auditing.audit)
app.add_typer(alerting.channels)
app.add_typer(labels.app, name="labels", help="Ask for labels, take them in, and see what they tell.")
app.add_typer(reviewing.app, name="review", help="List predictions for people to look at, take in what they say.")


def hoisted(args: Sequence[str]) -> list[str]:
    """Return ``args`` with the global options first, so that ``vigil why MODEL --project DIR`` works; after ``--`` nothing moves.

    >>> hoisted(["why", "churn", "--project", "shop", "--json"])
    ['--project', 'shop', 'why', 'churn', '--json']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in GLOBAL_WITH_VALUE:
            first += [word, *(value for value in [next(waiting, None)] if value is not None)]
        elif word in GLOBAL_FLAGS or word.startswith(tuple(f"{name}=" for name in GLOBAL_WITH_VALUE)):
            first.append(word)
        else:
            rest.append(word)
    return first + rest


def main() -> None:
    """Run the command; the process ends with its exit code."""
    try:
        app()
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _print_nowhere()
            sys.exit(ExitCode.NOT_READ)


def _reader_left() -> bool:
    """Tell whether whoever read the output has left (``vigil why m | head``): then that is what a broken pipe is about."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
    except OSError:  # it is no file of the system
        return False
    return any(event & select.POLLERR for _, event in watched.poll(0))


def _print_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc(file=sys.stderr)
    sys.stderr.write(f"vigil: {message}\n")


def _version(*, asked: bool) -> None:
    if asked:
        sys.stdout.write(f"vigil {__version__}\n")
        raise typer.Exit
