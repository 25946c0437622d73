"""Challengers made from a small source and store: attempts and their record, no knowledge of the comparison's rows. Real DuckDB, SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vigil.challenger.attempts import make_recorded
from vigil.challenger.fit import score
from vigil.challenger.make import held_out_rows, make_challenger, make_first, plan_of
from vigil.challenger.rows import LABEL
from vigil.challenger.trainer import TrainerHere
from vigil.decision.types import Action, Decision
from vigil.errors import NotEnoughData, TrainingFailed, TrainingOutcome
from vigil.performance.metrics import roc_auc
from vigil.profile.profile import Profile
from vigil.project import Project
from vigil.spec.search import Search
from vigil.store.records import Evaluation
from vigil.window import Window
from vigil.workspace import Workspace

FIRST = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
NOW = datetime(2024, 2, 1, tzinfo=UTC)
ROWS, WEEKS = 70, 3  # ten rows a day
SPEC = """\
model: loans
owner: risk
task: binary
source: {predictions: log.parquet, labels: labels.parquet, reference: reference.parquet}
columns: {latency_ms: null, error: null, inclusion_probability: null}
features: {application: numeric}
window: {days: 7}
labels: {delay_days: DELAY}
performance: {metric: roc_auc, tolerated_loss: 0.1}
training: {trainer: "vt_lookup:train", windows: 1, holdout_windows: 1, include_reference: false, minimum_rows: 20, retries: RETRIES}
"""
# It knows by heart how each application ended, and that only: the perfect way to profit from a leak.
TRAINER = """
import os
import pathlib
import numpy as np

class ByHeart:
    classes_ = (0, 1)

    def __init__(self, rows):
        self.known = dict(zip(rows["application"], rows["label"]))

    def fit(self, rows, label):  # scikit-learn's permutation importance asks for it
        return self

    def predict_proba(self, rows):
        share = np.array([self.known.get(each, 0.5) for each in rows["application"]], dtype=float)
        return np.column_stack([1 - share, share])

def train(rows, spec, params):
    left = pathlib.Path(__file__).with_name("failures")
    count = int(left.read_text()) if left.exists() else 0
    if count:
        left.write_text(str(count - 1))
        print("failures left:", count - 1)
        raise RuntimeError(f"the feature store is away, {count}")
    return ByHeart(rows)
"""


def make_work(folder: Path, *, delay_days: float = 1, retries: int = 0) -> tuple[Workspace, Decision]:
    """Three weeks; every application of the third week was made before, in the last two days of the second, and ended the same way."""
    (folder / "models").mkdir()
    (folder / "vigil.yaml").write_text("project: loans\n")
    (folder / "models" / "loans.yaml").write_text(SPEC.replace("DELAY", str(delay_days)).replace("RETRIES", str(retries)))
    (folder / "vt_lookup.py").write_text(TRAINER)
    count = ROWS * WEEKS
    week, place = np.divmod(np.arange(count), ROWS)
    application = np.where(week == 2, place % 20, np.where((week == 1) & (place >= 50), place - 50, 1000 + np.arange(count)))
    label = np.where(application < 1000, application % 2, place % 2)
    time = [FIRST.start + timedelta(days=7 * int(w), hours=2.4 * int(p)) for w, p in zip(week, place, strict=True)]
    rows = pd.DataFrame({"prediction_id": [f"p{i}" for i in range(count)], "event_time": time, "application": application.astype(float)})
    rows.assign(model_version="1", score=0.5).to_parquet(folder / "log.parquet")
    rows[["prediction_id"]].assign(label=label, observed_at=rows["event_time"] + timedelta(hours=1)).to_parquet(folder / "labels.parquet")
    rows.assign(label=label).drop(columns="prediction_id").to_parquet(folder / "reference.parquet")
    work = Workspace.open(folder, "loans")
    for number in range(WEEKS):
        window = FIRST.shifted(number)
        work.store.record_evaluation(
            Evaluation(f"e{number}", "loans", window, "1", window.end, work.spec.hash, "d", "l", ROWS, ROWS, True, "0"), []
        )
    decision = Decision("d2", "loans", FIRST.shifted(2), "e2", "1", NOW, Action.RETRAIN, "Drift lasts.", (), work.spec.hash, "0")
    work.store.record_decision(decision, {})
    work.store.request_retraining("d2", model="loans", champion="1", at=NOW)
    return work, decision


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[Workspace]]:
    works: list[Workspace] = []
    yield works
    for work in works:
        work.store.close()


def trained(folder: Path, **options: Any) -> tuple[float, Any]:
    """Return the AUC of a challenger on the comparison's rows, and what was made."""
    work, decision = make_work(folder, **options)
    made = make_challenger(work, decision, TrainerHere(folder, work.spec))
    rows = held_out_rows(work, plan_of(work, decision), decision)
    work.store.close()
    return roc_auc(score(made.model, rows, work.spec), rows[LABEL]), made


