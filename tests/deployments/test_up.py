"""``vigil up`` as a person meets it: real servers, a run that is killed half-way, and what becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments.strays import end_strays, strays
from deployments.supervise import answers
from deployments.up import Addresses, PortBusy, run
from vigil.errors import NotAllowed
from vigil.project import Project
from vigil.up_state import running_api, state_file

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def until(true: Callable[[], Any], within_seconds: float, what: str) -> Any:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} within {within_seconds} s")


@pytest.fixture
def project(tmp_path: Path, prefect_home: Path) -> Iterator[Project]:
    prefect, mlflow = free_ports(2)
    home = tmp_path / "state" / "prefect"
    home.mkdir(parents=True)
    shutil.copy(prefect_home / "prefect.db", home)
    (tmp_path / "vigil.yaml").write_text(
        f"project: small\nprefect: {{port: {prefect}, schedule: '0 6 * * *'}}\nmlflow: {{port: {mlflow}}}\n"
    )
    yield Project.open(tmp_path)
    end_strays(tmp_path)


def start_up(project: Project) -> subprocess.Popen[str]:
    paths = [str(ROOT), str(TOY), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment = {**kept, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(TOY / "up.py"), str(project.folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def start_and_wait(project: Project) -> subprocess.Popen[str]:
    process = start_up(project)
    until(lambda: is_ready(project, process.pid) or process.poll() is not None, 180, "ready")
    assert process.poll() is None, process.communicate()[0]
    return process


def is_ready(project: Project, pid: int) -> bool:
    file = state_file(project)  # the one of a killed `vigil up` stays until the next start
    return file.exists() and json.loads(file.read_text())["pid"] == pid


def kill_all(project: Project) -> list[psutil.Process]:
    """Kill what there is of the project, and say what was found: one may have been starting another."""
    found = strays(project.folder)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return found


def call(project: Project, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{running_api(project)}{path}", data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while True:
        try:
            with opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:  # Prefect on SQLite answers 503 while it is busy; its own client waits as well
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(1)


@pytest.mark.timeout(600)  # servers start twice: a minute and a half on two idle cores
def test_nothing_is_lost_when_everything_is_killed_and_started_again(project: Project) -> None:
    """A run under way is crashed, taken up again and completed; no process of the killed ones stays."""
    first = start_and_wait(project)
    deployment = call(project, "/deployments/name/look/look")["id"]
    asked = [call(project, f"/deployments/{deployment}/create_flow_run", {"idempotency_key": "once"})["id"] for _ in range(2)]
    assert asked[0] == asked[1]
    until((project.folder / "began").exists, 60, "the run begins")

    second = start_up(project)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"`vigil up` runs for {project.folder} already (process {first.pid})" in said

    first.kill()  # before the others, which it would start again
    first.wait()
    until(lambda: not kill_all(project), 60, "everything is killed")

    (project.folder / "go").touch()
    third = start_and_wait(project)
    done = until(lambda: (found := call(project, f"/flow_runs/{asked[0]}"))["state_type"] == "COMPLETED" and found, 60, "the run completes")
    assert done["run_count"] == 2
    assert len((project.folder / "began").read_text().splitlines()) == 2
    states = [state["name"] for state in call(project, f"/flow_run_states/?flow_run_id={asked[0]}")]
    begun = states.index("Running")
    assert states[begun : begun + 3] == ["Running", "Crashed", "AwaitingRetry"]
    scheduled = until(
        lambda: call(project, "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}), 60, "the schedule"
    )
    assert all(run["auto_scheduled"] and "T06:00:00" in run["expected_start_time"] for run in scheduled)
    assert answers(Addresses.of(project).mlflow)

    third.send_signal(signal.SIGINT)
    said, _ = third.communicate(timeout=60)
    assert third.returncode == 0, said
    assert "Stopped." in said
    assert strays(project.folder) == []
    assert not state_file(project).exists()


def test_a_busy_port_is_named_with_the_key_to_change(project: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", project.spec.mlflow.port))
        other.listen()
        with pytest.raises(PortBusy, match=rf"port {project.spec.mlflow.port} is taken .*`mlflow\.port: \d+`"):
            run(project)
    assert strays(project.folder) == []


def test_one_port_for_both_servers_is_refused(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "vigil.yaml").write_text(f"project: small\nprefect: {{port: {port}}}\nmlflow: {{port: {port}}}\n")
    with pytest.raises(PortBusy) as caught:
        run(Project.open(tmp_path))
    assert (caught.value.port, caught.value.key) == (port, "mlflow.port")


def test_servers_named_by_address_are_used_and_not_started(tmp_path: Path) -> None:
    """With both addresses given only the deployments run here."""
    (tmp_path / "vigil.yaml").write_text(
        "prefect: {api_url: 'http://flows.example/api'}\nmlflow: {tracking_uri: 'http://models.example'}\n"
    )
    addresses = Addresses.of(Project.open(tmp_path))
    assert addresses == Addresses("http://flows.example", "http://models.example", None, None)
    assert addresses.prefect_api == "http://flows.example/api"


def test_the_lock_of_a_dead_vigil_up_holds_nobody_back(project: Project) -> None:
    """The kernel frees it; what stands in the file is only told to people."""
    from rich.console import Console

    from deployments.up import _lock

    lock, addresses = project.folder / "lock", Addresses.of(project)
    lock.write_text("1")
    with _lock(project, lock, addresses):
        assert lock.read_text() == str(os.getpid())
        with pytest.raises(NotAllowed, match=str(os.getpid())), _lock(project, lock, addresses):
            Console().print("never")
