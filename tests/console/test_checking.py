"""``check`` and ``doctor``: what is wrong is found before it hurts, and nothing is written."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from console.doctor import _python
from tests.console.shop import SPEC, answer, call, make_shop, write_data
from vigil.project import Project


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    return folder


def found(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """Return what ``check`` or ``doctor`` found, by check, whatever the exit code."""
    result = call(folder, *words, "--json")
    assert result.stdout, result.stderr
    return {row["check"]: row for row in json.loads(result.stdout)}


def test_rows_from_the_future_are_a_warning_that_counts_them(shop: Path) -> None:
    """One clock says 2999; the two weeks are what they were."""
    path = shop / "data" / "predictions" / "all.parquet"
    rows = pd.read_parquet(path)
    late = rows.head(1).assign(prediction_id="late", event_time=pd.Timestamp("2999-01-01", tz="UTC").as_unit("us"))
    late.to_parquet(path.with_name("future.parquet"))
    told = found(shop, "check")["windows"]
    assert told["verdict"] == "warning"
    assert told["message"].startswith("2 windows of 7 days with rows, median 20 rows; 1 row later than the present")


def test_a_file_of_text_among_numbers_is_named(shop: Path) -> None:
    path = shop / "data" / "predictions" / "all.parquet"
    rows = pd.read_parquet(path)
    rows.assign(age=rows["age"].astype(str)).to_parquet(path.with_name("text.parquet"))
    told = found(shop, "check")["features"]
    assert told["verdict"] == "failed"
    assert told["message"].endswith("text.parquet)")


def test_a_project_that_fits_its_data_is_ok_throughout(shop: Path) -> None:
    """40 predictions in two weeks of 20, every second one labelled, 40 reference rows.

    365.25 / 7 * 0.01 = 0.522 windows a year; of two tests E[V] = 0.01 + 0.01^2, times 52.18 is 0.527.
    """
    assert {row["check"]: (row["verdict"], row["message"]) for row in answer(shop, "check")} == {
        "predictions": ("ok", "40 rows from 2024-01-01 to 2024-01-08 00:19 UTC"),
        "features": ("ok", "1 numeric, 1 categorical"),
        "windows": ("ok", "2 windows of 7 days with rows, median 20 rows"),
        "labels": ("ok", "20 predictions of 40 labelled (50 %)"),
        "false alarms": (
            "ok",
            "where nothing drifts, at most 0.53 false feature alarms a year, in 0.52 windows "
            "(52 windows of 2 features, drift.false_discovery_rate 0.01 a window)",
        ),
        "reference": ("ok", "40 labelled rows in data/reference.parquet"),
        "trainer": ("ok", "trainer:train is importable"),
    }


def test_checking_writes_nothing(shop: Path) -> None:
    before = sorted(shop.rglob("*"))
    call(shop, "check")
    assert [path for path in sorted(shop.rglob("*")) if "__pycache__" not in path.parts] == before


def test_a_feature_that_is_not_logged_fails_with_the_columns_that_are(shop: Path) -> None:
    (shop / "models" / "churn.yaml").write_text(SPEC.replace("  age: numeric", "  age: numeric\n  income: numeric"))
    result = call(shop, "check", "--json")
    assert result.exit_code == 3
    row = found(shop, "check")["features"]
    assert row["verdict"] == "failed"
    assert row["message"].startswith("not in the prediction log: income; it has prediction_id, event_time")


def test_text_where_the_specification_says_numeric_fails(shop: Path) -> None:
    (shop / "models" / "churn.yaml").write_text(SPEC.replace("country: categorical", "country: numeric"))
    told = found(shop, "check")["features"]["message"]
    assert told.startswith("numeric in the specification, not in the log: country (string, in ")
    assert told.endswith("all.parquet)")


def test_windows_too_small_for_drift_are_a_warning(shop: Path) -> None:
    (shop / "models" / "churn.yaml").write_text(SPEC.replace("minimum_rows: 10}\n", "minimum_rows: 21}\n"))
    row = found(shop, "check")["windows"]
    assert (row["verdict"], "2 windows below drift.minimum_rows 21" in row["message"]) == ("warning", True)


def test_labels_of_other_predictions_fail(shop: Path) -> None:
    labels = pd.read_parquet(shop / "data" / "labels" / "all.parquet")
    labels["prediction_id"] = "x" + labels["prediction_id"]
    labels.to_parquet(shop / "data" / "labels" / "all.parquet")
    row = found(shop, "check")["labels"]
    assert (row["verdict"], row["message"]) == ("failed", "20 labels, but none has the `prediction_id` of a prediction")


def test_no_labels_yet_is_a_warning(shop: Path) -> None:
    (shop / "data" / "labels" / "all.parquet").unlink()
    assert found(shop, "check")["labels"]["verdict"] == "warning"


def test_too_few_reference_rows_fail(shop: Path) -> None:
    (shop / "models" / "churn.yaml").write_text(SPEC.replace("minimum_rows: 10}\ndrift", "minimum_rows: 500}\ndrift"))
    assert found(shop, "check")["reference"]["message"] == "40 rows in data/reference.parquet, training.minimum_rows is 500"


def test_a_trainer_that_cannot_be_imported_fails(shop: Path) -> None:
    (shop / "trainer.py").write_text("def fit():\n    pass\n")
    row = found(shop, "check")["trainer"]
    assert (row["verdict"], "no function 'train'" in row["message"]) == ("failed", True)


def test_a_search_that_cannot_be_made_here_fails(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before a retraining finds it out."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    search = "search: {space: {C: {type: float, low: 1, high: 2}}}"
    (shop / "models" / "churn.yaml").write_text(SPEC.replace("minimum_rows: 10}\ndrift", f"minimum_rows: 10, {search}}}\ndrift"))
    told = found(shop, "check")["trainer"]
    assert (told["verdict"], "pip install 'vigil[search]'" in told["message"]) == ("failed", True)


def test_what_a_first_version_needs_is_checked_without_a_prediction_log(shop: Path) -> None:
    (shop / "data" / "predictions" / "all.parquet").unlink()
    rows = found(shop, "check")
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "predictions": "failed",
        "false alarms": "ok",
        "reference": "ok",
        "trainer": "ok",
    }


@pytest.mark.usefixtures("prefect_server")
def test_doctor_finds_a_new_project_healthy_and_leaves_it_new(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    rows = found(folder, "doctor")
    assert list(rows) == ["python", "packages", "telemetry", "project", "store", "mlflow", "prefect", "disk"]
    assert {row["verdict"] for row in rows.values()} <= {"ok", "warning"}
    assert rows["store"]["message"].endswith("state/vigil.db is not there yet; it is made when it is first used")
    assert not (folder / "state").exists()


def test_doctor_says_which_schema_a_store_has(tmp_path: Path) -> None:
    from vigil.store.migrations import HEAD

    folder = make_shop(tmp_path / "shop")
    Project.open(folder).store().close()
    row = found(folder, "doctor")["store"]
    assert (row["verdict"], row["message"].endswith(f"state/vigil.db, schema {HEAD}")) == ("ok", True)


def test_doctor_names_servers_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that was free a moment ago refuses the connection."""
    monkeypatch.delenv("PREFECT_API_URL")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = make_shop(tmp_path / "shop")
    (folder / "vigil.yaml").write_text(
        f"project: shop\nmlflow: {{tracking_uri: 'http://127.0.0.1:{port}'}}\nprefect: {{api_url: 'http://127.0.0.1:{port}/api'}}\n"
    )
    assert call(folder, "doctor").exit_code == 4
    rows = found(folder, "doctor")
    assert (rows["mlflow"]["verdict"], rows["prefect"]["verdict"]) == ("failed", "failed")
    assert "Connection refused" in rows["mlflow"]["message"]


def test_doctor_reports_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    (folder / "state").mkdir()
    (folder / "state" / "vigil.db").write_text("this is no database, though it has its name")
    row = found(folder, "doctor")["store"]
    assert (row["verdict"], "file is not a database" in row["message"]) == ("failed", True)


@pytest.mark.parametrize(("version", "verdict"), [((3, 10, 14), "failed"), ((3, 11, 0), "ok"), ((3, 13, 9), "ok"), ((3, 14, 0), "failed")])
def test_supported_pythons_are_3_11_to_3_13(version: tuple[int, ...], verdict: str) -> None:
    assert _python(version)[0] == verdict
