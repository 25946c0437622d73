"""Processes that a ``vigil up`` left behind, and how they are ended.

Every process that ``vigil up`` starts carries ``VIGIL_UP=<project folder>`` in its environment, and so do its children.
Whoever carries the mark without a ``vigil up`` that holds the project's lock is a stray. The mark is read from the running
processes, so no pid file can name a stranger. Strays are killed, not asked: what they were doing is done again
(:mod:`deployments.resume`), while a flow that may react to a signal would record an end that it never came to.

As a program (``python -m deployments.strays FOLDER``) this is the watchdog: it waits until its standard input closes, which
happens however its parent dies, and then ends the strays.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil

MARK = "VIGIL_UP"


def strays(folder: Path) -> list[psutil.Process]:
    """Return the running processes of this user that carry the folder's mark, without this one and its ancestors."""
    here = psutil.Process()
    own = {here.pid, *(parent.pid for parent in here.parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and _mark(process) == str(folder)]


def _mark(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
    except (psutil.Error, OSError):  # gone, a zombie, or somebody else's
        return None
    return mark


def end_strays(folder: Path, within_seconds: float = 10.0) -> int:
    """Kill the folder's strays and what they start meanwhile. Returns how many were killed."""
    deadline, killed = time.monotonic() + within_seconds, 0
    while (found := strays(folder)) and time.monotonic() < deadline:
        for process in found:
            try:
                process.kill()
                killed += 1
            except psutil.Error:
                continue
        psutil.wait_procs(found, timeout=1.0)
    return killed


def main() -> None:
    """Wait for the parent's end, then end what it left."""
    folder = Path(sys.argv[1])
    while os.read(sys.stdin.fileno(), 4096):
        pass
    end_strays(folder)


if __name__ == "__main__":
    main()
