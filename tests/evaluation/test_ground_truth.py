"""What a look measures of ground truth where it is asked for: maturity, own metrics, fairness, values, label-free estimates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.build import FIRST, ROWS, SECOND, day_of, examine, make_work, write
from vigil.decision.findings import estimate_of
from vigil.errors import SourceError
from vigil.evaluation.worst import worst_of
from vigil.measurement import Verdict
from vigil.workspace import Workspace, open_source

ASKED = {
    "segments": ["plan"],
    "labels": {"minimum": 50, "maturity": 0.9},
    "performance": {
        "metric": "roc_auc",
        "tolerated_loss": 0.05,
        "own_metrics": {"bias": {"function": "biases_of_ours:bias"}},
        "label_free": True,
        "prediction_powered": "shown",
    },
    "fairness": {"protected": ["region"]},
    "business": {"value": {"missed": -9, "hit": 5}, "unit": "EUR"},
}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """Both days with a protected column that is no feature."""
    made = make_work(tmp_path / "p", **ASKED)
    (tmp_path / "p" / "biases_of_ours.py").write_text(
        "def bias(score, label, weight):\n    return float((score - label) @ weight / weight.sum())\n"
    )
    for window in (FIRST, SECOND):
        write(made, window, day_of(window).assign(region=np.where(np.arange(ROWS) % 3, "north", "south")))
    return made


def test_everything_that_is_asked_for_is_measured(work: Workspace) -> None:
    found = examine(work, SECOND)
    maturity = found["label_maturity", "*"]
    assert (maturity.value, maturity.n, maturity.threshold, maturity.verdict) == (1.0, ROWS, 0.9, Verdict.OK)
    log = open_source(work.project, work.spec).labelled([SECOND], found.look.as_of).to_pandas()
    assert found["bias", "*"].value == pytest.approx((log["score"] - log["label"]).mean())
    called = log["score"] >= 0.5
    south = log["region"] == "south"
    assert found["demographic_parity", "region=south"].value == pytest.approx(called[south].mean() - called[~south].mean())
    value = np.where(log["label"] == 1, np.where(called, 5.0, -9.0), 0.0)
    assert found["value_per_prediction", "*"].value == pytest.approx(value.mean())
    assert found["value_per_prediction", "*"].detail["total"]["value"] == pytest.approx(value.sum())
    assert found["value_per_prediction", "plan=a"].value == pytest.approx(value[log["plan"] == "a"].mean())
    estimated = found["estimated_roc_auc", "*"]
    assert estimated.detail["calibrated_on"] == ROWS  # the labels of the first day
    assert estimated.low <= found["roc_auc", "*"].value <= estimated.high  # type: ignore[operator]
    powered = found["prediction_powered_roc_auc", "*"]  # every row has its label, so that no score tells more
    assert (powered.value, powered.detail["predictions"], powered.detail["proxy_weight"]) == (found["roc_auc", "*"].value, ROWS, 0.0)


def test_a_window_whose_labels_are_not_all_here_is_not_judged(work: Workspace) -> None:
    """A third of the labels of a day are here: nothing but what is provisional."""
    path = work.project.path(f"labels/{SECOND.start:%m%d}.parquet")
    pd.read_parquet(path)[: ROWS // 3].to_parquet(path)
    found = examine(work, SECOND)
    auc = found["roc_auc", "*"]
    assert (found["label_maturity", "*"].value, auc.value, auc.verdict) == (pytest.approx(1 / 3), None, Verdict.NOT_ENOUGH_DATA)
    assert 0 < auc.detail["provisional"]["value"] < 1


def regression(folder: Path, **labels: object) -> Workspace:
    """A regression that is estimated without labels too."""
    metric = {"metric": "mae", "tolerated_loss": 0.1, "label_free": True}
    return make_work(folder, task="regression", performance=metric, labels={"minimum": 50} | labels)


def test_a_regressions_error_is_estimated_from_the_labels_of_the_day_before(tmp_path: Path) -> None:
    """Labels are 1 with the score's probability on both days, so the estimate holds what is then measured; `vigil why` calls it one."""
    found = examine(regression(tmp_path / "p"), SECOND)
    estimated = found["estimated_mae", "*"]
    assert (estimated.n, estimated.detail["calibrated_on"], estimated.threshold) == (ROWS, ROWS, None)
    assert estimated.low <= found["mae", "*"].value <= estimated.high  # type: ignore[operator]
    said = estimate_of(found.measured.values())
    assert said is not None
    assert said.startswith(f"Estimated without this window's labels, from {ROWS} labels of earlier ones: mae about 0.")
    assert "blind to concept drift; nothing is decided by it" in said


def test_what_a_day_taught_before_its_labels_were_mature_is_not_believed(tmp_path: Path) -> None:
    """A third of the first day's labels came: more than are needed, and still none that the second day learns from."""
    made = regression(tmp_path / "p", maturity=0.9)
    path = made.project.path(f"labels/{FIRST.start:%m%d}.parquet")
    pd.read_parquet(path)[: ROWS // 3].to_parquet(path)
    estimated = examine(made, SECOND)["estimated_mae", "*"]
    assert (estimated.value, estimated.verdict, estimated.detail["calibrated_on"]) == (None, Verdict.NOT_ENOUGH_DATA, 0)
    assert estimate_of([estimated]) == "mae could not be estimated without this window's labels, from 0 labels of earlier ones."


def test_the_scores_of_rows_without_a_label_count_where_they_decide(tmp_path: Path) -> None:
    """A third of the second day is labelled; the first day's labels say what a score means."""
    metric = {"metric": "brier", "tolerated_loss": 0.05}
    made = make_work(tmp_path / "p", labels={"minimum": 50}, performance=metric | {"prediction_powered": "decides"})
    path = made.project.path(f"labels/{SECOND.start:%m%d}.parquet")
    pd.read_parquet(path)[: ROWS // 3].assign(inclusion_probability=1 / 3).to_parquet(path)
    found = examine(made, SECOND)
    brier = found["brier", "*"]
    assert (brier.n, brier.detail["predictions"]) == (ROWS // 3, ROWS)
    assert 0 < brier.detail["proxy_weight"] <= 1
    assert brier.value != brier.detail["labels_alone"]["value"]
    assert ("prediction_powered_brier", "*") not in found.measured
    assert ("prediction_powered_log_loss", "*") in found.measured


def test_a_protected_column_that_is_not_logged_is_named(work: Workspace) -> None:
    write(work, FIRST, day_of(FIRST))
    write(work, SECOND, day_of(SECOND))
    with pytest.raises(SourceError, match=r"fairness\.protected"):
        examine(work)


def test_the_worst_segments_of_a_look_are_of_its_window(work: Workspace) -> None:
    """On the second day the scores of plan b point the other way."""
    rows = day_of(SECOND).assign(region="north")
    turned = rows["plan"] == "b"
    write(work, SECOND, rows.assign(score=np.where(turned, 1 - rows["score"], rows["score"])))
    found = examine(work, SECOND)
    source = open_source(work.project, work.spec)
    stored = work.store.evaluation(found.look.evaluation_id)
    assert stored is not None
    worst = worst_of(source, work.spec, stored, SECOND.end + timedelta(days=1))
    assert [segment.name for segment in worst] == ["plan=b"]
    assert worst[0].loss_before is not None
    assert worst[0].loss > worst[0].loss_before
