"""What all tests share: quiet libraries, and a Prefect home and server of the session's own, so that no test touches the user's.

Each worker has a server of its own, whose address is chosen at once and which the fixture ``prefect_server`` starts; a test that runs flows
asks for it. One for all workers was tried: its SQLite database is locked for a minute now and then.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from flows.server import OwnServer

# Where the environment forbids caches of compiled code, each of the hundred processes would compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
_HOME = tempfile.mkdtemp(prefix="vigil-tests-prefect-")
os.environ.update(
    PREFECT_HOME=_HOME,
    PREFECT_SERVER_EPHEMERAL_ENABLED="false",  # a test that forgot the fixture fails
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_SERVER_LOGGING_LEVEL="ERROR",
)
settings.register_profile("vigil", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test asserts a time
settings.load_profile("vigil")
_LONGEST_FIRST = ("loop", "docs", "deployments", "console", "tasks", "store", "examples")

for name in ("VIGIL_PROJECT", "MLFLOW_TRACKING_URI", "COLUMNS"):
    os.environ.pop(name, None)
_server = OwnServer()
os.environ["PREFECT_API_URL"] = _server.api


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """Return the API address of this process's Prefect server, running."""
    _server.start()
    _server.wait()
    yield _server.api
    _server.stop()


@pytest.fixture(scope="session")
def before_retraining(tmp_path_factory: pytest.TempPathFactory, worker_id: str, prefect_server: str) -> Path:
    """The small project just before the week that retrains is looked at. It takes half a minute and is made once for all workers.

    Copy it; ``summaries.json`` in it holds what the runs of its weeks returned.
    """
    from tests.loop.small_project import play_until_harm

    if worker_id == "master":
        return play_until_harm(tmp_path_factory.mktemp("small") / "project")
    shared = tmp_path_factory.getbasetemp().parent / "before_retraining"
    with FileLock(shared.with_suffix(".lock")):
        if not (shared / "summaries.json").exists():
            play_until_harm(shared)  # where it stays: MLflow keeps absolute paths of what it stores
    return shared


@pytest.fixture(scope="session", autouse=True)
def _prefect_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole flows first, so that no worker is left alone with them at the end."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)

    items.sort(key=place)
