"""Evidently's reports: the same rows, methods and thresholds as the decision, bounded, whole or not there, never aborted by a column."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from tasks.report import METHODS, lacking, report_window, wanted, write_reports
from tasks.report_rows import drift_rows, harmless_names
from tests.tasks.project import (
    AS_OF,
    FEATURES,
    WINDOW,
    adopted_project,
    customers,
    look_of,
    scored,
    spec_of,
    version_of_reference,
    write_files,
)
from vigil.drift.measure import measure_drift
from vigil.measurement import Layer, Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.sources.tables import ModelSource
from vigil.spec.model import DriftMethod, ModelSpec, Reports
from vigil.store.records import Version

HOSTILE = "</script><script>alert(1)</script>"


def written(folder: Path, rows: pd.DataFrame, spec: ModelSpec, reference: pd.DataFrame | None = None, **training: Any) -> dict[str, Any]:
    """Write the reports of these rows, with what vigil measured; returns kind -> JSON body, or text of the page."""
    write_files(folder, rows, reference)
    source = ModelSource(folder, spec)
    version = version_of_reference(source, spec, **training)
    paths = write_reports(source, WINDOW, spec, measured(source, spec, version), version, AS_OF, folder / "out")
    return {kind: json.loads(path.read_text()) if path.suffix == ".json" else path.read_text() for kind, path in paths.items()}


def measured(source: ModelSource, spec: ModelSpec, version: Version) -> tuple[Measurement, ...]:
    layout, reference = Layout.from_json(version.layout), Profile.from_json(version.profile)
    current = profile_rows(source.predictions(WINDOW), spec, layout)[("1", "*")]
    return measure_drift(current, reference, spec, importance={}, version="1")


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three features, each by its own method, of which `amount` and `plan` have drifted and `age` has not."""
    folder = tmp_path_factory.mktemp("shifted")
    rows = scored(3000)
    rows["amount"] += 20
    rows["plan"] = rows["plan"].replace({"a": "b"})
    features = {**FEATURES, "plan": {"type": "categorical", "method": "chi_square"}}
    return {"rows": rows, "reference": customers(2000, seed=0), **written(folder, rows, spec_of(features=features))}


def test_both_reports_are_a_page_and_its_numbers(shifted: dict[str, Any]) -> None:
    """The page is Evidently's own, with everything it needs inside."""
    assert {"drift", "drift_json", "classification", "classification_json"} <= set(shifted)
    for kind in ("drift", "classification"):
        assert "<html" in shifted[kind]
        assert 'src="http' not in shifted[kind]


def test_every_feature_is_shown_by_the_method_and_threshold_of_the_specification(shifted: dict[str, Any]) -> None:
    """Not by Evidently's defaults."""
    shown = {
        found["config"]["column"]: (found["config"]["method"], found["config"]["threshold"])
        for found in shifted["drift_json"]["evidently"]["metrics"]
    }
    assert shown == {"amount": ("psi", 0.2), "age": ("vigil_ks_distance", 0.1), "plan": ("vigil_cramers_v", 0.1)}


def test_both_values_stand_side_by_side_and_agree_on_what_drifted(shifted: dict[str, Any]) -> None:
    """Evidently's KS is scipy's of the raw rows; vigil's, from 20 bins, is below it by a bin's mass at most."""
    agreement = {found["feature"]: found for found in shifted["drift_json"]["agreement"]}
    exact = ks_2samp(shifted["reference"]["age"], shifted["rows"]["age"]).statistic
    assert agreement["age"]["evidently"] == pytest.approx(exact, abs=1e-12)
    assert exact - 0.06 <= agreement["age"]["vigil"] <= exact
    assert {name: (found["vigil"] > found["threshold"], found["agree"]) for name, found in agreement.items()} == {
        "amount": (True, True),
        "age": (False, True),
        "plan": (True, True),
    }


def test_categories_give_the_same_value_as_vigil(shifted: dict[str, Any]) -> None:
    """The categories are the same, so only rounding is left; and it is Cramer's V of the two rows of shares."""
    found = next(found for found in shifted["drift_json"]["agreement"] if found["feature"] == "plan")
    p = shifted["reference"]["plan"].value_counts(normalize=True)
    q = shifted["rows"]["plan"].value_counts(normalize=True).reindex(p.index, fill_value=0.0)
    assert found["vigil"] == pytest.approx(math.sqrt(((p - q) ** 2 / (p + q)).sum() / 2), abs=1e-12)
    assert abs(found["difference"]) < 1e-12


