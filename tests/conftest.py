"""What all tests share: quiet libraries, and a Prefect home and server of the session's own, so that no test touches the user's.

One server serves all workers. The process that the user started chooses its address at once, and starts it when a folder
that runs flows was collected. A test that runs flows asks for the fixture ``prefect_server``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.server import OwnServer, wait_until_it_answers

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
_RUN_FLOWS = ("loop", "docs", "deployments", "console")
_LONGEST_FIRST = ("loop", "docs", "deployments", "console", "tasks", "store", "examples")

for name in ("VIGIL_PROJECT", "MLFLOW_TRACKING_URI", "COLUMNS"):
    os.environ.pop(name, None)
_SERVER = pytest.StashKey[OwnServer]()


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_SERVER] = server = OwnServer()
        os.environ["PREFECT_API_URL"] = server.api


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVER in config.stash:
        config.stash[_SERVER].stop()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    _serve(node.config, ids)


def pytest_collection_finish(session: pytest.Session) -> None:
    _serve(session.config, [item.nodeid for item in session.items])


def _serve(config: pytest.Config, ids: Sequence[str]) -> None:
    if _SERVER in config.stash and any(test.startswith(tuple(f"tests/{folder}/" for folder in _RUN_FLOWS)) for test in ids):
        config.stash[_SERVER].start()


@pytest.fixture(scope="session")
def prefect_server() -> str:
    """Return the API address of a Prefect server that answers."""
    api = os.environ["PREFECT_API_URL"]
    wait_until_it_answers(api)
    return api


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
