"""Supervision with small programs: readiness, order, restarts, failing starts, stopping, and the watchdog."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from deployments.strays import MARK, end_strays, strays
from deployments.supervise import READY_DESCRIPTOR, Service, ServiceFailed, Supervisor

ROOT = Path(__file__).resolve().parents[2]
READY = f"import os, time; os.write(int(os.environ['{READY_DESCRIPTOR}']), b'1'); "
SLEEP = "time.sleep(600)"


def service(name: str, code: str, folder: Path, **options: object) -> Service:
    environment = {**os.environ, MARK: str(folder)}
    return Service(name, (sys.executable, "-c", code), environment, folder, **options)  # type: ignore[arg-type]


class Stage:
    """A supervisor in a thread, and what it said."""

    def __init__(self, folder: Path, *services: Service) -> None:
        self.said: list[str] = []
        self.ready, self.stopped = threading.Event(), threading.Event()
        self.supervisor = Supervisor(services, folder / "logs", self.said.append)
        self.thread = threading.Thread(target=self.supervisor.run, args=(self.stopped, 60.0, self.ready.set))

    def __enter__(self) -> Stage:
        self.thread.start()
        assert self.ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
        self.supervisor.stop()

    def pid(self, name: str) -> int | None:
        process = self.supervisor.children[name].process
        return None if process is None else process.pid


def test_a_service_starts_after_those_that_it_needs_are_ready(tmp_path: Path) -> None:
    """The first becomes ready half a second after its start; the second writes down when it started."""
    first = service("first", f"import time; time.sleep(0.5); open('ready', 'w').close(); {READY}{SLEEP}", tmp_path)
    second = service("second", f"import os; assert os.path.exists('ready'); {READY}{SLEEP}", tmp_path, after=("first",))
    with Stage(tmp_path, second, first) as stage:
        assert stage.pid("second") is not None


def test_a_service_that_dies_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    with Stage(tmp_path, service("mortal", READY + SLEEP, tmp_path)) as stage:
        before = stage.pid("mortal")
        assert before is not None
        os.kill(before, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while "mortal is back" not in stage.said and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stage.pid("mortal") not in (None, before)
    assert stage.said[0].startswith("mortal was ended by SIGKILL; starting it again in 1 s")
    assert stage.said[1] == "mortal is back"


def test_a_bound_service_is_started_again_after_the_one_it_needs(tmp_path: Path) -> None:
    """The needed one is killed: both get new processes; one that only started after it stays."""
    needed = service("needed", READY + SLEEP, tmp_path)
    bound = service("bound", READY + SLEEP, tmp_path, after=("needed",), bound_to=("needed",))
    loose = service("loose", READY + SLEEP, tmp_path, after=("needed",))
    with Stage(tmp_path, needed, bound, loose) as stage:
        before = {name: stage.pid(name) for name in ("needed", "bound", "loose")}
        victim = before["needed"]
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while "bound is back" not in stage.said and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stage.said[1:] == ["needed is back", "bound is back"]
        assert stage.pid("bound") not in (None, before["bound"])
        assert stage.pid("loose") == before["loose"]


def test_the_pause_before_a_restart_doubles(tmp_path: Path) -> None:
    """A program that ends at once after having been ready is started after 1 s, then after 2 s."""
    with Stage(tmp_path, service("brief", READY + "time.sleep(0.5)", tmp_path)) as stage:
        deadline = time.monotonic() + 30
        while len([line for line in stage.said if "starting it again" in line]) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    pauses = [line.split(" in ")[1].split(" s")[0] for line in stage.said if "starting it again" in line]
    assert pauses[:2] == ["1", "2"]


def test_children_of_a_service_end_with_it(tmp_path: Path) -> None:
    """The program starts a child and dies; the child is in its process group, and is gone before the restart."""
    sleeper = f"import time; {SLEEP}"
    code = (
        f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', '{sleeper}']); open('child', 'w').write(str(child.pid)); "
    )
    with Stage(tmp_path, service("parent", code + READY + SLEEP, tmp_path)) as stage:
        child, parent = psutil.Process(int((tmp_path / "child").read_text())), stage.pid("parent")
        assert parent is not None
        os.kill(parent, signal.SIGKILL)
        assert psutil.wait_procs([child], timeout=30) == ([child], [])


def test_a_program_that_never_comes_up_fails_with_the_end_of_its_log(tmp_path: Path) -> None:
    supervisor = Supervisor([service("broken", "raise SystemExit('no such database')", tmp_path)], tmp_path / "logs", print)
    with pytest.raises(ServiceFailed, match=r"(?s)broken ended with exit code 1; its log is .*broken\.log.*no such database"):
        supervisor.run(threading.Event(), 60.0, lambda: None)
    supervisor.stop()


def test_patience_has_an_end(tmp_path: Path) -> None:
    supervisor = Supervisor([service("slow", f"import time; {SLEEP}", tmp_path)], tmp_path / "logs", print)
    with pytest.raises(ServiceFailed, match="slow was not ready after 1 s"):
        supervisor.run(threading.Event(), 1.0, lambda: None)
    supervisor.stop()
    assert strays(tmp_path) == []


def test_stopping_kills_what_does_not_obey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.supervise.STOP_SECONDS", 0.5)
    deaf = service("deaf", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}{SLEEP}", tmp_path)
    with Stage(tmp_path, deaf):
        assert len(strays(tmp_path)) == 1
    assert strays(tmp_path) == []


def test_the_watchdog_ends_everything_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """The supervising process gets SIGKILL, so none of its own code runs any more."""
    code = f"""
import os, subprocess, sys, time
from pathlib import Path
from deployments.up import _watchdog
folder = Path({str(tmp_path)!r})
with _watchdog(folder):
    sleeper = [sys.executable, "-c", "import time; {SLEEP}"]
    subprocess.Popen(sleeper, env={{**os.environ, "{MARK}": str(folder)}}, start_new_session=True)
    print("up", flush=True)
    {SLEEP}
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        assert len(strays(tmp_path)) == 2  # the watchdog and the sleeper
        parent.kill()
    deadline = time.monotonic() + 30
    while strays(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert strays(tmp_path) == []


def test_only_processes_of_this_project_are_strays(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    sleeper = [sys.executable, "-c", f"import time; {SLEEP}"]
    with (
        subprocess.Popen(sleeper, env={**os.environ, MARK: str(mine)}),
        subprocess.Popen(sleeper, env={**os.environ, MARK: str(other)}) as left,
    ):
        assert end_strays(mine) == 1
        assert [process.pid for process in strays(other)] == [left.pid]
        left.kill()