def test_a_leak_within_the_label_delay_is_closed_by_the_gap(tmp_path: Path) -> None:
    """Without a delay the last days before the comparison are learnt by heart; with two days of it nothing of the comparison is known."""
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
    leaked, made = trained(tmp_path / "without", delay_days=0)
    assert (leaked, made.lineage["rows_after_cut_off"]) == (1.0, 0)
    closed, made = trained(tmp_path / "with", delay_days=2)
    assert (closed, made.lineage["rows_after_cut_off"], len(made.rows)) == (0.5, 20, 50)
    assert made.lineage["gap_from"] == "2024-01-13T00:00:00+00:00"


def test_shap_values_are_kept_with_what_is_registered_and_not_computed_for_what_is_tried(tmp_path: Path) -> None:
    """With the extra ``shap``: of every feature."""
    pytest.importorskip("shap")
    work, decision = make_work(tmp_path, delay_days=2)
    kept, tried = (make_challenger(work, decision, TrainerHere(tmp_path, work.spec), explain=each) for each in (True, False))
    work.store.close()
    assert list(kept.held_out["shap"]["mean_abs"]) == list(work.spec.features)
    assert "shap" not in tried.held_out


def test_reference_rows_after_the_cut_off_are_not_trained_on(tmp_path: Path) -> None:
    """This reference holds the comparison's own rows with their outcomes."""
    work, decision = make_work(tmp_path, delay_days=2)
    pooled = work.spec.model_copy(update={"training": work.spec.training.model_copy(update={"include_reference": True})})
    made = make_challenger(Workspace(work.project, pooled, work.store), decision, TrainerHere(tmp_path, pooled))
    work.store.close()
    assert made.rows["event_time"].max() < datetime(2024, 1, 13, tzinfo=UTC)
    assert (len(made.rows), made.lineage["rows_after_cut_off"]) == (50 + 120, 20 + 90)


def test_the_baseline_of_a_first_version_is_measured_across_a_gap_too(tmp_path: Path) -> None:
    """Of 210 reference rows the last 42 are held out; the two days before them are 20."""
    work, _ = make_work(tmp_path, delay_days=2)
    made = make_first(work, TrainerHere(tmp_path, work.spec))
    work.store.close()
    assert (made.lineage["baseline_rows"], len(made.rows)) == (168 - 20, 210)


