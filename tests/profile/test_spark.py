"""Spark counts what DuckDB counts: the same Parquet files, and a table, on two local threads."""

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
from tests.profile.sparks import session_on, skip_without_spark
from vigil.errors import SourceError
from vigil.profile.columns import as_text
from vigil.profile.layout import Layout, layout_of
from vigil.profile.scan import profile_rows
from vigil.sources.digest import rows_digest
from vigil.sources.parquet import ParquetEngine
from vigil.sources.spark import SparkEngine
from vigil.spec.model import Table

skip_without_spark()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with session_on("local[2]", tmp_path_factory.mktemp("spark")) as started:
        yield started


def here(folder: Path, pattern: str = "*.parquet") -> Any:
    found = SparkEngine("lake", "session", folder).find(pattern)
    assert found is not None
    return found.table


def there(folder: Path) -> Any:
    found = ParquetEngine(folder).find("*.parquet")
    assert found is not None
    return found.table


@pytest.mark.usefixtures("session")
def test_every_profile_of_everything_is_equal_to_the_byte(tmp_path: Path) -> None:
    """Whole, versions and segments: NaN, infinities, -0.0, 64-bit extremes, decimals, times, nulls and hostile names and values."""
    pq.write_table(everything(), tmp_path / "rows.parquet")
    spec = spec_of_everything()
    layout = layout_of(there(tmp_path), spec)
    counted, expected = (profile_rows(rows, spec, layout) for rows in (here(tmp_path), there(tmp_path)))
    assert {key: profile.to_json() for key, profile in counted.items()} == {key: profile.to_json() for key, profile in expected.items()}


def test_a_table_and_many_files_have_the_same_profile(session: Any, tmp_path: Path) -> None:
    """20,000 rows in four files, in Spark's own table and in DuckDB; the digest is the same from both of Spark's."""
    rng = np.random.default_rng(5)
    rows = pa.table({"x": rng.lognormal(3, 2, 20_000), "c": rng.integers(0, 300, 20_000).astype(str), "score": rng.random(20_000)})
    for part in range(4):
        pq.write_table(rows.slice(part * 5_000, 5_000), tmp_path / f"{part}.parquet")
    spec = make_spec({"x": "numeric", "c": "categorical"})
    engine = SparkEngine("lake", "session", tmp_path)
    session.createDataFrame(rows).createOrReplaceTempView("logged")
    logged = engine.find(Table(table="logged")).table
    layout = layout_of(there(tmp_path), spec)
    expected = profile_rows(there(tmp_path), spec, layout)
    assert profile_rows(here(tmp_path), spec, layout) == expected
    assert profile_rows(logged, spec, layout) == expected
    assert rows_digest(engine.backend, here(tmp_path)) == rows_digest(engine.backend, logged)


@pytest.mark.usefixtures("session")
def test_a_layout_made_on_spark_counts_on_duckdb(tmp_path: Path) -> None:
    """An edge between two values may differ in its last bit from DuckDB's; what is counted at it may not."""
    pq.write_table(everything(), tmp_path / "rows.parquet")
    spec = spec_of_everything()
    layout = layout_of(here(tmp_path), spec)
    assert layout.categorical == layout_of(there(tmp_path), spec).categorical
    assert profile_rows(here(tmp_path), spec, layout) == profile_rows(there(tmp_path), spec, layout)


@pytest.mark.usefixtures("session")
def test_no_row_and_only_nulls_are_counted(tmp_path: Path) -> None:
    """An aggregate of nothing is null on Spark, and zero here."""
    rows = pa.table({"x": pa.array([None, None], pa.float64()), "c": pa.array([None, None], pa.string())})
    pq.write_table(rows, tmp_path / "rows.parquet")
    spec = make_spec({"x": "numeric", "c": "categorical"})
    layout = Layout({"x": (0.5,)}, {"c": ("a",)}, layout_of(there(tmp_path), spec).scales, {"c": ()})
    for kept in (2, 0):
        assert profile_rows(here(tmp_path).limit(kept), spec, layout) == profile_rows(there(tmp_path).limit(kept), spec, layout)


@pytest.mark.usefixtures("session")
def test_a_long_tail_of_categories_is_told_from_new_ones(tmp_path: Path) -> None:
    """More known categories than are written into a query on DuckDB; of two columns, each has its own."""
    levels = [f"level {index:04}" for index in range(700)]
    layout = Layout({}, {"c": tuple(levels[:10]), "d": ("new",)}, {}, {"c": tuple(levels[10:]), "d": None})
    pq.write_table(pa.table({"c": [*levels, "new", "newer"], "d": ["new", "level 0000", *[None] * 700]}), tmp_path / "rows.parquet")
    spec = make_spec({"c": "categorical", "d": "categorical"})
    counted = profile_rows(here(tmp_path), spec, layout)
    assert counted == profile_rows(there(tmp_path), spec, layout)
    summaries = counted["*", "*"].categorical
    assert (summaries["c"].other, summaries["c"].unseen) == (690, 2)
    assert (summaries["d"].counts, summaries["d"].other, summaries["d"].nulls) == ((1,), 1, 700)


@pytest.mark.usefixtures("session")
def test_a_number_has_the_same_text(tmp_path: Path) -> None:
    """Java 17 alone would write 2e23 as 1.9999999999999998E23, 1e-05 as 1.0E-5 and 12345678.5 as 1.23456785E7."""
    numbers = [2e23, 1e23, 8.41e21, 1e16, 1e15 + 0.5, 2.0**53 + 2, 9999999999999998.0, 12345678.5, 1e-4, 9.999e-5, 1e-5, -1e-5, 0.1]
    numbers += np.random.default_rng(7).lognormal(0, 4, 2_000).tolist()
    pq.write_table(pa.table({"x": [*numbers, float("nan"), None]}), tmp_path / "rows.parquet")
    found, expected = (
        rows.select(x=rows["x"], text=as_text(rows["x"], engine)).to_pyarrow().to_pylist()
        for rows, engine in ((here(tmp_path), "pyspark"), (there(tmp_path), "duckdb"))
    )
    assert [row["text"] for row in found] == [row["text"] for row in expected]


@pytest.mark.usefixtures("session")
def test_names_of_files_and_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    """Neither signs of a pattern nor Hive's day=1 mean anything in a name; what is listed is read."""
    for name in ("a[1]{2} *%20.parquet", "day=1/a.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"x": [1.0]}), tmp_path / name)
    rows = here(tmp_path, "**/*.parquet")
    assert rows.columns == ("x",)
    assert rows.count().execute() == 2


@pytest.mark.usefixtures("session")
def test_a_file_that_spark_would_pass_over_is_an_error(tmp_path: Path) -> None:
    """DuckDB reads it, so its rows would be missing from the counts without a word."""
    for name in ("a.parquet", "_b.parquet"):
        pq.write_table(pa.table({"x": [1.0]}), tmp_path / name)
    with pytest.raises(SourceError, match=r"_b\.parquet: Spark passes over files"):
        here(tmp_path)
