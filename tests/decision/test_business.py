"""What predictions are worth is harm too, where it is surely too little for its sustained span; without a minimum it decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.decision.test_ladder import a_spec, evidence
from vigil.business.value import VALUE
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Evidence, GateState
from vigil.decision.words import explain
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.base import Sustained
from vigil.spec.model import Business, ConfusionValue, ModelSpec

WORTH = {"x": (0.5, 0.9, Verdict.BREACH), "w": (0.9, 1.2, Verdict.WARNING), ".": (1.5, 1.8, Verdict.OK)}


def a_valued_spec(*, minimum: float | None = 1.0, **policy: Any) -> ModelSpec:
    business = Business(value=ConfusionValue(hit=5, missed=-9), unit="EUR", minimum_value=minimum)
    return a_spec(**policy).model_copy(update={"business": business})


def worth(values: str, performances: str = "....") -> Evidence:
    """Newest window first; ``?`` where it was not measured."""
    found = evidence("....", performances)

    def of(sign: str) -> Measurement | None:
        if sign == "?":
            return None
        value, high, verdict = WORTH[sign]
        return Measurement(Layer.BUSINESS, VALUE, value, verdict, 400, low=value - 0.3, high=high, threshold=1.0)

    current, *history = (replace(p, business=of(s)) for p, s in zip((found.current, *found.history), values, strict=True))
    return replace(found, current=current, history=tuple(history))


@pytest.mark.parametrize(
    ("values", "action"),
    [
        ("....", Action.HOLD),
        ("xx..", Action.HOLD),  # not for long enough
        ("xxx.", Action.RETRAIN),
        ("xwx.", Action.HOLD),  # a mean below the minimum may be chance
        ("x?xx", Action.RETRAIN),  # a week that was not measured is looked past
        (".xxx", Action.HOLD),  # it has recovered
    ],
)
def test_only_a_value_that_is_surely_too_low_for_long_is_harm(values: str, action: Action) -> None:
    decision = decide(worth(values), a_valued_spec())
    assert decision.action is action


def test_k_and_n_and_the_minimum_are_read() -> None:
    assert decide(worth("xx.."), a_valued_spec(business=Sustained(k=2, n=3))).action is Action.RETRAIN
    assert decide(worth("xxxx"), a_valued_spec(minimum=None)).action is Action.HOLD


def test_it_is_said_with_its_numbers() -> None:
    decision = decide(worth("xxx."), a_valued_spec())
    assert decision.reason == (
        "Harm is confirmed by what predictions are worth: a prediction is worth 0.5 (0.2 to 0.9) EUR, at least 1 is wanted, surely less in "
        "3 of the last 3 measured windows."
    )
    assert decision.gates[4].state is GateState.UNKNOWN  # the metric is as it should be: there is no loss of it to divide
    waiting = explain(decide(worth("xx.."), a_valued_spec(drift=Sustained(k=8, n=8), performance=Sustained(k=8, n=8))))
    assert "It does not last yet: lower value in 2 of the last 3 measured windows (3 of 3 are needed)." in waiting.headline
    assert waiting.would_have_changed == "1 more window with a value surely below its minimum (3 of 3 are needed)."


def test_a_decision_without_a_minimum_does_not_mention_it() -> None:
    """So that decisions made before there was one replay as they were."""
    gates = decide(worth("xxxx", "xx.."), a_valued_spec(minimum=None)).gates
    assert all("business" not in gate.numbers for gate in gates)
