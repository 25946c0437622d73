"""What a model's source answers: rows of a window, labelled rows, and typed errors where data is not as specified."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from tests.sources.build import Open, Write, labels, make_spec, predictions
from vigil.errors import SourceError
from vigil.sources.tables import ModelSource
from vigil.window import Window

FIRST = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
SECOND = FIRST.shifted(1)
LATER = datetime(2013, 4, 1, tzinfo=UTC)


def ids(table: object) -> list[str]:
    return sorted(table.execute()["prediction_id"])  # type: ignore[attr-defined]


class TestWindowOfTheLog:
    def test_a_window_holds_its_start_and_not_its_end(self, opened: Open) -> None:
        source = opened()
        assert ids(source.predictions(FIRST)) == ["a", "b"]
        assert ids(source.predictions(SECOND)) == ["c", "d"]

    def test_without_a_window_all_rows_come(self, opened: Open) -> None:
        assert ids(opened().predictions()) == ["a", "b", "c", "d"]

    def test_a_window_without_rows_is_an_empty_table_with_the_same_columns(self, opened: Open) -> None:
        source = opened()
        empty = source.predictions(FIRST.shifted(100))
        assert empty.count().execute() == 0
        assert tuple(empty.columns) == source.columns()

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
    def test_times_with_a_zone_are_compared_as_moments(self, opened: Open, zone: str) -> None:
        """The same moments written in another zone fall in the same windows."""
        moved = predictions()["event_time"].dt.tz_localize("UTC").dt.tz_convert(zone)
        source = opened({"1.parquet": predictions(event_time=moved)})
        assert ids(source.predictions(FIRST)) == ["a", "b"]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_naive_times_of_any_resolution_are_utc(self, opened: Open, unit: str) -> None:
        source = opened({"1.parquet": predictions(event_time=predictions()["event_time"].dt.as_unit(unit))})
        assert ids(source.predictions(FIRST)) == ["a", "b"]
        assert source.predictions(FIRST).execute()["event_time"].min() == pd.Timestamp("2013-03-01", tz="UTC")

    def test_dates_are_their_midnights(self, opened: Open) -> None:
        source = opened({"1.parquet": predictions(event_time=predictions()["event_time"].dt.date)})
        assert ids(source.predictions(FIRST)) == ["a", "b"]
        assert str(source.predictions(FIRST).schema()["event_time"]).startswith("timestamp('UTC'")

    def test_a_field_of_the_same_name_inside_a_nested_column_hides_no_row(self, opened: Open) -> None:
        """Each row carries the moment of its request, a year earlier; a file without it lies in the window too."""
        asked = [{"event_time": moment - pd.Timedelta(days=365)} for moment in predictions()["event_time"]]
        nested = predictions(prediction_id=["e", "f", "g", "h"])
        nested.insert(0, "request", asked)
        source = opened({"1.parquet": predictions(), "2.parquet": nested})
        assert ids(source.predictions(FIRST)) == ["a", "b", "e", "f"]

    def test_files_with_and_without_a_zone_agree(self, opened: Open) -> None:
        aware = predictions()["event_time"].dt.tz_localize("UTC")
        source = opened({"1.parquet": predictions()[:2], "2.parquet": predictions(event_time=aware)[2:]})
        assert ids(source.predictions(FIRST)) == ["a", "b"]
        assert ids(source.predictions(SECOND)) == ["c", "d"]

    def test_the_version_is_text_where_it_was_logged_as_a_number(self, opened: Open) -> None:
        source = opened({"1.parquet": predictions(model_version=[1, 1, 1, 2])})
        assert sorted(source.predictions().execute()["model_version"]) == ["1", "1", "1", "2"]


class TestFilesOfTheLog:
    def test_columns_are_united_by_name(self, opened: Open) -> None:
        """A file written in another column order, and one with a column more, read as one table; what lacks is null."""
        wider = predictions(extra=[7] * 4)[2:]
        source = opened({"1.parquet": predictions()[:2][predictions().columns[::-1]], "2.parquet": wider})
        rows = source.predictions().execute().set_index("prediction_id")
        assert rows.loc["a", "score"] == 0.1
        assert pd.isna(rows.loc["a", "extra"])
        assert rows.loc["c", "extra"] == 7

    def test_folder_names_are_not_columns(self, opened: Open) -> None:
        """A folder named like a Hive partition of a real column changes nothing of it."""
        spec = make_spec(source={"predictions": "log/**/*.parquet", "labels": "labels/*.parquet", "reference": "r.parquet"})
        source = opened({"x=99/1.parquet": predictions()}, spec=spec)
        assert sorted(source.predictions().execute()["x"]) == [1.0, 2.0, 3.0, 4.0]

    @pytest.mark.parametrize("name", ["we[e]k", "100%*", "what?", "it's"])
    def test_a_project_folder_may_have_any_name(self, tmp_path: Path, name: str) -> None:
        folder = tmp_path / name
        (folder / "log").mkdir(parents=True)
        predictions().to_parquet(folder / "log" / "1.parquet")
        source = ModelSource(folder, make_spec())
        assert ids(source.predictions(FIRST)) == ["a", "b"]
        assert duckdb.sql(source.duckdb_sql(FIRST, duckdb)).aggregate("count(*)").fetchall() == [(2,)]

    def test_a_source_keeps_to_the_files_that_were_there(self, opened: Open, write: Write) -> None:
        source = opened()
        write("log/2.parquet", predictions(prediction_id=["e", "f", "g", "h"]))
        assert ids(source.predictions()) == ["a", "b", "c", "d"]

    def test_another_connection_reads_the_same_rows_from_the_sql(self, opened: Open) -> None:
        source = opened()
        other = duckdb.connect()
        other.execute("SET TimeZone = 'UTC'")
        found = other.execute(f"SELECT prediction_id FROM ({source.duckdb_sql(SECOND, other)}) ORDER BY 1").fetchall()
        assert found == [("c",), ("d",)]

    def test_what_is_asked_for_again_is_a_name_that_is_compiled_shortly(self, opened: Open) -> None:
        """Compiling takes longer than the engine takes for a small window, and a look asks a dozen questions of the same rows."""
        source = opened()
        rows, labelled = source.predictions(FIRST), source.labelled((FIRST,), SECOND.end)
        assert source.predictions(FIRST) is rows
        assert source.labelled((FIRST,), SECOND.end) is labelled
        assert source.backend.compile(labelled.count()).count("SELECT") == 1
        assert source.labelled((FIRST,), FIRST.end) is not labelled


class TestWhatIsWrongWithTheLog:
    def test_no_file_at_all_is_an_error_to_what_reads_the_log(self, opened: Open, write: Write) -> None:
        source = opened({})
        for read in (source.columns, source.predictions, lambda: source.labels(LATER), lambda: source.data_digest(FIRST)):
            with pytest.raises(SourceError, match=r"log/\*\.parquet: no file of the prediction log .* `source.predictions`"):
                read()

    def test_without_a_log_the_reference_can_be_read(self, opened: Open, write: Write) -> None:
        write("reference.parquet", pd.DataFrame({"x": [1.0], "origin": ["EWR"], "label": [0]}))
        assert opened({}).reference_rows().count().execute() == 1

    @pytest.mark.parametrize(
        ("column", "role"),
        [
            ("prediction_id", "columns.id"),
            ("event_time", "columns.time"),
            ("model_version", "columns.version"),
            ("score", "columns.score"),
            ("latency_ms", "columns.latency_ms"),
            ("error", "columns.error"),
        ],
    )
    def test_a_missing_column_is_named_with_the_key_to_correct(self, opened: Open, column: str, role: str) -> None:
        with pytest.raises(SourceError, match=f"`{role}[ `]") as caught:
            opened({"1.parquet": predictions().drop(columns=column)})
        assert caught.value.column == column

    def test_a_missing_column_comes_with_the_name_that_was_probably_meant(self, opened: Open) -> None:
        with pytest.raises(SourceError, match="did you mean `scores`"):
            opened({"1.parquet": predictions().rename(columns={"score": "scores"})})

    def test_a_column_that_one_file_lacks_names_the_file(self, opened: Open, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="column `score`: is missing") as caught:
            opened({"1.parquet": predictions(), "2.parquet": predictions().drop(columns="score")})
        assert caught.value.source == str(tmp_path / "log" / "2.parquet")

    def test_a_column_set_to_null_in_the_specification_is_not_asked_for(self, opened: Open) -> None:
        spec = make_spec(columns={"latency_ms": None, "error": None})
        log = predictions().drop(columns=["latency_ms", "error"])
        assert ids(opened({"1.parquet": log}, spec=spec).predictions(FIRST)) == ["a", "b"]

    def test_a_missing_feature_is_left_to_the_expectations(self, opened: Open) -> None:
        assert "x" not in opened({"1.parquet": predictions().drop(columns="x")}).columns()

    @pytest.mark.parametrize(
        ("column", "values", "expected"),
        [
            ("score", ["high"] * 4, "expected numbers, found string"),
            ("score", [True] * 4, "expected numbers, found boolean"),
            ("event_time", ["2013-03-01"] * 4, "expected timestamps or dates, found string"),
            ("model_version", [1.0] * 4, "expected text or integers, found float64"),
            ("latency_ms", ["12 ms"] * 4, "expected numbers, found string"),
        ],
    )
    def test_another_type_is_named(self, opened: Open, column: str, values: list[object], expected: str) -> None:
        with pytest.raises(SourceError, match=expected) as caught:
            opened({"1.parquet": predictions(**{column: values})})
        assert caught.value.column == column

    def test_a_file_cut_in_half_is_named(self, opened: Open, write: Write, tmp_path: Path) -> None:
        half = write("log/2.parquet", predictions())
        half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
        with pytest.raises(SourceError, match="cannot be read as Parquet") as caught:
            opened()
        assert caught.value.source == str(half)

    def test_a_page_that_was_overwritten_is_a_source_error_when_read(self, opened: Open, write: Write) -> None:
        """The footer says what the pages hold; broken pages are found by the first read, which is the digest."""
        many = pd.concat([predictions()] * 500, ignore_index=True)
        broken = write("log/2.parquet", many)
        body = bytearray(broken.read_bytes())
        body[4:400] = b"\xff" * 396
        broken.write_bytes(bytes(body))
        source = opened()
        with pytest.raises(SourceError, match="cannot be read"):
            source.data_digest(FIRST)

    @pytest.mark.parametrize(("column", "values"), [("score", ["high"] * 4), ("latency_ms", ["12 ms"] * 4), ("event_time", [20130301] * 4)])
    def test_a_file_that_stores_a_column_otherwise_than_the_rest_is_named(
        self, opened: Open, tmp_path: Path, column: str, values: list[object]
    ) -> None:
        with pytest.raises(SourceError, match="expected") as caught:
            opened({"1.parquet": predictions(), "2.parquet": predictions(**{column: values}), "3.parquet": predictions()})
        assert (caught.value.source, caught.value.column) == (str(tmp_path / "log" / "2.parquet"), column)

    def test_latency_may_be_logged_since_some_day(self, opened: Open) -> None:
        source = opened({"1.parquet": predictions().drop(columns="latency_ms"), "2.parquet": predictions()})
        assert source.predictions()["latency_ms"].count().execute() == 4

    def test_features_of_types_that_cannot_be_united_are_a_source_error_when_read(self, opened: Open) -> None:
        source = opened({"1.parquet": predictions(), "2.parquet": predictions(x=[{"deep": 1}] * 4)})
        with pytest.raises(SourceError, match="cannot be read"):
            source.data_digest(FIRST)

    @pytest.mark.parametrize("name", ["label", "inclusion_probability"])
    def test_a_score_with_a_name_that_labels_bring_is_refused(self, opened: Open, name: str) -> None:
        spec = make_spec(columns={"score": name, "label": "truth", "inclusion_probability": "chosen"})
        with pytest.raises(SourceError, match="rename the column"):
            opened({"1.parquet": predictions(**{name: [0.5] * 4})}, spec=spec)


class TestLabelled:
    def test_rows_with_a_label_come_with_it_in_order_of_time(self, opened: Open) -> None:
        rows = opened().labelled([FIRST, SECOND], LATER).execute()
        assert list(rows["prediction_id"]) == ["a", "b", "c"]
        assert list(rows["label"]) == [0.0, 1.0, 1.0]
        assert list(rows["inclusion_probability"]) == [0.5, 0.5, 0.5]
        assert list(rows.columns) == [*predictions().columns, "label", "inclusion_probability"]

    def test_a_file_that_stores_ids_as_numbers_is_labelled_like_the_others(self, opened: Open) -> None:
        """Ids are text, but the second day's file has 3 and 4 as whole numbers; labels have text."""
        first, second = predictions().iloc[:2], predictions(prediction_id=[1, 2, 3, 4]).iloc[2:]
        source = opened({"1.parquet": first, "2.parquet": second}, {"1.parquet": labels(prediction_id=["a", "3", "4"])})
        assert ids(source.labelled((FIRST,), LATER)) == ["a"]
        assert ids(source.labelled((SECOND,), LATER)) == ["3", "4"]

    def test_only_the_windows_asked_for_count(self, opened: Open) -> None:
        assert ids(opened().labelled([SECOND], LATER)) == ["c"]

    def test_windows_that_overlap_give_each_row_once(self, opened: Open) -> None:
        both = Window(FIRST.start, SECOND.end)
        assert ids(opened().labelled([both, FIRST], LATER)) == ["a", "b", "c"]

    def test_no_windows_are_no_rows(self, opened: Open) -> None:
        assert ids(opened().labelled([], LATER)) == []

    def test_a_label_counts_from_the_moment_it_was_observed(self, opened: Open) -> None:
        source, moment = opened(), datetime(2013, 3, 3, tzinfo=UTC)
        assert ids(source.labelled([FIRST], moment)) == ["a", "b"]
        assert ids(source.labelled([FIRST], moment - timedelta(microseconds=1))) == []

    def test_without_a_probability_column_every_label_was_certain(self, opened: Open) -> None:
        spec = make_spec(columns={"inclusion_probability": None})
        rows = opened(truth={"1.parquet": labels().drop(columns="inclusion_probability")}, spec=spec).labelled([FIRST], LATER)
        assert list(rows.execute()["inclusion_probability"]) == [1.0, 1.0]

    def test_names_of_the_specification_are_read_and_the_labels_come_under_vigils(self, opened: Open) -> None:
        spec = make_spec(columns={"label": "late", "label_time": "arrived", "inclusion_probability": "chosen"})
        named = {"label": "late", "observed_at": "arrived", "inclusion_probability": "chosen"}
        rows = opened(truth={"1.parquet": labels().rename(columns=named)}, spec=spec).labelled([FIRST], LATER).execute()
        assert list(rows["label"]) == [0.0, 1.0]

    def test_a_label_column_in_the_log_gives_way_to_the_label(self, opened: Open) -> None:
        """Predictions and labels may be one file: what the log says in the label's column is not the label known at a moment."""
        log = predictions(label=[9, 9, 9, 9], observed_at=predictions()["event_time"])
        rows = opened({"1.parquet": log}).labelled([FIRST], LATER).execute()
        assert list(rows["label"]) == [0.0, 1.0]

    def test_labels_of_unknown_predictions_are_no_rows(self, opened: Open) -> None:
        source = opened(truth={"1.parquet": labels(prediction_id=["a", "x", "y"])})
        assert ids(source.labelled([FIRST, SECOND], LATER)) == ["a"]

    def test_booleans_are_labels(self, opened: Open) -> None:
        source = opened(truth={"1.parquet": labels(label=[False, True, True])})
        assert list(source.labelled([FIRST], LATER).execute()["label"]) == [0.0, 1.0]

    def test_no_label_file_yet_is_no_label(self, opened: Open) -> None:
        source = opened(truth={})
        assert source.labelled([FIRST], LATER).execute().shape == (0, 10)
        assert source.labels(LATER).count().execute() == 0

    def test_regression_labels_may_be_any_number(self, opened: Open) -> None:
        spec = make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 1.0})
        source = opened(truth={"1.parquet": labels(label=[-3.5, 12.0, 0.1])}, spec=spec)
        assert list(source.labelled([FIRST], LATER).execute()["label"]) == [-3.5, 12.0]


