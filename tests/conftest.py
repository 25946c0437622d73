"""What all tests share: quiet libraries, and a Prefect home of the session's own, so that no test touches the user's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigil.quiet import be_quiet

be_quiet()
_HOME = tempfile.mkdtemp(prefix="vigil-tests-prefect-")
os.environ.update(
    PREFECT_HOME=_HOME,
    PREFECT_SERVER_EPHEMERAL_ENABLED="true",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
    PREFECT_LOGGING_LEVEL="WARNING",
    PREFECT_SERVER_LOGGING_LEVEL="ERROR",
)
_LONGEST_FIRST = ("loop", "docs", "deployments", "console", "tasks", "store", "examples")

for name in ("PREFECT_API_URL", "VIGIL_PROJECT", "MLFLOW_TRACKING_URI", "COLUMNS"):
    os.environ.pop(name, None)


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
