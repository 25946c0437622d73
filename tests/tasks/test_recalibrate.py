"""RECALIBRATE carried out: from labels that say so to a version of the registry, once, whatever dies; by the tasks of ``retrain``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger
from scipy.special import expit

from tasks.decide import decide_window, must_retrain
from tasks.payoff import measure_payoffs
from tasks.promotion import settle
from tasks.registry import CHALLENGER, Registry
from tasks.retraining import adopt_first_version, compare_challenger, open_retraining, train_challenger
from tests.loop.small_project import MODEL, ROWS, SPEC, customers, make_project, week_start
from vigil.challenger.fit import score
from vigil.challenger.payoff import due_payoffs, horizon, measure_payoff
from vigil.decision.kind import Kind, kind_of
from vigil.decision.replay import replay
from vigil.decision.types import Action, Decision
from vigil.errors import RegistryError
from vigil.evaluation.look import evaluation_of, look_at
from vigil.evaluation.measure import performance_of
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.metrics import log_loss
from vigil.store.records import RetrainingState
from vigil.store.sql import SqlStore
from vigil.window import Window
from vigil.workspace import Workspace, open_source

SOUND, RARER = 2, 2  # weeks; then outcomes become rarer: their log odds fall by 3
COLUMNS = ["income", "age", "region"]


class Killed(BaseException):
    """Stands for what ends a process."""


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Decision]:
    """The project after four weeks, and the decision about the last."""
    folder = make_project(tmp_path_factory.mktemp("recalibrate") / "project")
    spec = SPEC.replace("PROMOTION", "automatic").replace("metric: roc_auc", "metric: log_loss")
    (folder / "models" / "credit.yaml").write_text(spec)
    (folder / "data" / "reference.parquet").unlink()
    outcomes(customers(-1, 3000), -1).to_parquet(folder / "data" / "reference.parquet")
    adopt_first_version.fn(str(folder), MODEL, "ada", week_start(0).isoformat())
    work = Workspace.open(folder, MODEL)
    champion = Registry(work.project).load_model(MODEL, "1")
    for week in range(SOUND + RARER):
        decision = play(work, week, champion)
    return folder, decision


def outcomes(rows: pd.DataFrame, week: int) -> pd.DataFrame:
    chance = expit((rows["income"] - 50) / 5 - (3.0 if week >= SOUND else 0.0))
    return rows.assign(label=(np.random.default_rng(week + 50).uniform(size=len(rows)) < chance).astype(int))


def play(work: Workspace, week: int, champion: Any, version: str = "1") -> Decision:
    """Log a week that the champion scored, with all its labels, measure it and decide about it."""
    data, rows = work.project.folder / "data", outcomes(customers(week), week)
    log = rows.drop(columns="label").assign(model_version=version, score=score(champion, rows, work.spec), latency_ms=1.0)
    log.assign(error=pd.Series([None] * ROWS, dtype="str")).to_parquet(data / "predictions" / f"{week:02}.parquet")
    labels = rows[["prediction_id", "label"]].assign(observed_at=rows["event_time"] + timedelta(hours=12), inclusion_probability=1.0)
    labels.to_parquet(data / "labels" / f"{week:02}.parquet")
    window = Window(week_start(week), week_start(week + 1))
    source = open_source(work.project, work.spec)
    look = look_at(source, work.store, work.spec, window, window.end + timedelta(days=1))
    checked = Measurement(Layer.DATA_QUALITY, "expect_x", 0.0, Verdict.OK, ROWS)
    measured = (checked, *performance_of(source, work.store, work.spec, look))
    work.store.record_evaluation(evaluation_of(look, quality_passed=True), measured)
    decision: Decision = decide_window.fn(str(work.project.folder), look)
    return decision


def test_rarer_outcomes_ask_for_a_recalibration_and_the_decision_replays(decided: tuple[Path, Decision]) -> None:
    folder, decision = decided
    assert (decision.action, kind_of(decision)) == (Action.RECALIBRATE, Kind.CALIBRATION)
    assert must_retrain.fn(str(folder), decision)
    store = Workspace.open(folder, MODEL).store
    assert [replay(store, made) for made in store.decisions(MODEL)] == [()] * (SOUND + RARER)


def test_it_is_made_once_whatever_dies_and_promoted_as_any_challenger(
    decided: tuple[Path, Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the registry has it, and again before the store says so; the third run finds what there is."""
    folder, decision = decided
    project = str(folder)

    def carry_out() -> None:
        moment = decision.as_of.isoformat()
        open_retraining.fn(project, decision.decision_id, moment)
        train_challenger.fn(project, decision.decision_id, moment)
        settle.fn(project, decision.decision_id, compare_challenger.fn(project, decision.decision_id), moment)

    for name in ("save_version", "advance_retraining"):
        with monkeypatch.context() as patched:
            patched.setattr(SqlStore, name, killed)
            with pytest.raises(Killed):
                carry_out()
    carry_out()
    work = Workspace.open(folder, MODEL)
    retraining = work.retraining(decision.decision_id)
    assert (retraining.state, retraining.challenger) == (RetrainingState.PROMOTED, "2")
    first, second = work.store.versions(MODEL)
    assert (second.decision_id, second.parent) == (decision.decision_id, first.version)
    assert (second.training["recalibration"], second.training["span"], second.training["kind"]) == ("sigmoid", "recent", "calibration")
    assert second.training["trained_on"] == [Window(week_start(2), week_start(3)).key]
    assert second.baseline is not None
    assert first.baseline is not None
    assert second.baseline < first.baseline + 0.05
    registry = Registry(work.project)
    assert registry.tags(MODEL, "2")["vigil.recalibration"] == "sigmoid"
    assert registry.alias_version(MODEL, "champion") == "2"
    assert registry.alias_version(MODEL, CHALLENGER) == "2"
    assert not must_retrain.fn(project, decision)


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def test_what_the_promotion_brought_is_measured_once_its_horizon_is_over(
    decided: tuple[Path, Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A horizon of two weeks, which version 2 serves: scored on the same labels, it loses less than version 1 would have."""
    folder, decision = decided
    path = folder / "models" / "credit.yaml"
    path.write_text(path.read_text() + "policy: {economics: {cost: 1, value: 1, horizon_windows: 2}}\n")
    work = Workspace.open(folder, MODEL)
    registry = Registry(work.project)
    first, second = (registry.load_model(MODEL, version) for version in ("1", "2"))
    for week in (SOUND + RARER, SOUND + RARER + 1):
        assert due_payoffs(work, week_start(week + 1)) == ()  # the labels of the last week are not due yet
        play(work, week, second, version="2")
    ((retraining, found),) = due_payoffs(work, week_start(SOUND + RARER + 3))
    payoff = measure_payoff(work, retraining, found, first, second)
    weeks = [outcomes(customers(week), week) for week in (SOUND + RARER, SOUND + RARER + 1)]
    rows = pd.concat(weeks)
    before, now = (log_loss(score(model, rows, work.spec), rows["label"]) for model in (first, second))
    assert payoff.realised == pytest.approx(before - now)
    assert (payoff.decision_id, payoff.n, payoff.windows) == (decision.decision_id, 2 * ROWS, 2)
    assert payoff.low is not None
    assert payoff.low > 0
    late = replace(retraining, updated_at=week_start(SOUND + RARER + 1))
    assert horizon(work.spec, found, late)[0].start == week_start(SOUND + RARER + 1)  # approved a week later, it is judged from then on
    window = Window(week_start(SOUND + RARER + 1), week_start(SOUND + RARER + 2))
    look = look_at(open_source(work.project, work.spec), work.store, work.spec, window, week_start(SOUND + RARER + 3))
    with disable_run_logger():
        with monkeypatch.context() as patched:
            patched.setattr(Registry, "load_model", away)
            assert measure_payoffs.fn(str(folder), look) == 0  # a registry that is away holds nothing up
        assert [measure_payoffs.fn(str(folder), look) for _ in range(2)] == [1, 0]
    assert work.store.payoffs(MODEL) == (payoff,)


def away(*_: Any) -> None:
    raise RegistryError("no registry there")