class TestWhatIsWrongWithLabels:
    def test_a_folder_that_may_not_be_read_is_an_error(self, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A glob finds nothing in it and says nothing, which is no label yet. Root may read all, so the system's answer is played."""
        listed = os.scandir

        def refusing(path: Any = ".") -> Any:
            if str(path).endswith("/labels"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return listed(path)

        source = opened()
        monkeypatch.setattr(os, "scandir", refusing)
        with pytest.raises(SourceError, match=rf"labels/\*\.parquet: the folder {tmp_path}/labels cannot be listed \(Permission denied\)"):
            source.labels(LATER)

    @pytest.mark.parametrize(("place", "files"), [("labels", r"labels/\*\.parquet"), ("", r"\*\.parquet")])
    def test_a_folder_instead_of_its_files_is_a_mistake(self, opened: Open, place: str, files: str) -> None:
        """It names no file, and labels that never come are no error."""
        source = {"predictions": "log/*.parquet", "labels": place, "reference": "reference.parquet"}
        with pytest.raises(SourceError, match=f"'{place}': is a folder; name the files in it, such as {files}$"):
            opened(spec=make_spec(source=source)).labels(LATER)

    def test_a_folder_that_is_not_there_is_a_mistake(self, opened: Open, tmp_path: Path) -> None:
        source = opened(truth={})
        (tmp_path / "labels").rmdir()
        with pytest.raises(SourceError, match=r"`source\.labels`"):
            source.labels(LATER)

    @pytest.mark.parametrize("column", ["prediction_id", "label", "observed_at", "inclusion_probability"])
    def test_a_missing_column_is_named(self, opened: Open, column: str) -> None:
        with pytest.raises(SourceError, match="is missing") as caught:
            opened(truth={"1.parquet": labels().drop(columns=column)}).labels(LATER)
        assert caught.value.column == column

    def test_a_missing_inclusion_probability_may_be_no_mistake(self, opened: Open) -> None:
        """Most labels are no sample: who has none is told that the key may be null."""
        with pytest.raises(SourceError, match=r"`columns.inclusion_probability \(null where labels are no sample\)`"):
            opened(truth={"1.parquet": labels().drop(columns="inclusion_probability")}).labels(LATER)

    def test_a_column_that_one_file_lacks_names_the_file(self, opened: Open, tmp_path: Path) -> None:
        source = opened(truth={"1.parquet": labels(), "2.parquet": labels().drop(columns="label")})
        with pytest.raises(SourceError, match="is missing") as caught:
            source.labels(LATER)
        assert caught.value.source == str(tmp_path / "labels" / "2.parquet")

    @pytest.mark.parametrize("probability", [0.0, -0.1, 1.0000001, float("inf"), None])
    def test_a_probability_outside_0_to_1_is_named_with_its_prediction_and_file(
        self, opened: Open, tmp_path: Path, probability: float | None
    ) -> None:
        bad = labels(prediction_id=["d", "e", "f"], inclusion_probability=[1.0, probability, 0.5])
        source = opened(truth={"1.parquet": labels(), "2.parquet": bad})
        with pytest.raises(SourceError, match=r"1 labels have an inclusion probability outside \(0, 1\].*'e'") as caught:
            source.labelled([FIRST], LATER)
        assert (caught.value.source, caught.value.column) == (str(tmp_path / "labels" / "2.parquet"), "inclusion_probability")

    def test_of_two_files_with_a_prediction_the_one_with_the_wrong_label_is_named(self, opened: Open, tmp_path: Path) -> None:
        wrong = labels(observed_at=pd.to_datetime(["2013-03-04"] * 3), label=[0, 7, 1])
        source = opened(truth={"1.parquet": labels(), "2.parquet": wrong, "3.parquet": labels()})
        with pytest.raises(SourceError, match="1 labels are not 0 or 1, such as that of prediction 'b'") as caught:
            source.labels(LATER)
        assert caught.value.source == str(tmp_path / "labels" / "2.parquet")

    def test_a_probability_of_nan_is_refused(self, opened: Open) -> None:
        spoilt = labels(inclusion_probability=pd.Series([0.5, float("nan"), 0.5]).to_numpy())
        with pytest.raises(SourceError, match="outside"):
            opened(truth={"1.parquet": spoilt}).labels(LATER)

    @pytest.mark.parametrize("label", [2.0, -1.0, 0.5])
    def test_a_binary_label_is_0_or_1(self, opened: Open, label: float) -> None:
        with pytest.raises(SourceError, match="1 labels are not 0 or 1, such as that of prediction 'b'"):
            opened(truth={"1.parquet": labels(label=[0.0, label, 1.0])}).labels(LATER)

    def test_a_regression_label_is_finite(self, opened: Open) -> None:
        spec = make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 1.0})
        with pytest.raises(SourceError, match="not a finite number"):
            opened(truth={"1.parquet": labels(label=[0.0, float("inf"), 1.0])}, spec=spec).labels(LATER)

    def test_a_fault_that_comes_later_does_not_spoil_what_was_known_before(self, opened: Open) -> None:
        """What an evaluation as of a moment says does not change when a bad label arrives after it."""
        late = labels(observed_at=pd.to_datetime(["2013-03-20"] * 3), inclusion_probability=[7.0] * 3)
        source = opened(truth={"1.parquet": labels(), "2.parquet": late})
        assert ids(source.labelled([FIRST], datetime(2013, 3, 10, tzinfo=UTC))) == ["a", "b"]
        with pytest.raises(SourceError):
            source.labels(LATER)

    def test_ids_of_another_type_than_the_logs_are_refused(self, opened: Open) -> None:
        with pytest.raises(SourceError, match="expected string as in the prediction log, found int64"):
            opened(truth={"1.parquet": labels(prediction_id=[1, 2, 3])}).labels(LATER)


