"""A small project with a filled store, and a way to call the command on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from typer.testing import CliRunner, Result

from console.cli import app
from vigil.decision.gates import DATA_FAULT, HARM, PASSING, WORTH_IT
from vigil.decision.types import Action, Decision, GateResult, GateState
from vigil.measurement import Layer, Measurement, Verdict
from vigil.project import Project
from vigil.store.records import Evaluation, PromotionKind, RetrainingState, Version
from vigil.window import Window

MODEL = "churn"
SPEC = """\
model: churn
owner: growth team
task: binary
source:
  predictions: data/predictions/*.parquet
  labels: data/labels/*.parquet
  reference: data/reference.parquet
columns: {latency_ms: null, error: null, inclusion_probability: null}
features:
  age: numeric
  country: categorical
window: {days: 7}
performance: {metric: roc_auc, tolerated_loss: 0.02}
training: {trainer: "trainer:train", minimum_rows: 10}
drift: {minimum_rows: 10}
"""
TRAINER = "def train(rows, spec, params):\n    raise NotImplementedError\n"
WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))


def make_shop(folder: Path) -> Path:
    """Write the project's specification, without data and without a store."""
    (folder / "models").mkdir(parents=True)
    (folder / "vigil.yaml").write_text("project: shop\n")
    (folder / "models" / "churn.yaml").write_text(SPEC)
    (folder / "trainer.py").write_text(TRAINER)
    return folder


def write_data(folder: Path, weeks: int = 2, rows: int = 20) -> None:
    """Write ``rows`` predictions a week, half of them labelled, and as many reference rows as predictions."""
    count = weeks * rows
    frame = pd.DataFrame(
        {
            "prediction_id": [f"p{i}" for i in range(count)],
            "event_time": [WEEK.start + timedelta(days=7 * (i // rows), minutes=i % rows) for i in range(count)],
            "model_version": "1",
            "score": 0.5,
            "age": [float(20 + i) for i in range(count)],
            "country": "NO",
        }
    )
    for name in ("predictions", "labels"):
        (folder / "data" / name).mkdir(parents=True)
    frame.to_parquet(folder / "data" / "predictions" / "all.parquet")
    half = frame[["prediction_id"]].iloc[::2].assign(label=1, observed_at=WEEK.end)
    half.to_parquet(folder / "data" / "labels" / "all.parquet")
    frame.drop(columns=["score", "model_version"]).assign(label=0).to_parquet(folder / "data" / "reference.parquet")


def fill_store(folder: Path) -> None:
    """Keep two decided weeks: HOLD for the first; RETRAIN for the second, whose challenger, version 2, waits for approval."""
    project = Project.open(folder)
    spec = project.model(MODEL)
    with project.store() as store:
        store.save_spec(MODEL, spec.hash, spec.canonical_json())
        store.save_version(_version("1", spec.hash))
        store.move_champion(MODEL, "1", expected_token=0, kind=PromotionKind.ADOPTED, by="ada", reason="first", at=WEEK.start)
        for number, action in ((1, Action.HOLD), (2, Action.RETRAIN)):
            window = WEEK.shifted(number - 1)
            due = window.end + timedelta(days=1)
            evaluation = Evaluation(f"e{number}", MODEL, window, "1", due, spec.hash, "data", "labels", 20, 10, True, "0.1.0")
            store.record_evaluation(evaluation, _measurements())
            store.record_decision(_decision(number, window, action, spec.hash, due), {})
        store.request_retraining("d2", model=MODEL, champion="1", at=WEEK.end)
        store.save_version(_version("2", spec.hash, decision_id="d2", parent="1"))
        for state in (RetrainingState.REGISTERED, RetrainingState.WAITING):
            store.advance_retraining("d2", state, at=WEEK.end, challenger="2")


def call(folder: Path | None, *words: str) -> Result:
    """Call ``vigil`` as a user does, stdout and stderr apart."""
    where = [] if folder is None else ["--project", str(folder)]
    return CliRunner().invoke(app, [*where, *words])


def answer(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Return what ``--json`` prints; fails where stdout holds anything else."""
    result = call(folder, *words, "--json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def _measurements() -> tuple[Measurement, ...]:
    return (
        Measurement(Layer.DRIFT, "drift_share", 0.75, Verdict.BREACH, 20, version="1", reference="training", threshold=0.3),
        Measurement(Layer.DRIFT, "psi", 0.9, Verdict.BREACH, 20, subject="age", version="1", reference="training", threshold=0.2),
        Measurement(Layer.PERFORMANCE, "roc_auc", 0.61, Verdict.OK, 10, version="1", low=0.55, high=0.67, threshold=0.6),
    )


def _decision(number: int, window: Window, action: Action, spec_hash: str, due: datetime) -> Decision:
    counts = {"breaches": number, "k": 3, "n": 3, "measured": number, "windows": [], "sustained": action is Action.RETRAIN}
    passing = {"drift": counts, "performance": counts | {"breaches": 0}, "anomaly": None}
    asked = [
        GateResult(DATA_FAULT, GateState.PASSED, "All critical expectations hold (7 checked).", {"checked": 7, "failed": []}),
        GateResult(PASSING, GateState.FIRED if action is Action.HOLD else GateState.PASSED, "It does not last yet.", passing),
        GateResult(HARM, GateState.FIRED, "Harm is suspected.", {}),
        GateResult(WORTH_IT, GateState.PASSED, "No retraining was decided before.", {"cool_down_windows": 4}),
    ]
    if action is Action.HOLD:
        asked = [*asked[:2], *(GateResult(gate.gate, GateState.NOT_REACHED, "Not asked.") for gate in asked[2:])]
    reason = "Drift does not last yet." if action is Action.HOLD else "Drift lasts."
    return Decision(f"d{number}", MODEL, window, f"e{number}", "1", due, action, reason, tuple(asked), spec_hash, "0.1.0")


def _version(version: str, spec_hash: str, **changes: Any) -> Version:
    fields: dict[str, Any] = {"baseline": 0.62, "importance": {"age": 1.0}, "training": {}, "layout": "{}", "profile": "{}"}
    return Version(model=MODEL, version=version, registered_at=WEEK.start, spec_hash=spec_hash, metric="roc_auc", **fields, **changes)
