"""The same log and labels in PostgreSQL: the same answers as from Parquet, and errors that name the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from expectations.validate import validate_window
from tests.sources.build import Open, labels, make_spec, predictions
from tests.store.conftest import new_postgresql  # noqa: F401 - a fixture
from vigil.errors import SourceError
from vigil.measurement import Measurement, Verdict
from vigil.profile.layout import layout_of
from vigil.profile.scan import profile_rows
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.spec.project import Connection
from vigil.window import Window

FIRST = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
BOTH = Window(FIRST.start, datetime(2013, 3, 3, tzinfo=UTC))
LATER = datetime(2013, 4, 1, tzinfo=UTC)
TABLES = {
    "connection": "warehouse",
    "predictions": {"table": "scores.log"},
    "labels": {"table": "labels"},
    "reference": {"table": "reference"},
}
COLUMNS = """prediction_id text, event_time timestamp, model_version text, score double precision, latency_ms double precision,
    error text, x double precision, origin text"""


@pytest.fixture
def url(new_postgresql: Callable[[], str]) -> str:  # noqa: F811
    """A database with the small log and labels."""
    made = new_postgresql()
    with psycopg.connect(made) as connection:
        connection.execute(f"CREATE SCHEMA scores; CREATE TABLE scores.log ({COLUMNS})")
        connection.execute("CREATE TABLE labels (prediction_id text, observed_at timestamp, label int, inclusion_probability float8)")
        connection.execute("CREATE TABLE reference (x float8, origin text, label int)")
        fill(connection, "scores.log", predictions())
        fill(connection, "labels", labels())
    return made


def fill(connection: psycopg.Connection, table: str, frame: pd.DataFrame) -> None:
    rows = [tuple(None if pd.isna(value) else value for value in row) for row in frame.itertuples(index=False)]
    places = ", ".join(["%s"] * len(frame.columns))
    connection.cursor().executemany(f"INSERT INTO {table} ({', '.join(frame.columns)}) VALUES ({places})", rows)


def change(url: str, sql: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(sql)


def source_of(url: str, spec: ModelSpec | None = None) -> ModelSource:
    return ModelSource(Path("nowhere"), spec or make_spec(source=TABLES), {"warehouse": Connection(postgresql=url)})


def test_windows_labels_and_columns_are_those_of_parquet(url: str, opened: Open) -> None:
    """Each table of the contract holds the same rows from both engines."""
    database, files = source_of(url), opened()
    assert database.columns() == files.columns()
    for ask in (
        lambda source: source.predictions(FIRST).order_by("prediction_id"),
        lambda source: source.labels(LATER).order_by("prediction_id"),
        lambda source: source.labelled((BOTH,), LATER),
    ):
        here, there = ask(database).execute(), ask(files).execute()
        assert (
            here.astype(object).where(here.notna(), None).values.tolist() == there.astype(object).where(there.notna(), None).values.tolist()
        )


def test_the_digest_follows_content(url: str) -> None:
    """Row order does not matter; a changed value and a doubled row do; a new column of nulls does not."""
    seen = [source_of(url).data_digest(BOTH)]
    change(url, "CREATE TABLE copy AS SELECT * FROM scores.log ORDER BY prediction_id DESC; TRUNCATE scores.log")
    change(url, "INSERT INTO scores.log SELECT * FROM copy; ALTER TABLE scores.log ADD COLUMN later int")
    assert source_of(url).data_digest(BOTH) == seen[0]
    for sql in (
        "UPDATE scores.log SET x = x + 1e-15 WHERE prediction_id = 'a'",
        "INSERT INTO scores.log SELECT * FROM scores.log WHERE prediction_id = 'b'",
        "UPDATE scores.log SET x = score, score = x",
    ):
        change(url, sql)
        seen.append(source_of(url).data_digest(BOTH))
    assert len(set(seen)) == 4


def test_the_labels_digest_follows_the_labels(url: str) -> None:
    """The same label observed again changes nothing, a correction does."""
    before = source_of(url).labels_digest(BOTH, LATER)
    change(url, "INSERT INTO labels SELECT prediction_id, '2013-03-20', label, inclusion_probability FROM labels")
    assert source_of(url).labels_digest(BOTH, LATER) == before
    change(url, "INSERT INTO labels VALUES ('a', '2013-03-21', 1, 0.5)")
    assert source_of(url).labels_digest(BOTH, LATER) != before


def test_booleans_are_labels_and_outcomes(url: str) -> None:
    """PostgreSQL casts them to a whole number, not to a float."""
    change(url, "ALTER TABLE labels ALTER label TYPE boolean USING label = 1")
    change(url, "CREATE TABLE outcomes AS SELECT prediction_id, observed_at, label AS sold FROM labels")
    spec = make_spec(source={**TABLES, "outcomes": {"table": "outcomes"}}, business={"kpis": {"sold": {"column": "sold"}}})
    source = source_of(url, spec)
    assert source.labelled((BOTH,), LATER).execute()["label"].tolist() == [0.0, 1.0, 1.0]
    assert source.outcomes(BOTH, LATER).order_by("prediction_id").execute()["vigil_kpi_sold"].tolist()[:3] == [0.0, 1.0, 1.0]


def test_outcomes_come_from_a_table_too_and_are_in_the_digest(url: str) -> None:
    """Of two rows of a prediction the later counts; what is known after the look does not."""
    change(url, "CREATE TABLE outcomes (prediction_id text, observed_at timestamp, paid float8)")
    change(url, "INSERT INTO outcomes VALUES ('a', '2013-03-02', 5), ('a', '2013-03-03', 7), ('b', '2013-05-01', 9)")
    spec = make_spec(source={**TABLES, "outcomes": {"table": "outcomes"}}, business={"kpis": {"revenue": {"column": "paid"}}})
    known = source_of(url, spec).outcomes(BOTH, LATER).execute().set_index("prediction_id")["vigil_kpi_revenue"]
    assert known["a"] == 7.0
    assert known.drop("a").isna().all()
    before = source_of(url, spec).labels_digest(BOTH, LATER)
    change(url, "INSERT INTO outcomes VALUES ('b', '2013-03-09', 1)")
    assert source_of(url, spec).labels_digest(BOTH, LATER) != before


def test_a_source_keeps_to_the_rows_that_were_there(url: str) -> None:
    """Rows that come between the digest and the scan would make a profile of other rows than the digest says."""
    source = source_of(url)
    before = source.data_digest(BOTH)
    change(url, "DELETE FROM scores.log")
    assert source.data_digest(BOTH) == before
    assert source_of(url).predictions().count().execute() == 0


def test_a_source_cannot_write(url: str) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        source_of(url).backend.raw_sql("CREATE TABLE mine (a int)")


def test_expectations_see_the_same_rows(url: str, opened: Open) -> None:
    """The window is sent to DuckDB for Great Expectations; every measurement equals that of the Parquet files."""

    def found(source: ModelSource) -> tuple[Measurement, ...]:
        return validate_window(source, BOTH, make_spec(), None)

    assert found(source_of(url)) == found(opened())


@pytest.mark.parametrize("place", ["place", "scores.place"])
def test_an_enum_is_a_category(url: str, opened: Open, place: str) -> None:
    """Its values are those of the same log with text: in the profile, in the expectations, and for the digest."""
    before = source_of(url).data_digest(BOTH)
    change(url, f"CREATE TYPE {place} AS ENUM ('EWR', 'JFK')")
    change(url, f"ALTER TABLE scores.log ALTER origin TYPE {place} USING origin::{place}")
    source, spec = source_of(url), make_spec()
    assert source.data_digest(BOTH) == before
    assert validate_window(source, BOTH, spec, None) == validate_window(opened(), BOTH, spec, None)
    layout = layout_of(opened().predictions(BOTH), spec)
    here, there = (profile_rows(each.predictions(BOTH), spec, layout) for each in (source, opened()))
    assert here == there


@pytest.mark.parametrize("kind", ["numeric", "numeric(20, 17)"])
def test_expectations_see_numerics_of_any_scale_and_nan_as_missing(url: str, kind: str) -> None:
    """Arrow has neither a decimal whose scale differs by row nor one that is NaN."""
    change(url, f"ALTER TABLE scores.log ALTER score TYPE {kind}, ALTER x TYPE {kind}")
    change(url, "UPDATE scores.log SET score = 0.12345678901234567 WHERE prediction_id = 'a'")
    change(url, "UPDATE scores.log SET x = 'NaN' WHERE prediction_id = 'b'")
    found = validate_window(source_of(url), BOTH, make_spec(), None)
    assert {(m.metric, m.subject, m.value) for m in found if m.verdict is Verdict.BREACH and m.subject in ("score", "x")} == {
        ("expect_column_values_to_not_be_null", "x", 0.25)
    }


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DROP TABLE scores.log", "table scores.log: is not in connection warehouse"),
        ("ALTER TABLE scores.log RENAME score TO scores", "table scores.log: column `score`: is missing; did you mean `scores`"),
        ("ALTER TABLE scores.log ALTER score TYPE text", "table scores.log: column `score`: expected numbers, found string"),
    ],
)
def test_what_is_wrong_with_the_log_names_the_table(url: str, sql: str, told: str) -> None:
    change(url, sql)
    with pytest.raises(SourceError, match=told):
        source_of(url)


def test_a_wrong_label_names_the_table(url: str) -> None:
    change(url, "UPDATE labels SET label = 7 WHERE prediction_id = 'a'")
    with pytest.raises(SourceError, match="table labels: column `label`: 1 labels are not 0 or 1, such as that of prediction 'a'"):
        source_of(url).labels(LATER)


def test_no_server_is_an_error_that_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_WORD", "swordfish")
    with pytest.raises(SourceError, match=r"connection warehouse: .*check connections\.warehouse") as caught:
        source_of("postgresql://reader:${SECRET_WORD}@127.0.0.1:1/none")
    assert "swordfish" not in str(caught.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_WORD", raising=False)
    with pytest.raises(SourceError, match="connection warehouse: the environment variable SECRET_WORD is not set"):
        source_of("postgresql://reader:${SECRET_WORD}@localhost/none")


def test_an_unknown_connection_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"names 'warehouse', which is not in connections: .*there: lake"):
        ModelSource(tmp_path, make_spec(source=TABLES), {"lake": Connection(postgresql="postgresql://lake/scores")})


def test_a_glob_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match=r"log/\*\.parquet: expected a table of connection warehouse"):
        source_of(url, make_spec(source={**TABLES, "predictions": "log/*.parquet"}))
