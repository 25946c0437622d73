"""What all models together may retrain in a span: read from the store as of the look, kept with the decision, the same when made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.decision.test_ladder import WEEK, a_spec, drift, evidence, performance, quality
from vigil.decision.evidence import gather, noted_of
from vigil.decision.ladder import decide
from vigil.decision.replay import replay
from vigil.decision.types import Action, Decision, FleetBudget
from vigil.decision.words import explain
from vigil.measurement import TRAINING, Verdict
from vigil.spec.project import RetrainingBudget
from vigil.store.records import Evaluation
from vigil.store.sql import SqlStore, open_store

DUE = WEEK.end + timedelta(days=1)
FLEET = ("m", "other", "third")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """Model m drifts for the third week. Another one was to be retrained 2 days before, a third 9 days before; it also held since."""
    spec = a_spec()
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        store.save_spec("m", spec.hash, spec.canonical_json())
        made = [("other", 2, Action.RECALIBRATE), ("third", 9, Action.RETRAIN), ("third", 1, Action.HOLD)]
        for number, (model, days, action) in enumerate(made):
            window, when = WEEK.shifted(number), DUE - timedelta(days=days)
            store.record_evaluation(Evaluation(f"o{number}", model, window, "1", when, spec.hash, "d", "l", 9, 9, True, "0.1.0"), [])
            store.record_decision(Decision(f"d{number}", model, window, f"o{number}", "1", when, action, "", (), spec.hash, "0.1.0"), {})
        for back in (2, 1, 0):
            window = WEEK.shifted(-back)
            due = window.end + timedelta(days=1)
            drifted = replace(drift(Verdict.BREACH), version="1", reference=TRAINING)
            found = Evaluation(f"e{back}", "m", window, "1", due, spec.hash, "d", "l", 500, 400, True, "0.1.0")
            store.record_evaluation(found, [quality(), drifted, replace(performance(Verdict.OK), version="1")])
        yield store


@pytest.mark.parametrize(
    ("budget", "action"),
    [
        (None, Action.RETRAIN),
        (RetrainingBudget(most=1), Action.HOLD),  # the one of two days before
        (RetrainingBudget(most=2), Action.RETRAIN),
        (RetrainingBudget(most=2, days=10), Action.HOLD),  # that of nine days before as well
        (RetrainingBudget(most=1, days=1.5), Action.RETRAIN),
    ],
)
def test_the_budget_of_all_models_is_kept_and_the_decision_replays(
    store: SqlStore, budget: RetrainingBudget | None, action: Action
) -> None:
    spec = a_spec()
    seen = gather(store, spec, "e0", budget=budget, fleet=FLEET)
    decision = decide(seen, spec)
    store.record_decision(decision, noted_of(seen))
    assert decision.action is action
    later = replace(decision, decision_id="d-later", evaluation_id="e2")
    store.record_decision(later, {})  # one more retraining since changes nothing
    assert replay(store, decision) == ()


def test_it_is_said_and_what_would_have_changed_it() -> None:
    found = explain(decide(replace(evidence("xxx"), fleet=FleetBudget(2, 7.0, ("d1", "d2"))), a_spec()))
    assert found.headline.endswith(
        "Hold: do nothing. The budget of all models is spent: 2 retrainings decided in the last 7 days, "
        "retraining_budget of vigil.yaml allows 2."
    )
    assert (
        found.would_have_changed == "a larger retraining_budget in vigil.yaml, or fewer retrainings of other models in the 7 days before."
    )
