"""``vigil up``: a Prefect server, an MLflow server and the scheduled deployments of one project, on this machine.

One command starts them, waits until each answers, keeps them alive, and stops them on Ctrl-C, SIGTERM or a closed terminal.
Servers that vigil.yaml names by address (``prefect.api_url``, an http ``mlflow.tracking_uri``) are used, not started.

Nothing is lost when any of it is killed. The project's results are in its store. What a run had not finished is done again:

1. Every process carries the project's mark (:mod:`deployments.strays`). When this one dies, however it dies, a watchdog
   process ends the others; should that be killed too, the next start does it.
2. A lock, which the kernel frees with its holder, lets only one ``vigil up`` run per project.
3. So when the deployments are served again, every run that Prefect believes under way has no process. It is marked Crashed
   and taken up again (:mod:`deployments.resume`); the flows look first at what is done, so doing it again is safe.
4. Runs that became due meanwhile are Late, and picked up first.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.strays import MARK, end_strays
from deployments.supervise import Service, Supervisor
from vigil.errors import NotAllowed, VigilError
from vigil.project import Project
from vigil.up_state import state_file

HOST = "127.0.0.1"
DEPLOYMENTS = Path(__file__).parent / "prefect.yaml"
FOLDER = "state/up"  # lock and logs
PATIENCE_SECONDS = 180.0  # first start on a busy machine; 15 to 25 s on an idle one
ANALYTICS_KEY = re.compile(r"(?<=\(\)\{return`)[0-9a-f]{32}(?=`\})")  # as Prefect's bundle gives it
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortBusy(VigilError):
    """Another program listens on the port that a server needs. ``key`` of vigil.yaml chooses another."""

    def __init__(self, port: int, key: str, free: int) -> None:
        super().__init__(
            f"port {port} is taken by another program; stop that one (`lsof -i :{port}` names it), "
            f"or choose another port in vigil.yaml, `{key}: {free}` for example"
        )
        self.port, self.key = port, key


@dataclass(frozen=True)
class Addresses:
    """Where the servers are, and whether ``vigil up`` runs them itself (a port) or only uses them (None)."""

    prefect: str
    mlflow: str
    prefect_port: int | None
    mlflow_port: int | None
    metrics_port: int | None = None

    @classmethod
    def of(cls, project: Project) -> Addresses:
        prefect, mlflow = project.spec.prefect, project.spec.mlflow
        named = mlflow.tracking_uri.startswith(("http://", "https://"))
        return cls(
            prefect=f"http://{HOST}:{prefect.port}" if prefect.api_url is None else prefect.api_url.removesuffix("/").removesuffix("/api"),
            mlflow=mlflow.tracking_uri if named else f"http://{HOST}:{mlflow.port}",
            prefect_port=prefect.port if prefect.api_url is None else None,
            mlflow_port=None if named else mlflow.port,
            metrics_port=project.spec.metrics.port,
        )

    @property
    def prefect_api(self) -> str:
        return f"{self.prefect}/api"


def run(project: Project, console: Console | None = None, deployments: Path = DEPLOYMENTS) -> None:
    """Start everything, print where it is, and stay until a signal asks for the end.

    Args:
        deployments: the file whose deployments are served.

    Raises:
        NotAllowed: ``vigil up`` runs for this project already.
        PortBusy: another program listens on a port that is needed.
        ServiceFailed: a server did not come up.
    """
    console = console or Console()
    folder = project.path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    addresses = Addresses.of(project)
    with _lock(project, folder / "lock", addresses):
        if strays := end_strays(project.folder):
            console.print(f"Ended {strays} processes that an earlier `vigil up` had left.")
        state_file(project).unlink(missing_ok=True)  # of one that was killed
        _require_free_ports(addresses)
        supervisor = Supervisor(
            services(project, addresses, deployments), folder, say=partial(console.print, soft_wrap=True, highlight=False)
        )
        with _stop_asked_for() as stopped, _watchdog(project.folder):
            console.print(f"Starting {', '.join(supervisor.children)} for {project.spec.project} …")
            try:
                supervisor.run(stopped, PATIENCE_SECONDS, lambda: _announce(project, addresses, console, folder))
                console.print("Stopping …")
            finally:
                state_file(project).unlink(missing_ok=True)
                supervisor.stop()
                end_strays(project.folder)
        console.print("Stopped. Runs that were under way go on with the next `vigil up`.")


def services(project: Project, addresses: Addresses, deployments: Path) -> tuple[Service, ...]:
    """Return what has to run for the project, in the order of starting."""
    environment = _environment(project, addresses)
    python = (sys.executable, "-m")
    found = []
    if addresses.prefect_port is not None:
        start = ("prefect", "server", "start", "--host", HOST, "--port", str(addresses.prefect_port), "--analytics-off")
        found.append(Service("prefect", (*python, *start), environment, project.folder, health=f"{addresses.prefect_api}/health"))
    if addresses.mlflow_port is not None:
        command = ("mlflow", "server", "--host", HOST, "--port", str(addresses.mlflow_port), "--workers", "1", *_mlflow_stores(project))
        found.append(Service("mlflow", (*python, *command), environment, project.folder, health=f"{addresses.mlflow}/health"))
    after = tuple(service.name for service in found)
    if addresses.metrics_port is not None:
        command = ("deployments.metrics", str(project.folder), str(addresses.metrics_port))
        health = f"http://{HOST}:{addresses.metrics_port}/health"
        found.append(Service("metrics", (*python, *command), environment, project.folder, health=health))
    found.append(
        Service(
            "deployments",
            (*python, "deployments.serve", str(project.folder), str(deployments)),
            environment,
            project.folder,
            after=after,
            bound_to=("prefect",),  # a runner whose server went away does not cancel runs any more, and its flows hang in retries
            stop_signal=signal.SIGKILL,  # the runs of a runner that is asked to stop are cancelled; those of a killed one go on later
        )
    )
    return tuple(found)


def _mlflow_stores(project: Project) -> tuple[str, ...]:
    """The database, and the artifacts' folder as the flows address it: without the server between."""
    backend, artifacts = project.database_url(project.spec.mlflow.tracking_uri), project.path(project.spec.mlflow.artifacts)
    artifacts.mkdir(parents=True, exist_ok=True)
    if backend.startswith("sqlite:////"):
        Path(backend.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return ("--backend-store-uri", backend, "--default-artifact-root", artifacts.as_uri(), "--no-serve-artifacts")


def _environment(project: Project, addresses: Addresses) -> Mapping[str, str]:
    home = project.path(project.spec.prefect.home)
    home.mkdir(parents=True, exist_ok=True)
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), HOST, "localhost")))
    return {
        **os.environ,
        MARK: str(project.folder),
        "NO_PROXY": direct,  # the servers are here; a proxy of the user's would be asked for them
        "no_proxy": direct,
        "PYTHONSAFEPATH": "1",  # a folder `flows` in the project must not hide vigil's own
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": addresses.prefect_api,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(_pages(project)),  # by default it writes into its own package
        "PREFECT_SERVER_UI_V2_ENABLED": "true",  # the first UI's list of runs stays empty when a flow called another one
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 640 MB for what vigil does not use
    }


