"""How many labels a plan asks for by itself: more while something is suspected."""

from __future__ import annotations

import pytest

from tests.performance.test_measure import make_spec
from tests.store.build import MODEL, a_decision, an_evaluation, save_spec
from vigil.decision.gates import HARM
from vigil.decision.types import Action, GateResult, GateState
from vigil.labels.keeping import budget_now
from vigil.store.sql import SqlStore

SPEC = make_spec(model=MODEL, labels={"budget": 100, "suspected_times": 2.5})


@pytest.mark.parametrize(
    ("action", "suspicion", "budget"), [(Action.HOLD, False, 100), (Action.HOLD, True, 250), (Action.GET_LABELS, False, 250)]
)
def test_the_budget_grows_while_harm_is_suspected(store: SqlStore, action: Action, suspicion: bool, budget: int) -> None:
    assert budget_now(store, SPEC) == 100  # nothing was decided yet
    save_spec(store)
    store.record_evaluation(an_evaluation(), [])
    gates = (GateResult(HARM, GateState.PASSED, "It is said.", {"suspected": suspicion}),)
    store.record_decision(a_decision(action=action, gates=gates), {})
    assert budget_now(store, SPEC) == budget
    assert budget_now(store, make_spec(model=MODEL)) is None
