"""A project folder with a prediction log and labels, written by the test itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.sources.build import Open, Write, labels, make_spec, predictions
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a frame as Parquet under the test's project folder."""

    def written(name: str, frame: pd.DataFrame) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)
        return path

    return written


@pytest.fixture
def opened(tmp_path: Path, write: Write) -> Open:
    """Open a source over these files; what is not given is the small log and labels above."""

    def open_it(
        log: dict[str, pd.DataFrame] | None = None, truth: dict[str, pd.DataFrame] | None = None, spec: ModelSpec | None = None
    ) -> ModelSource:
        for name, frame in ({"1.parquet": predictions()} if log is None else log).items():
            write(f"log/{name}", frame)
        (tmp_path / "labels").mkdir(exist_ok=True)
        for name, frame in ({"1.parquet": labels()} if truth is None else truth).items():
            write(f"labels/{name}", frame)
        return ModelSource(tmp_path, spec or make_spec())

    return open_it