def _pages(project: Project) -> Path:
    return project.path(project.spec.prefect.home) / "ui"


def without_analytics(pages: Path) -> int:
    """Take the key of an analytics service out of Prefect's pages, and return from how many files: without one they do not call it.

    A browser would call it from each page; ``--analytics-off`` keeps back events alone.
    """
    changed = 0
    for file in pages.rglob("*.js"):
        text, found = ANALYTICS_KEY.subn("", file.read_text(encoding="utf-8"))
        if found:
            temporary = file.with_suffix(".part")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file)
            changed += 1
    return changed


def _announce(project: Project, addresses: Addresses, console: Console, folder: Path) -> None:
    """Print where everything is, and leave it in a file for the other commands."""
    without_analytics(_pages(project))
    state = {"pid": os.getpid(), "prefect_api": addresses.prefect_api, "mlflow": addresses.mlflow}
    temporary = folder / "up.json"
    temporary.write_text(json.dumps(state))
    temporary.replace(state_file(project))
    table = Table(box=None, pad_edge=False)
    for heading in ("what", "where"):
        table.add_column(heading, overflow="fold")
    table.add_row("Prefect, the runs", addresses.prefect)
    table.add_row("MLflow, the versions", addresses.mlflow)
    if addresses.metrics_port is not None:
        table.add_row("OpenMetrics, the state", f"http://{HOST}:{addresses.metrics_port}/metrics")
    table.add_row("schedule (cron, UTC)", project.spec.prefect.schedule)
    table.add_row("logs", str(folder))
    console.print(table)
    console.print("Ready. Ctrl-C stops it.")


@contextmanager
def _lock(project: Project, file: Path, addresses: Addresses) -> Iterator[None]:
    with file.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.seek(0)
            raise NotAllowed(
                f"`vigil up` runs for {project.folder} already (process {held.read().strip() or 'unknown'}); "
                f"look at {addresses.prefect}, or stop that process first"
            ) from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield


def _require_free_ports(addresses: Addresses) -> None:
    taken: set[int] = set()
    ports = ((addresses.prefect_port, "prefect.port"), (addresses.mlflow_port, "mlflow.port"), (addresses.metrics_port, "metrics.port"))
    for port, key in ports:
        if port is not None:
            if port in taken or not _is_free(port):
                raise PortBusy(port, key, next(other for other in range(port + 1, 65536) if other not in taken and _is_free(other)))
            taken.add(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: a port in TIME_WAIT is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def _stop_asked_for() -> Iterator[threading.Event]:
    """An event that the first signal sets; while it stops, further signals change nothing."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in SIGNALS}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watchdog(folder: Path) -> Iterator[None]:
    """A process that ends the others when this one is gone: its standard input closes then, whatever the cause."""
    command = (sys.executable, "-P", "-m", "deployments.strays", str(folder))
    environment = {**os.environ, MARK: str(folder)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - our own module
        yield