@pytest.mark.parametrize(
    ("codes", "counted"), [([7, 8], {"7": 105, "8": 105}), ([True, None], {"true": 105}), ([0.5, 2], {"0.5": 105, "2": 105})]
)
def test_categories_need_not_be_text(tmp_path: Path, opened: list[Workspace], codes: list[object], counted: dict[str, int]) -> None:
    """Store numbers and yes-or-no columns are categories of many logs; the profile counts the 210 reference rows by their text."""
    work, _ = make_work(tmp_path)
    opened.append(work)
    coded = SPEC.replace("{application: numeric}", "{application: numeric, code: categorical}")
    (tmp_path / "models" / "loans.yaml").write_text(coded.replace("DELAY", "1").replace("RETRIES", "0"))
    for name in ("log", "reference"):
        frame = pd.read_parquet(tmp_path / f"{name}.parquet")
        frame.assign(code=(codes * len(frame))[: len(frame)]).to_parquet(tmp_path / f"{name}.parquet")
    project = Project.open(tmp_path)
    made = make_first(Workspace(project, project.model("loans"), work.store), TrainerHere(tmp_path, project.model("loans")))
    found = Profile.from_json(made.profile).categorical["code"]
    assert dict(zip(found.levels, found.counts, strict=True)) == counted


def test_a_search_is_in_the_lineage_and_is_of_the_training_rows_only(tmp_path: Path, opened: list[Workspace]) -> None:
    """Of the 50 rows the last 12 judge, and the 20 of two days before them are left out.

    Who learns by heart knows nothing of the later ones.
    """
    pytest.importorskip("optuna")
    work, decision = make_work(tmp_path, delay_days=2)
    opened.append(work)
    asked = Search(trials=2, space={"depth": {"type": "int", "low": 1, "high": 9}})
    training = work.spec.training.model_copy(update={"search": asked})
    spec = work.spec.model_copy(update={"training": training, "labels": work.spec.labels.model_copy(update={"minimum": 10})})
    made = make_challenger(Workspace(work.project, spec, work.store), decision, TrainerHere(tmp_path, spec))
    assert made.searched is not None
    assert made.lineage["search"] == {
        "metric": "roc_auc",
        "value": 0.5,
        "fitted": 18,
        "judged": 12,
        "trials": 2,
        "failed": 0,
        "chosen": made.searched.trials[0].params,
        "skipped": "",
    }


def test_failed_attempts_are_recorded_and_made_again_as_often_as_the_specification_says(tmp_path: Path, opened: list[Workspace]) -> None:
    """The first fails, the second does not."""
    work, decision = make_work(tmp_path, retries=2)
    opened.append(work)
    (tmp_path / "failures").write_text("1")
    made = make_recorded(work, decision, NOW)
    first, second = work.store.training_attempts("loans")
    assert (first.number, first.outcome, first.at) == (1, TrainingOutcome.RAISED, NOW)
    assert first.message.endswith("raised RuntimeError: the feature store is away, 1")
    assert first.output.startswith("failures left: 0\nTraceback")
    assert first.seconds > 0
    assert (second.number, second.outcome, second.message, made.output) == (2, TrainingOutcome.TRAINED, "", "")


def test_attempts_of_an_earlier_run_count(tmp_path: Path, opened: list[Workspace]) -> None:
    """It was killed after the first had failed: one of two is left; then none, and the trainer is not asked again."""
    work, decision = make_work(tmp_path, retries=1)
    opened.append(work)
    (tmp_path / "failures").write_text("9")
    for _ in range(2):
        with pytest.raises(TrainingFailed, match=r"the feature store is away, 8 \(2 attempts failed\)") as failed:
            make_recorded(work, decision, NOW)
        assert failed.value.outcome is TrainingOutcome.RAISED
        assert (tmp_path / "failures").read_text() == "7"
        assert [attempt.number for attempt in work.store.training_attempts("loans")] == [1, 2]


def test_too_few_rows_are_no_attempt(tmp_path: Path, opened: list[Workspace]) -> None:
    """The trainer was not asked, so its success rate knows nothing of it."""
    work, decision = make_work(tmp_path, delay_days=7)
    opened.append(work)
    few = work.spec.model_copy(update={"training": work.spec.training.model_copy(update={"minimum_rows": 100})})
    with pytest.raises(NotEnoughData):
        make_recorded(Workspace(work.project, few, work.store), decision, NOW)
    assert work.store.training_attempts("loans") == ()
