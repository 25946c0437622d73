"""What a look is judged by: the version's own baseline, or what it turned out to be where a challenger was no better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.build import FIRST, SECOND, day_of, make_work, spec_of, write
from vigil.decision.types import Action, Decision
from vigil.evaluation.baseline import baseline_of
from vigil.evaluation.look import Look, evaluation_of, look_at
from vigil.evaluation.measure import performance_of
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.baseline import Baseline
from vigil.store.records import RetrainingState, Version
from vigil.store.sql import SqlStore, open_store
from vigil.window import Window

SPEC = spec_of()
DUE = timedelta(days=1)
THIRD = SECOND.shifted(1)
VERSION = Version("m", "2", FIRST.start, SPEC.hash, "roc_auc", 0.95, {}, {"holdout": ["one", "two"]}, "{}", "{}")
REGISTERED = Baseline(0.95, 2)
NO_BETTER = {"metric": "roc_auc", "difference": 0.01, "low": -0.01, "high": 0.03}  # 0.05 is tolerated


def look(window: Window, *, late: timedelta = DUE) -> Look:
    return Look(f"e-{window.key}", "m", window, window.end + late, "2", SPEC.hash, "d", "l", 300, 300)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """Two days of version 2, at .80 and .70; after each a challenger was asked for."""
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        store.save_spec("m", SPEC.hash, SPEC.canonical_json())
        store.save_version(VERSION)
        for window, value in ((FIRST, 0.80), (SECOND, 0.70)):
            seen = look(window)
            auc = Measurement(Layer.PERFORMANCE, "roc_auc", value, Verdict.BREACH, 300, version="2", low=0.6, high=0.85, threshold=0.9)
            store.record_evaluation(evaluation_of(seen, quality_passed=True), [auc])
            asked = Decision(window.key, "m", window, seen.evaluation_id, "2", seen.as_of, Action.RETRAIN, "", (), SPEC.hash, "0")
            store.record_decision(asked, {})
        yield store


def ended(store: SqlStore, window: Window, state: RetrainingState, comparison: dict[str, Any], champion: str = "2") -> None:
    at = window.end + DUE
    store.request_retraining(window.key, model="m", champion=champion, at=at)
    store.advance_retraining(window.key, RetrainingState.REGISTERED, at=at, challenger="3")
    store.advance_retraining(window.key, state, at=at, comparison=comparison)


def test_where_a_challenger_was_no_better_the_windows_until_then_are_in_the_baseline(store: SqlStore) -> None:
    """The holdout's two at .95 and the first day; after the second challenger the second day too. Never a day that came later."""
    ended(store, FIRST, RetrainingState.KEPT, NO_BETTER)
    assert baseline_of(store, SPEC, look(FIRST), VERSION) == REGISTERED
    assert baseline_of(store, SPEC, look(THIRD), VERSION) == Baseline(pytest.approx((1.9 + 0.8) / 3), 3, unbeaten=True)  # type: ignore[arg-type]
    ended(store, SECOND, RetrainingState.KEPT, NO_BETTER)
    assert baseline_of(store, SPEC, look(THIRD), VERSION) == Baseline(pytest.approx((1.9 + 1.5) / 4), 4, unbeaten=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "comparison", "champion"),
    [
        (RetrainingState.KEPT, NO_BETTER | {"high": 0.06}, "2"),  # it may be better by more than is tolerated
        (RetrainingState.KEPT, NO_BETTER, "1"),  # it left another version unbeaten
        (RetrainingState.FAILED, {}, "2"),
        (RetrainingState.WAITING, NO_BETTER, "2"),
    ],
)
def test_else_the_baseline_stays(store: SqlStore, state: RetrainingState, comparison: dict[str, Any], champion: str) -> None:
    ended(store, FIRST, state, comparison, champion)
    assert baseline_of(store, SPEC, look(THIRD), VERSION) == REGISTERED


def test_a_window_of_another_length_that_holds_the_same_rows_is_not_in_it(store: SqlStore) -> None:
    ended(store, FIRST, RetrainingState.KEPT, NO_BETTER)
    before = baseline_of(store, SPEC, look(THIRD), VERSION)
    seen = look(Window(FIRST.start - timedelta(days=6), FIRST.end))
    auc = Measurement(Layer.PERFORMANCE, "roc_auc", 0.6, Verdict.BREACH, 300, version="2", low=0.5, high=0.7, threshold=0.9)
    store.record_evaluation(evaluation_of(seen, quality_passed=True), [auc])
    assert baseline_of(store, SPEC, look(THIRD), VERSION) == before


def test_a_look_back_does_not_know_it_yet(store: SqlStore) -> None:
    ended(store, SECOND, RetrainingState.KEPT, NO_BETTER)
    assert baseline_of(store, SPEC, look(THIRD, late=-timedelta(hours=1)), VERSION) == REGISTERED


def test_a_baseline_of_which_too_little_is_on_record_stays_or_is_none(store: SqlStore) -> None:
    ended(store, FIRST, RetrainingState.KEPT, NO_BETTER)
    found = [
        baseline_of(store, SPEC, look(THIRD), replace(VERSION, **changed))
        for changed in ({"training": {}}, {"metric": "brier"}, {"baseline": None})
    ]
    assert found == [Baseline(0.95), None, None]


def test_in_another_metric_it_is_what_the_version_measured_in_it_at_its_registration(store: SqlStore) -> None:
    """Else whoever changes the metric is told for ever that nothing is in breach."""
    brier = spec_of(performance={"metric": "brier", "tolerated_loss": 0.05})
    held_out = [{"metric": "brier", "subject": subject, "value": value} for subject, value in (("plan=b", 0.3), ("*", 0.1))]
    known = replace(VERSION, training={**VERSION.training, "measured": held_out})
    assert baseline_of(store, brier, look(THIRD), known) == Baseline(0.1, 2)


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, REGISTERED), (0.8, None)])
def test_a_recall_from_another_score_on_is_none(store: SqlStore, threshold: float, expected: Baseline | None) -> None:
    """The version was registered from .5 on, the default; from .8 on it finds less, and is no worse."""
    recall = spec_of(performance={"metric": "recall", "tolerated_loss": 0.05, "decision_threshold": threshold})
    assert baseline_of(store, recall, look(THIRD), replace(VERSION, metric="recall")) == expected


def test_what_a_look_measures_is_judged_by_it_and_says_so(tmp_path: Path) -> None:
    work = make_work(tmp_path / "p", policy={"kind_rows": None})
    version = work.store.version("m", "1")
    assert version is not None
    work.store.save_version(replace(version, version="2", baseline=0.95, training=VERSION.training))
    write(work, FIRST, day_of(FIRST, model_version="2"))
    seen = look_at(work.source, work.store, work.spec, FIRST, FIRST.end + DUE)
    auc = next(m for m in performance_of(work.source, work.store, work.spec, seen) if (m.metric, m.subject) == ("roc_auc", "*"))
    assert (auc.threshold, auc.verdict) == (pytest.approx(0.90), Verdict.BREACH)
    assert (auc.detail["baseline_windows"], auc.detail["baseline_unbeaten"]) == (2, False)
