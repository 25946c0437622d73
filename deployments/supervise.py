"""Keeps a few long-running programs alive: starts them, waits until each answers, restarts the one that dies, stops all.

Knows nothing of Prefect or MLflow. Each program runs in a process group of its own, so that Ctrl-C reaches only the
supervisor and a program's own children end with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vigil.errors import VigilError

READY_DESCRIPTOR = "VIGIL_READY_FD"  # a program without a health address writes one byte there when it is ready
POLL_SECONDS = 0.2
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0  # between restarts: doubled each time, as in systemd and Kubernetes
STEADY_SECONDS = 60.0  # a program that stayed up this long starts again with the first pause
STOP_SECONDS = 8.0  # what a program gets between SIGTERM and SIGKILL
LOG_LINES = 15


class ServiceFailed(VigilError):
    """A program that ``vigil up`` needs did not come up. ``service`` names it, ``log`` is where it wrote why."""

    def __init__(self, service: str, what: str, log: Path) -> None:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        super().__init__(f"{service} {what}; its log is {log}" + "".join(f"\n  {line}" for line in lines))
        self.service, self.log = service, log


@dataclass(frozen=True)
class Service:
    """One program to keep alive.

    Attributes:
        health: an address that answers 200 when it is ready; None: it says so itself, on READY_DESCRIPTOR.
        after: names of the services that must be ready before it starts.
        bound_to: those of them without which it cannot go on: when one dies, it is ended, and started after it again.
        stop_signal: what ends it; SIGKILL for a program that must not react to its end.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    health: str | None = None
    after: tuple[str, ...] = ()
    bound_to: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM


class Child:
    """One service's process, through all its restarts."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service, self.log = service, log
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.was_ready = False
        self.started = 0.0
        self.next_start = 0.0
        self.pause = FIRST_PAUSE_SECONDS
        self._says_ready: int | None = None

    def start(self) -> None:
        reads, writes = os.pipe()
        environment = {**self.service.environment, READY_DESCRIPTOR: str(writes)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                list(self.service.command),
                env=environment,
                cwd=self.service.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(writes,),
            )
        os.close(writes)
        os.set_blocking(reads, False)
        self._says_ready, self.started, self.ready = reads, time.monotonic(), False

    def look_ready(self) -> bool:
        """Ask once whether it is ready."""
        if self.service.health is not None:
            self.ready = answers(self.service.health)
        elif self._says_ready is not None:
            try:
                self.ready = os.read(self._says_ready, 1) != b""
            except BlockingIOError:
                self.ready = False
        self.was_ready = self.was_ready or self.ready
        return self.ready

    def clear(self) -> None:
        """End what is left of its process group and be ready for another start."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        if self._says_ready is not None:
            os.close(self._says_ready)
        self.process, self._says_ready, self.ready = None, None, False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; nothing when it is gone."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
                return


def answers(url: str, within_seconds: float = 2.0) -> bool:
    """Whether ``url`` answers 200, asked directly and never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=within_seconds) as response:
            return bool(response.status == 200)
    except OSError:
        return False


class Supervisor:
    """The services of one ``vigil up``. ``say`` tells the person at the terminal what happens."""

    def __init__(self, services: Sequence[Service], logs: Path, say: Callable[[str], None]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.children = {service.name: Child(service, logs / f"{service.name}.log") for service in services}
        for child in self.children.values():
            if child.log.exists():  # one earlier log is kept, so that they never fill the disk
                child.log.replace(child.log.with_suffix(".previous.log"))
        self.say = say

    def run(self, stopped: threading.Event, patience_seconds: float, when_ready: Callable[[], None]) -> None:
        """Start all, call ``when_ready`` once when all are, and keep them alive until ``stopped`` is set.

        Raises:
            ServiceFailed: one ended, or was not ready after ``patience_seconds``, before all had been ready once.
        """
        deadline, told = time.monotonic() + patience_seconds, False
        while not stopped.is_set():
            for child in self.children.values():
                self._look_after(child)
            waiting = [child for child in self.children.values() if not child.was_ready]
            if waiting and time.monotonic() > deadline:
                raise ServiceFailed(waiting[0].service.name, f"was not ready after {patience_seconds:.0f} s", waiting[0].log)
            if not waiting and not told:
                told = True
                when_ready()
            stopped.wait(POLL_SECONDS)

    def stop(self) -> None:
        """End all, the last started first; those that do not obey are killed. Safe to call twice."""
        children = list(reversed(self.children.values()))
        for child in children:
            child.signal(child.service.stop_signal)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(child.process and child.process.poll() is None for child in children):
            time.sleep(POLL_SECONDS / 4)
        for child in children:
            child.clear()

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            needs = (self.children[name] for name in child.service.after if name in self.children)
            if time.monotonic() >= child.next_start and all(needed.ready for needed in needs):
                child.start()
        elif (code := child.process.poll()) is not None:
            self._died(child, code)
        elif not child.ready:
            again = child.was_ready
            if child.look_ready() and again:
                self.say(f"{child.service.name} is back")

    def _died(self, child: Child, code: int) -> None:
        child.clear()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if not child.was_ready:
            raise ServiceFailed(child.service.name, how, child.log)
        if time.monotonic() - child.started > STEADY_SECONDS:
            child.pause = FIRST_PAUSE_SECONDS
        for bound in self.children.values():
            if child.service.name in bound.service.bound_to:
                bound.clear()
        self.say(f"{child.service.name} {how}; starting it again in {child.pause:.0f} s (log: {child.log})")
        child.next_start = time.monotonic() + child.pause
        child.pause = min(2 * child.pause, LONGEST_PAUSE_SECONDS)
