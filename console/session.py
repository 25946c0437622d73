"""What commands share: the project that the global options name, who acts, moments, and flows with their Prefect server."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.exit_codes import UsageError
from console.output import clean_stdout
from vigil.errors import NotAllowed

if TYPE_CHECKING:
    from vigil.project import Project
    from vigil.sources.tables import ModelSource
    from vigil.spec.model import ModelSpec
    from vigil.window import Window

By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who; default the name of the user who runs this.")]
API_SECONDS = 20  # a server on a busy machine takes its time; one that is not there refuses at once


@dataclass(frozen=True)
class Session:
    """The global options of one invocation."""

    project_option: str | None
    debug: bool

    def folder(self) -> Path:
        from vigil.project import find_project

        return find_project(self.project_option, os.environ, Path.cwd())

    def project(self) -> Project:
        from vigil.project import Project

        return Project.open(self.folder()).require_all()


def session_of(context: typer.Context) -> Session:
    found = context.find_object(Session)
    assert found is not None
    return found


def name_of(by: str | None) -> str:
    """Return who acts: as ``--by`` says, else the user who runs the command."""
    import getpass

    return by or getpass.getuser()


def own_name(by: str | None) -> str:
    """Return who acts where it matters: the user who runs the command, and nobody else's name."""
    user = name_of(None)
    if by is not None and by != user:
        raise NotAllowed(f"comparison.approvers says who may answer, and you are {user}: --by {by} cannot speak for another")
    return user


def moment(text: str) -> datetime:
    """Parse an argument that is a date or time."""
    from vigil.window import parse_moment

    try:
        return parse_moment(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def window_of(source: ModelSource, spec: ModelSpec, start: str | None, now: datetime) -> Window:
    """Return the window that holds the moment of ``--window``; the latest due one where it is not given."""
    from vigil.evaluation.due import latest_due

    return latest_due(source, spec, now) if start is None else spec.window.containing(moment(start))


@contextmanager
def flows_of(project: Project) -> Iterator[None]:
    """Let the block import and call flows: they talk to this project's Prefect, and what they print stays off stdout.

    Raises:
        OrchestratorError: a Prefect server is named, and does not answer; or none is named, and none starts.
    """
    from flows.settings import errors_said_once, start_own_server, use_project, without_heartbeats

    use_project(project)
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells where its temporary folder is
    _require_answer(os.environ.get("PREFECT_API_URL"))
    server = start_own_server()
    try:
        with clean_stdout(), without_heartbeats(), errors_said_once():
            if server is not None:
                import flows.monitor  # noqa: F401 - seconds that pass while the server starts

                server.wait()
            yield
    except BaseException as error:
        _let_go(error)
        raise
    finally:
        _close_default_engine()


def _close_default_engine() -> None:
    """Close the engine that Ibis makes for in-memory tables; left open, DuckDB lists its objects on stderr when the process ends."""
    ibis = sys.modules.get("ibis")
    if ibis is not None:
        ibis.options.default_backend = None


def _let_go(error: BaseException | None) -> None:
    """Drop what the frames of an error hold: Prefect keeps the error, and a connection still open at the end is listed too."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def answers(url: str) -> str | None:
    """Ask an HTTP address whether it lives: None where it does, else why not."""
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        return f"{url} is no http(s) address"
    try:
        with urllib.request.urlopen(url, timeout=API_SECONDS):  # noqa: S310 - the scheme is checked above
            return None
    except urllib.error.HTTPError as error:
        return None if error.code in (401, 403) else f"it answers with HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _require_answer(api: str | None) -> None:
    from vigil.errors import OrchestratorError

    if api is None:
        return
    failure = answers(api.rstrip("/") + "/health")
    if failure is not None:
        raise OrchestratorError(
            f"Prefect's API at {api} cannot be used: {failure}. Start it (`vigil up`), or correct prefect.api_url in vigil.yaml "
            "or PREFECT_API_URL in the environment"
        )
