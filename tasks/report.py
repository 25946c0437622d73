"""Evidently's reports of a window, for people: the features, methods and thresholds are those that the decision used.

The only room that knows Evidently. Its statistics are computed on samples and, for numbers, on its own bins, so they differ
a little from vigil's; each report's JSON lists both (``agreement``), so that where they disagree is itself shown.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.report_rows import drift_rows, labelled_sample
from vigil.drift.choice import method_for, threshold_for
from vigil.evaluation.look import Look
from vigil.evaluation.measure import version_of
from vigil.measurement import TRAINING, WHOLE, Layer, Measurement, Verdict
from vigil.profile.profile import Profile
from vigil.sources.tables import ModelSource
from vigil.spec.model import DriftMethod, FeatureType, Metric, ModelSpec, Reports, Task
from vigil.store.records import Evaluation, Version
from vigil.window import Window
from vigil.workspace import Workspace

LABELS = 10  # labelled rows (and one of each class) that a report of predictions needs

# vigil's method -> Evidently's. Where Evidently reports a p-value, vigil's threshold is an effect: for those, the effect
# computed by scipy from the sample's rows is registered with Evidently under a name of its own.
METHODS = {
    DriftMethod.PSI: "psi",
    DriftMethod.JENSEN_SHANNON: "jensenshannon",
    DriftMethod.WASSERSTEIN: "wasserstein",
    DriftMethod.KS: "vigil_ks_distance",
    DriftMethod.CHI_SQUARE: "vigil_cramers_v",
}


@task(cache_policy=NO_CACHE)
def report_window(project: str, look: Look | Evaluation, *, asked: bool = False) -> dict[str, str]:
    """Write the looked-at window's reports where the specification wants them (or they are asked for); returns kind -> path."""
    work = Workspace.open(project, look.model)
    if not lacking(work, look.evaluation_id, asked=asked):
        return dict(work.store.reports([look.evaluation_id]).get(look.evaluation_id, {}))
    measurements = work.store.measurements([look.evaluation_id]).get(look.evaluation_id, ())
    folder = work.project.path(work.project.spec.reports) / look.model / look.window.key.split("/")[0].replace(":", "") / look.evaluation_id
    written = write_reports(work.source, look.window, work.spec, measurements, version_of(work.store, look), look.as_of, folder)
    paths = {kind: os.path.relpath(path, work.project.folder) for kind, path in written.items()}
    for kind, path in paths.items():
        work.store.save_report(look.evaluation_id, kind, path)
    return paths


def lacking(work: Workspace, evaluation_id: str, *, asked: bool = False) -> bool:
    """Tell whether reports of an evaluation are wanted or asked for and are not all there."""
    known = work.store.reports([evaluation_id]).get(evaluation_id, {})
    if known:
        return not all(work.project.path(path).is_file() for path in known.values())
    return asked or wanted(work.spec.reports, work.store.measurements([evaluation_id]).get(evaluation_id, ()))


def wanted(reports: Reports, measurements: Sequence[Measurement]) -> bool:
    """Tell whether the specification wants reports of a window with these measurements.

    With ``breach``, where the window as a whole is in breach or its data is at fault; one feature or segment alone is shown
    by its measurement.
    """
    breaches = [m for m in measurements if m.verdict is Verdict.BREACH]
    in_breach = any(m.subject == WHOLE or m.layer is Layer.DATA_QUALITY for m in breaches)
    return reports.when == "always" or (reports.when == "breach" and in_breach)


def write_reports(
    source: ModelSource,
    window: Window,
    spec: ModelSpec,
    measurements: Sequence[Measurement],
    version: Version,
    as_of: datetime,
    folder: Path,
) -> dict[str, Path]:
    """Write Evidently's reports of ``window`` into ``folder``: ``drift``, and ``classification`` or ``regression``.

    Each is a page (kind ``drift``) and a JSON beside it (kind ``drift_json``) with Evidently's numbers, ``agreement`` with
    vigil's, ``left_out`` (what could not be shown, and why) and ``names`` (shown -> real column names). A file is there
    whole or not at all. A report with nothing to show has its JSON only, which says why.

    Args:
        version: whose rows are shown, against the rows that it was trained on.
        as_of: the moment up to which labels are seen.

    Raises:
        SourceError: the rows cannot be read.
    """
    about = {"model": spec.model, "window": window.key, "version": version.version, "as_of": as_of.isoformat()}
    kind = "classification" if spec.task is Task.BINARY else "regression"
    written = _write(folder, "drift", about, *_drift(source, window, spec, measurements, version))
    return written | _write(folder, kind, about, *_predictions(source, window, spec, measurements, version, as_of))


def _drift(
    source: ModelSource, window: Window, spec: ModelSpec, measurements: Sequence[Measurement], version: Version
) -> tuple[Any, dict[str, Any]]:
    from evidently import DataDefinition
    from evidently.metrics import ValueDrift

    _register_methods()
    rows = drift_rows(source, window, spec, version)
    numeric = [name for name, real in rows.names.items() if spec.features[real].type is FeatureType.NUMERIC]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=[name for name in rows.names if name not in numeric])
    metrics, left_out = {}, dict(rows.left_out)
    profile = Profile.from_json(version.profile)
    methods = {real: method_for(real, spec, profile) for real in rows.names.values()}
    for name, real in rows.names.items():
        method = methods[real]
        metrics[real] = ValueDrift(column=name, method=METHODS[method], threshold=threshold_for(real, spec, method))
    run, values = _run(metrics, definition, rows.current, rows.reference, left_out)
    ours = {(m.metric, m.subject): m.value for m in measurements if m.layer is Layer.DRIFT and m.reference == TRAINING}
    agreement = []
    for real, value in values.items():
        method = methods[real]
        compared = _compared(ours.get((method.value, real)), value, threshold_for(real, spec, method))
        agreement.append({"feature": real, "method": method.value} | compared)
    counts = {"current": len(rows.current), "reference": len(rows.reference)}
    return run, {"rows": counts, "left_out": left_out, "names": dict(rows.names), "agreement": agreement}


