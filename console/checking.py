"""Commands that look for what is wrong before it hurts: ``check`` (specifications against data) and ``doctor`` (the installation)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from console.exit_codes import ExitCode
from console.output import Json, clean_stdout, print_json, working
from console.session import session_of


def check(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Default: all models.")] = None,
    as_json: Json = False,
) -> None:
    """Check specifications against data. Files, columns, types, counts, labels, reference rows, trainer; nothing is written."""
    from console.checks import FAILED, check_model

    project = session_of(context).project()
    specs = [project.model(model)] if model is not None else [project.models[name] for name in sorted(project.models)]
    found: list[dict[str, Any]] = []
    with working("checking"), clean_stdout():
        for spec in specs:
            found += [asdict(one) for one in check_model(project, spec, datetime.now(UTC))]
    _print(found, as_json=as_json, by_model=True)
    if any(one["verdict"] == FAILED for one in found):
        raise typer.Exit(ExitCode.DATA)


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check the installation. Python, packages, telemetry, store, MLflow, Prefect, disk; nothing is started or written."""
    from console.doctor import FAILED, examine
    from vigil.errors import ProjectNotFound

    session = session_of(context)
    try:
        project = session.project()
    except ProjectNotFound:
        if session.project_option is not None:
            raise
        project = None
    found = [asdict(one) for one in examine(project)]
    _print(found, as_json=as_json, by_model=False)
    if any(one["verdict"] == FAILED for one in found):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _print(found: list[dict[str, Any]], *, as_json: bool, by_model: bool) -> None:
    from console.render import print_checks

    if as_json:
        print_json(found)
    else:
        print_checks(found, by_model=by_model)