class TestReference:
    def test_its_rows_come_as_they_are(self, opened: Open, write: Write) -> None:
        write("reference.parquet", pd.DataFrame({"x": [1.0, 2.0], "origin": ["EWR", "LGA"], "label": [0, 1]}))
        assert list(opened().reference_rows().execute()["origin"]) == ["EWR", "LGA"]

    def test_none_specified_is_said(self, opened: Open) -> None:
        spec = make_spec(
            source={"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
            training={"trainer": "trainer:fit", "include_reference": False},
        )
        with pytest.raises(SourceError, match=r"set `source\.reference`"):
            opened(spec=spec).reference_rows()

    def test_no_file_is_said(self, opened: Open) -> None:
        with pytest.raises(SourceError, match="no file of the reference rows"):
            opened().reference_rows()

    @pytest.mark.parametrize("column", ["x", "origin", "label"])
    def test_a_missing_column_is_named(self, opened: Open, write: Write, column: str) -> None:
        frame = pd.DataFrame({"x": [1.0, 2.0], "origin": ["EWR", "LGA"], "label": [0, 1]})
        write("reference.parquet", frame.drop(columns=column))
        with pytest.raises(SourceError, match="is missing") as caught:
            opened().reference_rows()
        assert caught.value.column == column

    def test_a_numeric_feature_that_is_text_is_named(self, opened: Open, write: Write) -> None:
        write("reference.parquet", pd.DataFrame({"x": ["1", "2"], "origin": ["EWR", "LGA"], "label": [0, 1]}))
        with pytest.raises(SourceError, match="expected numbers or booleans, found string"):
            opened().reference_rows()
