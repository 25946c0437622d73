"""A store on SQLite for the tests of alerts; that both engines agree is tests/store's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigil.store.sql import SqlStore, open_store


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("alerts") / "migrated.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Iterator[SqlStore]:
    shutil.copy(migrated, tmp_path / "vigil.db")
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as opened:
        yield opened
