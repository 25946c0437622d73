"""Sessions of Spark for tests: on threads of this process, or on a standalone master with two workers, all on the loopback.

Neither pyspark (450 MB) nor Java comes with requirements.lock, so where one is missing the tests skip by name, also under CI:
`make spark` installs pyspark and runs them.
Where both are there, a Spark that does not start is a failure.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120  # a loaded machine with two cores takes 30
WORKERS = 2


def skip_without_spark() -> None:
    """Skip the module that calls this where Spark cannot run."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'vigil[spark]'", allow_module_level=True)
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17 or later, and there is none on the PATH or in JAVA_HOME", allow_module_level=True)


@contextmanager
def session_on(master: str, folder: Path) -> Iterator[Any]:
    """The session that vigil starts itself on ``master``."""
    from pyspark.sql import SparkSession

    from vigil.sources.spark import SparkEngine

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        SparkEngine("lake", master, folder)
        session = SparkSession.builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """The URL of a standalone master with :data:`WORKERS` workers of one core; all their processes end with the block."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> Path:
        log = folder / f"{name}-{len(started)}.log"
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", "127.0.0.1", "--webui-port", "0"]
        with log.open("wb") as out:
            started.append(
                subprocess.Popen([*command, *arguments], env=environment, cwd=folder, stdout=out, stderr=out, start_new_session=True)
            )
        return log

    try:
        log = start("master.Master", "--port", "0")
        wait_for(lambda: "Starting Spark master at" in log.read_text(), log)
        (url,) = re.findall(r"Starting Spark master at (spark://\S+)", log.read_text())
        for _ in range(WORKERS):
            start("worker.Worker", "--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work"), url)
        wait_for(lambda: log.read_text().count("Registering worker") == WORKERS, log)
        yield url
    finally:
        for process in reversed(started):
            _end(process)


def wait_for(came: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not came():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started (a worker's executors are in its group)."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
