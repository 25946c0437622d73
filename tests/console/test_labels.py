"""``vigil labels``: a plan goes out as a file, comes back filled in, and the table says what is known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from console.exit_codes import ExitCode
from tests.console.shop import MODEL, answer, call, fill_store, make_shop, write_data

PLAN = ("labels", "plan", MODEL, "--budget", "6", "--window", "2024-01-01")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two weeks of 20 predictions, half of them labelled without an offset in the time of observation; both weeks were looked at."""
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    path = folder / "data" / "labels" / "all.parquet"
    rows = pd.read_parquet(path)
    rows.assign(observed_at=rows["observed_at"].dt.tz_localize(None)).to_parquet(path)
    fill_store(folder)
    return folder


def filled(path: Path) -> Path:
    pd.read_csv(path).assign(label=1).to_csv(path, index=False)
    return path


def test_a_plan_is_written_once_and_the_same_again(shop: Path) -> None:
    (first,) = answer(shop, *PLAN)
    rows = pd.read_csv(first["path"])
    assert (first["labels"], len(rows), rows["label"].isna().all()) == (6, 6, True)
    assert not set(rows["prediction_id"]) & {f"p{i}" for i in range(0, 40, 2)}
    (again,) = answer(shop, *PLAN)
    assert again == first
    assert pd.read_csv(first["path"]).equals(rows)


def test_it_comes_back_and_status_shows_it(shop: Path) -> None:
    (plan,) = answer(shop, *PLAN)
    before, _ = answer(shop, "labels", "status", MODEL)
    assert (before["plans_open"], before["plans_answered"]) == ([plan["plan_id"]], [])
    assert (plan["control"], before["control_asked"], before["control_labels"]) == (2, 2, 0)
    assert sum(row["control"] for row in plan["strata"]) == 2
    (done,) = answer(shop, "labels", "import", MODEL, str(filled(Path(plan["path"]))))
    assert (done["asked"], done["answered"], done["new"]) == (6, 6, True)
    (again,) = answer(shop, "labels", "import", MODEL, plan["path"])
    assert not again["new"]
    after, _ = answer(shop, "labels", "status", MODEL)
    assert (after["plans_open"], after["plans_answered"]) == ([], [plan["plan_id"]])
    assert (after["control_labels"], after["control_value"]) == (0, None)  # the week was not looked at again since
    shown = call(shop, "labels", "status", MODEL)
    assert "0 of 2" in shown.stdout
    assert "0 open, 1 answered" in shown.stdout


def test_a_file_that_is_wrong_is_an_error_of_the_data(shop: Path) -> None:
    (plan,) = answer(shop, *PLAN)
    done = call(shop, "labels", "import", MODEL, str(shop / "nowhere.csv"))
    assert (done.exit_code, "there is no such file" in done.stderr) == (ExitCode.DATA, True)
    rows = pd.read_csv(plan["path"]).assign(label=7)
    rows.to_csv(plan["path"], index=False)
    done = call(shop, "labels", "import", MODEL, plan["path"])
    assert (done.exit_code, "row 1: column `label`: expected 0, 1 or nothing" in done.stderr) == (ExitCode.DATA, True)
    assert [path.name for path in (shop / "data" / "labels").iterdir()] == ["all.parquet"]


def test_without_a_number_the_specifications_budget_is_asked_for(shop: Path) -> None:
    call_plan = ("labels", "plan", MODEL, "--window", "2024-01-01")
    done = call(shop, *call_plan)
    assert (done.exit_code, "labels.budget" in done.stderr) == (ExitCode.USAGE, True)
    path = shop / "models" / "churn.yaml"
    path.write_text(path.read_text() + "labels: {budget: 5}\n")
    (plan,) = answer(shop, *call_plan)
    assert plan["labels"] == 5
