"""How a test and a process that it starts talk: one line at a time, each way. Nobody sleeps; everybody waits for a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Partner:
    """A process of the test's: ``python -m tests.store.MODULE ARGUMENTS``."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"tests.store.{module}", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        """Wait for its next line; empty where it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Close its input, wait for its end and return its exit code."""
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> int:
        """SIGKILL it, and return its exit code when it is dead."""
        self.process.kill()
        return self.end()


def say(line: str) -> None:
    """In the process: one line to the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def hear() -> str:
    """In the process: wait for the test's next line; empty where it has closed the input."""
    return sys.stdin.readline().rstrip("\n")
