"""``vigil labels``: a plan goes out as a file, comes back filled in, and the table says what is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from console.exit_codes import ExitCode
from console.labels import STATUS
from console.labels_plot import ESTIMATE, page_of
from tests.console.shop import MODEL, WEEK, answer, call, fill_store, make_shop, write_data
from vigil.spec.model import Metric

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
    assert Path(done["path"]).is_file()
    assert (again["new"], again["path"]) == (False, None)
    after, _ = answer(shop, "labels", "status", MODEL)
    assert (after["plans_open"], after["plans_answered"]) == ([], [plan["plan_id"]])
    assert (after["control_labels"], after["control_value"]) == (0, None)  # the week was not looked at again since
    shown = call(shop, "labels", "status", MODEL)
    assert "0 of 2" in shown.stdout
    assert "0 open, 1 answered" in shown.stdout


@pytest.mark.parametrize(("low", "high", "shown"), [(None, None, "–"), (0.25, 0.75, "0.250 to 0.750")])
def test_a_window_that_was_not_measured_shows_no_interval(low: float | None, high: float | None, shown: str) -> None:
    (interval,) = (column for column in STATUS if column.title == "interval")
    assert interval.text({"low": low, "high": high}) == shown


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


def test_odd_labels_are_listed(shop: Path) -> None:
    rows = answer(shop, "labels", "check", MODEL)
    assert [(row["oddity"], row["count"], row["verdict"]) for row in rows] == [
        ("of no prediction", 0, "ok"),
        ("in conflict at one moment", 0, "ok"),
        ("from the future", 0, "ok"),
    ]
    assert "in conflict at one moment" in call(shop, "labels", "check", MODEL).stdout


def test_in_the_plot_estimates_are_hatched_and_measured_values_are_not(tmp_path: Path) -> None:
    """A window of the one, one of both and one of neither; an estimate is never drawn as a measured value is."""
    measured = {"model": MODEL, "metric": Metric.ROC_AUC, "value": 0.6125, "low": 0.5, "high": 0.7, "threshold": 0.6}
    estimated = {"estimated": 0.8125, "estimated_low": 0.8, "estimated_high": 0.85}
    nothing = dict.fromkeys([*measured, *estimated]) | {"model": MODEL, "metric": Metric.ROC_AUC}
    weeks = [{"window_start": WEEK.shifted(n).start, "window_end": WEEK.shifted(n).end} for n in range(3)]
    page = page_of([nothing | measured | weeks[0], nothing | measured | estimated | weeks[1], nothing | weeks[2]])
    drawn = {each["name"]: each for each in traces(page) if each["type"] == "bar" or each.get("showlegend") is not False}
    assert drawn[ESTIMATE]["marker"]["pattern"]["shape"] == "/"
    assert (drawn[ESTIMATE]["base"], drawn[ESTIMATE]["y"]) == ([0.8], [pytest.approx(0.05)])
    assert drawn["measured on labels"]["y"] == [0.6125, 0.6125]
    assert drawn["limit"]["y"] == [0.6, 0.6]
    assert "<script src=" not in page


def test_the_plot_is_written_beside_the_table(shop: Path) -> None:
    path = shop / "auc.html"
    assert len(answer(shop, "labels", "status", MODEL, "--plot", str(path))) == 2
    (measured,) = [each for each in traces(path.read_text()) if each["name"] == "measured on labels"]
    assert measured["y"] == [0.61, 0.61]


def traces(page: str) -> list[dict[str, Any]]:
    """What a page gives plotly to draw."""
    start = page.index("[", page.rindex("Plotly.newPlot("))
    found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(page[start:])[0]
    return found