def test_predictions_are_measured_on_the_labels_that_had_arrived(shifted: dict[str, Any]) -> None:
    """ROC AUC as scikit-learn computes it from the same rows."""
    rows = shifted["rows"]
    values = {found["metric_name"].split("(")[0]: found["value"] for found in shifted["classification_json"]["evidently"]["metrics"]}
    assert values["RocAuc"] == pytest.approx(roc_auc_score(rows["label"], rows["score"]), abs=1e-12)
    assert values["Accuracy"] == pytest.approx(((rows["score"] > 0.5) == rows["label"]).mean(), abs=1e-12)
    assert shifted["classification_json"]["rows"] == {"labelled": 3000}


def test_performance_that_vigil_measured_stands_beside(tmp_path: Path) -> None:
    """Both values of the metric; where inclusion probabilities differ only vigil's is weighted, so no verdict is drawn."""
    write_files(tmp_path, scored(200))
    spec = spec_of()
    source = ModelSource(tmp_path, spec)
    ours = Measurement(Layer.PERFORMANCE, "roc_auc", 0.75, Verdict.OK, 200, version="1")
    paths = write_reports(source, WINDOW, spec, [ours], version_of_reference(source, spec), AS_OF, tmp_path / "out")
    body = json.loads(paths["classification_json"].read_text())
    assert [(found["metric"], found["vigil"], "agree" in found) for found in body["agreement"]] == [("roc_auc", 0.75, False)]
    assert body["weighted"] is False


@pytest.mark.parametrize("method", [method for method in DriftMethod if method is not DriftMethod.AUTO])
def test_every_method_of_vigil_is_known_to_evidently(tmp_path: Path, method: DriftMethod) -> None:
    """0 of identical rows."""
    kind = "categorical" if method is DriftMethod.CHI_SQUARE else "numeric"
    column = "plan" if kind == "categorical" else "amount"
    rows = customers(2000, seed=0)
    spec = spec_of(features={column: {"type": kind, "method": method.value}})
    found = written(tmp_path, scored(2000, **{column: rows[column]}), spec)["drift_json"]["agreement"]
    assert [(one["method"], one["evidently"]) for one in found] == [(method.value, pytest.approx(0.0, abs=1e-12))]
    assert method in METHODS


def test_odd_columns_are_left_out_and_said_so(tmp_path: Path) -> None:
    """All null on one side, missing, text for numbers: Evidently would abort the report, or count them as no drift."""
    features = {"amount": "numeric", "empty": "numeric", "gone": "numeric", "text": "numeric", "unknown": "categorical"}
    reference = customers(500, seed=0).assign(empty=1.0, gone=2.0, text=3.0, unknown=pd.Series([None] * 500, dtype="str"), label=0)
    rows = scored(300).assign(empty=np.nan, text="three", unknown="x")
    spec = spec_of(features=features)
    write_files(tmp_path, rows, reference)
    source = ModelSource(tmp_path, spec)
    paths = write_reports(source, WINDOW, spec, [], version_of_reference(source, spec), AS_OF, tmp_path / "out")
    body = json.loads(paths["drift_json"].read_text())
    assert body["left_out"] == {
        "empty": "no value in the window",
        "gone": "the column is missing",
        "text": "expected numbers, found string",
        "unknown": "no value in the reference",
    }
    assert [found["feature"] for found in body["agreement"]] == ["amount"]


def test_a_column_name_cannot_run_in_the_page(tmp_path: Path) -> None:
    """Nor can a category's name. The real name stands in the JSON."""
    features = {"amount": "numeric", HOSTILE: "categorical"}
    reference = customers(500, seed=0).assign(**{HOSTILE: ["<img src=x onerror=alert(2)>", "b"] * 250}, label=0)
    rows = scored(300).assign(**{HOSTILE: "b"})
    reports = written(tmp_path, rows, spec_of(features=features), reference)
    assert "alert(1)" in json.dumps(reports["drift_json"]["names"])
    assert HOSTILE not in reports["drift"]
    assert "onerror" in reports["drift"]
    assert "<img" not in reports["drift"]


def test_shown_names_stay_different() -> None:
    """Two hostile names that look alike once they are harmless."""
    assert harmless_names(["a<b", "a>b", "c"]) == {"a_b": "a<b", "a_b 2": "a>b", "c": "c"}
    assert [len(name) for name in harmless_names(["n" * 300])] == [60]