def _predictions(
    source: ModelSource, window: Window, spec: ModelSpec, measurements: Sequence[Measurement], version: Version, as_of: datetime
) -> tuple[Any, dict[str, Any]]:
    from evidently import BinaryClassification, DataDefinition, Regression
    from evidently.metrics import MAE, RMSE, Accuracy, F1Score, LogLoss, Precision, Recall, RocAuc

    rows = labelled_sample(source, window, spec, version, as_of)
    body: dict[str, Any] = {"rows": {"labelled": len(rows)}, "left_out": {}, "names": {}, "agreement": [], "weighted": False}
    classes = rows["label"].nunique()
    if len(rows) < LABELS or (spec.task is Task.BINARY and classes < 2):
        body["left_out"]["*"] = f"needs {LABELS} labelled rows and both classes, found {len(rows)} rows and {classes} classes"
        return None, body
    if spec.task is Task.BINARY:
        rows["label"] = rows["label"].astype(int)
        definition = DataDefinition(
            numerical_columns=[],
            categorical_columns=[],
            classification=[BinaryClassification(target="label", prediction_probas="score", pos_label=1)],
        )
        half = {"probas_threshold": spec.performance.decision_threshold}
        metrics = {Metric.ROC_AUC: RocAuc(), Metric.LOG_LOSS: LogLoss(), Metric.ACCURACY: Accuracy(**half)}
        metrics |= {Metric.PRECISION: Precision(**half), Metric.RECALL: Recall(**half), Metric.F1: F1Score(**half)}
    else:
        definition = DataDefinition(
            numerical_columns=[], categorical_columns=[], regression=[Regression(target="label", prediction="score")]
        )
        metrics = {Metric.MAE: MAE(), Metric.RMSE: RMSE()}
    run, values = _run({str(name): metric for name, metric in metrics.items()}, definition, rows, None, body["left_out"])
    ours = {m.metric: m.value for m in measurements if m.layer is Layer.PERFORMANCE and m.subject == WHOLE}
    body["agreement"] = [{"metric": name} | _compared(ours.get(name), value, None) for name, value in values.items() if name in ours]
    return run, body


def _run(
    metrics: Mapping[str, Any], definition: Any, current: pd.DataFrame, reference: pd.DataFrame | None, left_out: dict[str, str]
) -> tuple[Any, dict[str, float]]:
    """Run all metrics in one report. Evidently aborts a report for one odd column, so then that one is found and left out."""
    from evidently import Dataset, Report

    sides = [None if frame is None else Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]

    def report(chosen: Mapping[str, Any]) -> Any:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return Report(list(chosen.values()), include_tests=False).run(*sides)

    if not metrics:
        return None, {}
    try:
        run = report(metrics)
    except Exception:
        for name in metrics:
            try:
                report({name: metrics[name]})
            except Exception as error:
                left_out[name] = f"Evidently cannot show it: {type(error).__name__}: {error}"
        metrics = {name: metric for name, metric in metrics.items() if name not in left_out}
        if not metrics:
            return None, {}
        run = report(metrics)
    values = [_number(found["value"]) for found in run.dict()["metrics"]]
    return run, dict(zip(metrics, values, strict=True))


def _compared(ours: float | None, theirs: float | None, threshold: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"vigil": ours, "evidently": theirs}
    if threshold is not None:
        found["threshold"] = threshold
    if ours is not None and theirs is not None:
        found["difference"] = theirs - ours
        if threshold is not None:
            found["agree"] = (ours > threshold) == (theirs > threshold)
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("mean", value.get("value"))
    return float(value) if value is not None and np.isfinite(value) else None


def _write(folder: Path, kind: str, about: Mapping[str, Any], run: Any, body: Mapping[str, Any]) -> dict[str, Path]:
    written = {}
    if run is not None:
        body = {**body, "evidently": json.loads(run.json())}
        written[kind] = _replace(folder / f"{kind}.html", run.get_html_str(as_iframe=False))
    written[f"{kind}_json"] = _replace(folder / f"{kind}.json", json.dumps({**about, **body}, indent=1, allow_nan=False))
    return written


def _replace(path: Path, text: str) -> Path:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


@cache
def _register_methods() -> None:
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from scipy.stats import ks_2samp

    def ks_distance(reference: pd.Series, current: pd.Series, _kind: Any, threshold: float) -> tuple[float, bool]:
        value = float(ks_2samp(reference, current, method="asymp").statistic)
        return value, value > threshold

    def cramers_v(reference: pd.Series, current: pd.Series, _kind: Any, threshold: float) -> tuple[float, bool]:
        p, q = reference.value_counts(normalize=True).align(current.value_counts(normalize=True), fill_value=0.0)
        value = float(np.sqrt(((p - q) ** 2 / (p + q)).sum() / 2))
        return value, value > threshold

    for name, title, kind, compute in (
        (METHODS[DriftMethod.KS], "Kolmogorov-Smirnov distance", ColumnType.Numerical, ks_distance),
        (METHODS[DriftMethod.CHI_SQUARE], "Cramer's V", ColumnType.Categorical, cramers_v),
    ):
        test = StatTest(name=name, display_name=title, allowed_feature_types=[kind], default_threshold=0.1)
        register_stattest(test, compute)
