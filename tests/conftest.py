"""What all tests share: quiet libraries, and a Prefect home and server of the session's own, so that no test touches the user's.

A worker's own server, whose address is chosen at once, is started by the fixture ``prefect_server``; a test that runs flows asks for it.
One for all workers was tried: its SQLite database is locked for a minute now and then. So one worker has all modules that run flows. What
takes long to make is made once for all workers and copied: Prefect's database, and the small project up to the week that retrains.
"""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from flows.server import OwnServer


def _on_one_thread(connect: Callable[..., duckdb.DuckDBPyConnection]) -> Callable[..., duckdb.DuckDBPyConnection]:
    """Of several workers on few cores, threads of DuckDB's that share a few hundred rows take a tenth longer than one."""

    def connected(*args: Any, config: Mapping[str, Any] | None = None, **more: Any) -> duckdb.DuckDBPyConnection:
        return connect(*args, config={"threads": 1, **(config or {})}, **more)

    return connected


# Where the environment forbids caches of compiled code, each of the hundred processes would compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Of several workers each fits small models: threads of OpenMP that wait for one another in turns take fifty times as long.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# A database waits for the disk with each commit: in memory, where there is room, it waits for nothing. Workers inherit TMPDIR.
_MEMORY = Path("/dev/shm")
_IN_MEMORY: Path | None = None
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 * 2**30:
    _IN_MEMORY = Path(tempfile.mkdtemp(prefix="vigil-tests-", dir=_MEMORY))
    _IN_MEMORY.chmod(0o755)  # PostgreSQL runs as a user of its own where tests run as root
    os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)
_HOME = tempfile.mkdtemp(prefix="vigil-tests-prefect-")
os.environ.update(
    PREFECT_HOME=_HOME,
    PREFECT_SERVER_EPHEMERAL_ENABLED="false",  # a test that forgot the fixture fails
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_SERVER_LOGGING_LEVEL="ERROR",
)
duckdb.connect = _on_one_thread(duckdb.connect)
gc.set_threshold(20_000, 20, 20)  # with all libraries loaded, looking for cycles at Python's rate takes a twentieth of the time
settings.register_profile("vigil", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test asserts a time
settings.load_profile("vigil")
# Long ones first, so that no worker is left alone with them at the end; of those that wait for one thing to be made only one at the start.
_FIRST = (
    "loop/test_loop.py",  # and with it all of _FLOWS
    "evaluation/test_bad_input.py",
    "evaluation/test_batches.py",
    "loop/test_no_network.py",
    "deployments/test_up.py",
    "loop",
    "console/test_acting.py",
    "docs",
    "tasks",
    "benchmarks",
    "evaluation",
    "drift",
    "deployments",
    "console",
    "store",
    "examples",
)
_FLOWS = (  # modules that run flows against the fixture's server
    "console/test_acting.py",
    "console/test_checking.py",
    "deployments/test_resume.py",
    "docs/test_docs.py",
    "loop/test_bad_input.py",
    "loop/test_deliver.py",
    "loop/test_hand_over.py",
    "loop/test_kill.py",
    "loop/test_loop.py",
    "loop/test_review.py",
)

for name in ("VIGIL_PROJECT", "MLFLOW_TRACKING_URI", "COLUMNS"):
    os.environ.pop(name, None)
_server = OwnServer()
os.environ["PREFECT_API_URL"] = _server.api


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return what gives a folder of a name that one worker makes and all read. Tests copy what they change."""
    base = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder = base / name
        with FileLock(folder.with_suffix(".lock")):
            if not folder.with_suffix(".made").exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                folder.with_suffix(".made").touch()
        return folder

    return made


@pytest.fixture(scope="session")
def prefect_home(shared: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A Prefect home with an empty database of today's schema. It takes five seconds of a processor to make."""
    return shared("prefect_home", _make_prefect_home)


def _make_prefect_home(folder: Path) -> None:
    """The first that asks makes it with the server of its own, which then goes on."""
    _server.start()
    _server.wait()
    folder.mkdir()
    with closing(sqlite3.connect(Path(_HOME) / "prefect.db")) as database, closing(sqlite3.connect(folder / "prefect.db")) as copy:
        database.backup(copy)


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Path) -> Iterator[str]:
    """Return the API address of this process's Prefect server, running."""
    if not (Path(_HOME) / "prefect.db").exists():
        shutil.copy(prefect_home / "prefect.db", _HOME)
    _server.start()
    _server.wait()
    yield _server.api
    _server.stop()


@pytest.fixture(scope="session")
def before_retraining(shared: Callable[[str, Callable[[Path], object]], Path], prefect_server: str) -> Path:
    """The small project just before the week that retrains is looked at. It takes half a minute to make.

    Copy it; ``summaries.json`` in it holds what the runs of its weeks returned. It stays where it was made: MLflow keeps absolute paths.
    """
    from tests.loop.small_project import play_until_harm

    return shared("before_retraining", play_until_harm)


@pytest.fixture(scope="session", autouse=True)
def _prefect_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


class _Scopes(LoadScopeScheduling):
    """A module's tests are one worker's, as with ``--dist loadscope``; and so are those of all modules that run flows."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::", 1)[0]
        return "flows" if module.endswith(_FLOWS) else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return _Scopes(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(here)
        return min((_FIRST.index(name) for name in (path.as_posix(), path.parts[0]) if name in _FIRST), default=len(_FIRST))

    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()) and item.path.relative_to(here).as_posix() not in _FLOWS:
            raise pytest.UsageError(f"{item.path}: runs flows; name it in _FLOWS of {__file__}, so that it shares their worker's server")
    items.sort(key=place)


def pytest_unconfigure() -> None:
    """What libraries and killed processes leave in memory goes with the last test; TMPDIR=/tmp keeps what failed tests left."""
    if _IN_MEMORY is not None:
        shutil.rmtree(_IN_MEMORY, ignore_errors=True)