def test_many_categories_are_grouped_as_in_the_profile(tmp_path: Path) -> None:
    """20,000 of them would take Evidently hours: the 50 most frequent by name, the rest together, unseen ones apart."""
    reference = customers(4000, seed=0).assign(plan=[f"c{i // 2 if i < 400 else i}" for i in range(4000)], label=0)
    rows = scored(400).assign(plan=["c0"] * 200 + [f"new{i}" for i in range(200)])
    found = written(tmp_path, rows, spec_of(features={"plan": "categorical"}), reference)["drift_json"]["agreement"]
    assert found[0]["evidently"] == pytest.approx(found[0]["vigil"], rel=0.2)


def test_samples_are_bounded_and_the_same_every_time(tmp_path: Path) -> None:
    """100 rows a side; the file's order and division do not matter."""
    spec = spec_of(reports={"sample_rows": 100})
    rows = scored(1000)
    bodies = []
    for number, frame in enumerate((rows, rows.sample(frac=1.0, random_state=3))):
        folder = tmp_path / str(number)
        folder.mkdir()
        bodies.append(written(folder, frame, spec)["drift_json"])
    assert bodies[0]["rows"] == {"current": 100, "reference": 100}
    assert bodies[0]["agreement"] == bodies[1]["agreement"]


def test_the_windows_rows_are_drawn_in_the_order_of_time(tmp_path: Path) -> None:
    """Evidently's plot has them from left to right: a sample of them, too, and whatever the features' values are."""
    rows = scored(400)
    rows["amount"] = rows["amount"].sort_values(ascending=False, ignore_index=True)
    write_files(tmp_path, rows.sample(frac=1.0, random_state=3))
    spec = spec_of(reports={"sample_rows": 100})
    source = ModelSource(tmp_path, spec)
    shown = drift_rows(source, WINDOW, spec, version_of_reference(source, spec)).current
    assert list(shown.columns) == list(spec.features)
    assert len(shown) == 100
    assert shown["amount"].is_monotonic_decreasing


def test_only_rows_of_the_looked_at_version_are_shown(tmp_path: Path) -> None:
    """A canary's rows are another model's."""
    rows = scored(400)
    rows.loc[:99, "model_version"] = "2"
    reports = written(tmp_path, rows, spec_of())
    assert reports["drift_json"]["rows"]["current"] == 300
    assert reports["classification_json"]["rows"]["labelled"] == 300


def test_a_retrained_version_is_compared_with_the_windows_that_it_was_trained_on(tmp_path: Path) -> None:
    """Those of its lineage; the first reference only where it was pooled with them."""
    rows = scored(400)
    write_files(tmp_path, rows)
    spec = spec_of()
    source = ModelSource(tmp_path, spec)
    version = version_of_reference(source, spec)
    counts = {}
    for pooled in (False, True):
        retrained = replace(version, training={"trained_on": [WINDOW.key], "include_reference": pooled})
        paths = write_reports(source, WINDOW, spec, [], retrained, AS_OF, tmp_path / "out")
        counts[pooled] = json.loads(paths["drift_json"].read_text())["rows"]["reference"]
    assert counts == {False: 400, True: 2400}


def test_a_column_that_evidently_cannot_show_is_left_out_alone(tmp_path: Path) -> None:
    """Its bins of values near the largest float overflow, which aborts a whole report."""
    rows = scored(300)
    rows["amount"] *= 1e306
    reports = written(tmp_path, rows, spec_of())
    assert list(reports["drift_json"]["left_out"]) == ["amount"]
    assert "Evidently cannot show it" in reports["drift_json"]["left_out"]["amount"]
    assert [found["feature"] for found in reports["drift_json"]["agreement"]] == ["age", "plan"]


def test_rows_of_different_types_are_one_reference(tmp_path: Path) -> None:
    """Whole ages in the reference, fractions in the log."""
    rows = scored(400)
    reference = customers(500, seed=0).assign(label=0)
    reference["age"] = reference["age"].astype(int)
    body = written(tmp_path, rows, spec_of(), reference, trained_on=[WINDOW.key])["drift_json"]
    assert (body["rows"]["reference"], body["left_out"]) == (900, {})


def test_labels_of_one_class_are_no_reason_to_fail(tmp_path: Path) -> None:
    """The JSON says why there is no page."""
    reports = written(tmp_path, scored(300, label=0), spec_of())
    assert "classification" not in reports
    assert "both classes" in reports["classification_json"]["left_out"]["*"]


