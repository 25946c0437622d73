"""Which Prefect a project's flows talk to. Call :func:`use_project` before any flow is imported; it imports no Prefect itself.

Precedence: an API address in the environment (a worker, ``vigil up``'s own processes, a test) > ``prefect.api_url`` of
vigil.yaml > a server that ``vigil up`` runs for this project > one that lives as long as this process: :mod:`flows.server`
for vigil's own commands, Prefect's ephemeral server for Python that calls a flow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from flows.server import OwnServer
from vigil.project import Project
from vigil.quiet import be_quiet
from vigil.up_state import running_api


def use_project(project: Project) -> None:
    """Point this process and its children at the project's Prefect; what the environment says already is kept."""
    be_quiet()
    home = project.path(project.spec.prefect.home)
    home.mkdir(parents=True, exist_ok=True)
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",  # an ephemeral server that is stopped logs its cancelled services as errors
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    api = project.spec.prefect.api_url or running_api(project)
    if api is not None:
        settings["PREFECT_API_URL"] = api
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def start_own_server() -> OwnServer | None:
    """Start a server where none is named, and name it in the environment; None where one is named. Call after :func:`use_project`.

    Wait for it (:meth:`OwnServer.wait`) before the first flow run; importing the flows meanwhile costs nothing.
    """
    if os.environ.get("PREFECT_API_URL"):
        return None
    server = OwnServer()
    server.start()
    os.environ["PREFECT_API_URL"] = server.api
    return server


@contextmanager
def without_heartbeats() -> Iterator[None]:
    """Run flows in this process without heartbeats: joining their thread costs each synchronous flow a second.

    Heartbeats tell a server that a remote run died; here caller and flow are one process.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@contextmanager
def errors_said_once() -> Iterator[None]:
    """Keep off the terminal what Prefect logs of runs that fail: the error reaches the caller, and Prefect's pages show the log."""
    import prefect.main  # noqa: F401 - it sets up the handlers

    def wanted(record: logging.LogRecord) -> bool:
        return record.levelno != logging.ERROR or not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(wanted)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(wanted)
