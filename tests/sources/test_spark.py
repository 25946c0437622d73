"""The same log and labels through Spark: the same windows, labels, digests and expectations as from DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.profile.sparks import session_on, skip_without_spark
from tests.sources.build import labels, make_spec, predictions
from vigil.errors import SourceError
from vigil.sources.tables import ModelSource
from vigil.spec.project import Connection
from vigil.window import Window

skip_without_spark()

FIRST = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
BOTH = Window(FIRST.start, datetime(2013, 3, 3, tzinfo=UTC))
LATER = datetime(2013, 4, 1, tzinfo=UTC)
PLACES = {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with session_on("local[2]", tmp_path_factory.mktemp("spark")) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small log, a file a day, and its labels."""
    rows = predictions()
    for day, part in rows.groupby(rows.event_time.dt.day):
        write(tmp_path / "log" / f"{day}.parquet", part)
    write(tmp_path / "labels" / "first.parquet", labels())
    return tmp_path


def write(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(exist_ok=True)
    frame.assign(**{name: frame[name].astype("datetime64[us]") for name in frame.select_dtypes("datetime")}).to_parquet(path, index=False)


def through_spark(folder: Path, **places: Any) -> ModelSource:
    spec = make_spec(source={**PLACES, **places, "connection": "lake"})
    return ModelSource(folder, spec, {"lake": Connection(spark="session")})


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Values alone: how pandas types a column beside a null is the driver's affair."""
    return frame.astype(object).where(frame.notna(), None)


@pytest.mark.usefixtures("session")
def test_windows_labels_and_counts_are_those_of_duckdb(folder: Path) -> None:
    here, there = through_spark(folder), ModelSource(folder, make_spec(), {})
    assert here.columns() == there.columns()
    assert here.rows_in([FIRST, BOTH]) == there.rows_in([FIRST, BOTH]) == {FIRST: 2, BOTH: 4}
    assert here.future_rows(FIRST.end) == there.future_rows(FIRST.end) == 1
    assert [file.path.name for file in here.files(FIRST)] == ["1.parquet", "first.parquet"]
    for ask in (
        lambda source: source.predictions(FIRST).order_by("prediction_id"),
        lambda source: source.labels(LATER).order_by("prediction_id"),
        lambda source: source.labelled((BOTH,), LATER),
    ):
        found, expected = (ask(source).execute() for source in (here, there))
        pd.testing.assert_frame_equal(plain(found), plain(expected))


def test_a_table_of_the_catalog_is_read_as_files_are(session: Any, folder: Path) -> None:
    for name, part in (("logged", "log/*.parquet"), ("observed", "labels/*.parquet")):
        session.read.parquet(str(folder / part)).createOrReplaceTempView(name)
    tables, files = through_spark(folder, predictions={"table": "logged"}, labels={"table": "observed"}), through_spark(folder)
    assert tables.data_digest(BOTH) == files.data_digest(BOTH)
    assert tables.labels_digest(BOTH, LATER) == files.labels_digest(BOTH, LATER)


@pytest.mark.usefixtures("session")
def test_digests_follow_content(folder: Path) -> None:
    """A second copy of a label changes nothing; a correction does, and so does a row that is there twice."""
    before = through_spark(folder)
    data, known = before.data_digest(BOTH), before.labels_digest(BOTH, LATER)
    write(folder / "labels" / "again.parquet", labels(observed_at=pd.to_datetime(["2013-03-20"] * 3)))
    assert through_spark(folder).labels_digest(BOTH, LATER) == known
    write(folder / "labels" / "corrected.parquet", labels(observed_at=pd.to_datetime(["2013-03-21"] * 3), label=[1, 1, 1]))
    assert through_spark(folder).labels_digest(BOTH, LATER) != known
    write(folder / "log" / "twice.parquet", predictions().head(1))
    assert through_spark(folder).data_digest(BOTH) != data


@pytest.mark.usefixtures("session")
def test_rows_are_sent_to_duckdb_for_expectations(folder: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    sql = through_spark(folder).duckdb_sql(FIRST, connection, ["prediction_id", "x"])
    assert sorted(connection.execute(f"SELECT * FROM ({sql})").fetchall()) == [("a", 1.0), ("b", 2.0)]


@pytest.mark.usefixtures("session")
def test_a_faulty_label_is_named_with_its_file(folder: Path) -> None:
    wrong = labels(observed_at=pd.to_datetime(["2013-03-22"] * 3), label=[7, 0, 0])
    write(folder / "labels" / "wrong.parquet", wrong)
    with pytest.raises(SourceError, match=r"wrong\.parquet.*1 labels are not 0 or 1, such as that of prediction 'a'"):
        through_spark(folder).labels(LATER)


@pytest.mark.usefixtures("session")
def test_a_table_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        through_spark(folder, predictions={"table": "nowhere"}).columns()