def test_a_window_without_rows_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Nothing can be drawn, and the JSON says so of every feature."""
    rows = scored(300)
    write_files(tmp_path, rows.assign(event_time=rows["event_time"] + pd.Timedelta(days=70)))
    spec = spec_of()
    source = ModelSource(tmp_path, spec)
    paths = write_reports(source, WINDOW, spec, [], version_of_reference(source, spec), AS_OF, tmp_path / "out")
    assert set(paths) == {"drift_json", "classification_json"}
    assert json.loads(paths["drift_json"].read_text())["left_out"] == dict.fromkeys(FEATURES, "no value in the window")


def test_a_regression_is_reported_by_its_errors(tmp_path: Path) -> None:
    """Scores 1 above the truth: MAE 1, RMSE 1."""
    spec = spec_of(task="regression", performance={"metric": "mae", "tolerated_loss": 1})
    rows = scored(50)
    reports = written(tmp_path, rows.assign(score=rows["amount"] + 1, label=rows["amount"]), spec)
    assert "<html" in reports["regression"]
    values = {found["metric_name"].split("(")[0]: found["value"] for found in reports["regression_json"]["evidently"]["metrics"]}
    assert values["MAE"]["mean"] == pytest.approx(1.0)
    assert values["RMSE"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("when", "verdict", "expected"),
    [
        ("breach", Verdict.BREACH, True),
        ("breach", Verdict.WARNING, False),
        ("always", Verdict.OK, True),
        ("never", Verdict.BREACH, False),
    ],
)
def test_the_specification_says_when_reports_are_written(when: Any, verdict: Verdict, expected: bool) -> None:
    """By default where anything is in breach."""
    assert wanted(Reports(when=when), [Measurement(Layer.SYSTEM, "latency_p95_ms", 1.0, verdict, 1)]) is expected


def test_a_second_run_of_the_task_writes_nothing_new(tmp_path: Path) -> None:
    """The paths are in the store, relative to the project; where a file is gone it is written again."""
    breach = Measurement(Layer.SYSTEM, "latency_p95_ms", 900.0, Verdict.BREACH, 200, version="1")
    work = adopted_project(tmp_path, scored(200))
    look = look_of(work, (breach,))
    first = report_window.fn(str(tmp_path), look)
    assert first["drift"] == f"state/reports/churn/2024-01-01/{look.evaluation_id}/drift.html"
    assert work.store.reports([look.evaluation_id])[look.evaluation_id] == first
    times = {path: (tmp_path / path).stat().st_mtime_ns for path in first.values()}
    assert report_window.fn(str(tmp_path), look) == first
    assert times == {path: (tmp_path / path).stat().st_mtime_ns for path in first.values()}
    (tmp_path / first["drift"]).unlink()
    assert report_window.fn(str(tmp_path), look) == first
    assert (tmp_path / first["drift"]).is_file()
    assert [path.name for path in (tmp_path / first["drift"]).parent.iterdir() if path.name.startswith(".")] == []


def test_one_feature_in_breach_is_no_reason_for_a_report_but_data_at_fault_is() -> None:
    """A single feature is shown by its measurement; the window's data is at fault as soon as one check fails."""
    feature = Measurement(Layer.DRIFT, "psi", 1.0, Verdict.BREACH, 1, subject="age")
    check = Measurement(Layer.DATA_QUALITY, "expect_x", 1.0, Verdict.BREACH, 1, subject="age")
    assert not wanted(Reports(when="breach"), [feature])
    assert wanted(Reports(when="breach"), [feature, check])


def test_no_report_is_written_where_none_is_wanted_unless_asked_for(tmp_path: Path) -> None:
    """Nothing is in breach."""
    look = look_of(adopted_project(tmp_path, scored(200)), ())
    assert report_window.fn(str(tmp_path), look) == {}
    assert set(report_window.fn(str(tmp_path), look, asked=True)) == {"drift", "drift_json", "classification", "classification_json"}


def test_reports_are_lacking_where_they_are_wanted_and_not_all_there(tmp_path: Path) -> None:
    """Nothing in breach lacks none unless asked for; once written none are lacking, until a file is gone."""
    work = adopted_project(tmp_path, scored(200))
    calm = look_of(work, ())
    assert not lacking(work, calm.evaluation_id)
    assert lacking(work, calm.evaluation_id, asked=True)
    paths = report_window.fn(str(tmp_path), calm, asked=True)
    assert not lacking(work, calm.evaluation_id, asked=True)
    (tmp_path / paths["drift"]).unlink()
    assert lacking(work, calm.evaluation_id)
