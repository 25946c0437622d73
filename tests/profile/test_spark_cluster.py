"""A standalone master with two workers counts what DuckDB counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.profile.build import make_spec
from tests.profile.engines import everything, spec_of_everything
from tests.profile.sparks import WORKERS, session_on, skip_without_spark, standalone, wait_for
from vigil.errors import SourceError
from vigil.profile.layout import layout_of
from vigil.profile.scan import profile_rows
from vigil.sources.parquet import ParquetEngine
from vigil.sources.spark import SparkEngine
from vigil.spec.model import ModelSpec

skip_without_spark()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with an executor on each worker."""
    folder = tmp_path_factory.mktemp("cluster")
    with standalone(folder) as url, session_on(url, folder) as started:
        status = started.sparkContext._jsc.sc().getExecutorMemoryStatus
        wait_for(lambda: status().size() == WORKERS + 1, folder / "master.Master-0.log")  # and the driver
        yield started


def counted(folder: Path, spec: ModelSpec) -> tuple[dict[Any, str], dict[Any, str]]:
    """The profiles of the folder's files on the cluster, and on DuckDB."""
    here, there = SparkEngine("lake", "session", folder).find("*.parquet"), ParquetEngine(folder).find("*.parquet")
    assert here is not None
    assert there is not None
    layout = layout_of(there.table, spec)
    found, expected = (profile_rows(rows.table, spec, layout) for rows in (here, there))
    return {key: profile.to_json() for key, profile in found.items()}, {key: profile.to_json() for key, profile in expected.items()}


@pytest.mark.usefixtures("session")
def test_every_profile_of_everything_is_equal_to_the_byte(tmp_path: Path) -> None:
    """A file for each row, so that each worker counts some of them."""
    rows = everything()
    for index in range(rows.num_rows):
        pq.write_table(rows.slice(index, 1), tmp_path / f"{index}.parquet")
    found, expected = counted(tmp_path, spec_of_everything())
    assert found == expected


def test_both_workers_count_many_rows(session: Any, tmp_path: Path) -> None:
    """200,000 rows in eight files; the sums of squares are far beyond what a float64 would add without rounding."""
    rng = np.random.default_rng(6)
    n = 200_000
    for part in range(8):
        columns = {"x": rng.standard_cauchy(n // 8), "c": rng.integers(0, 300, n // 8).astype(str), "score": rng.random(n // 8)}
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    found, expected = counted(tmp_path, make_spec({"x": "numeric", "c": "categorical"}))
    assert found == expected
    assert session.sparkContext.defaultParallelism == WORKERS


@pytest.mark.usefixtures("session")
def test_another_master_is_refused_while_a_session_runs(tmp_path: Path) -> None:
    """A process has one Spark context: rows would be counted on a master that nobody asked for."""
    with pytest.raises(SourceError, match=r"asks for local\[1\], but this process has a session on spark://127\.0\.0\.1:"):
        SparkEngine("lake", "local[1]", tmp_path)
