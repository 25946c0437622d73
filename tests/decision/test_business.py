"""What predictions are worth is harm too, where it is surely too little for its sustained span; without a minimum it decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from tests.decision.test_ladder import a_spec, evidence
from vigil.business.value import VALUE
from vigil.decision.evidence import past_window
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Evidence, GateState
from vigil.decision.words import explain
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.base import Sustained
from vigil.spec.model import Business, ConfusionValue, Kpi, ModelSpec
from vigil.store.records import Evaluation

WORTH = {"x": (0.5, 0.9, Verdict.BREACH), "w": (0.9, 1.2, Verdict.WARNING), ".": (1.5, 1.8, Verdict.OK)}


def a_valued_spec(*, minimum: float | None = 1.0, **policy: Any) -> ModelSpec:
    business = Business(value=ConfusionValue(hit=5, missed=-9), unit="EUR", minimum_value=minimum)
    return a_spec(**policy).model_copy(update={"business": business})


def worth(values: str, performances: str = "....", metric: str = VALUE) -> Evidence:
    """Newest window first; ``?`` where it was not measured."""
    found = evidence("....", performances)

    def of(sign: str) -> Measurement | None:
        if sign == "?":
            return None
        value, high, verdict = WORTH[sign]
        return Measurement(Layer.BUSINESS, metric, value, verdict, 400, low=value - 0.3, high=high, threshold=1.0)

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


def a_guided_spec(*, north_star: str | None = "revenue") -> ModelSpec:
    business = Business(kpis={"revenue": Kpi(column="paid", minimum=1.0)}, unit="EUR", north_star=north_star)
    return a_spec().model_copy(update={"business": business})


def test_a_north_star_kpi_is_read_as_a_value_is() -> None:
    """By its own name and without the unit of the values; a KPI that is no north star decides nothing."""
    found = worth("xxx.", metric="revenue")
    decision = decide(found, a_guided_spec())
    assert decision.action is Action.RETRAIN
    assert decision.reason == (
        "Harm is confirmed by what predictions are worth: revenue is 0.5 (0.2 to 0.9), at least 1 is wanted, surely less in 3 of the "
        "last 3 measured windows."
    )
    assert decide(found, a_guided_spec(north_star=None)).action is Action.HOLD


def test_what_is_read_of_a_window_is_the_north_star_where_there_is_one() -> None:
    window = worth("....").window
    look = Evaluation("e", "m", window, "1", window.end, "s", "d", "l", 400, 400, True, "0.1.0")
    both = [Measurement(Layer.BUSINESS, name, 1.0, Verdict.OK, 400) for name in (VALUE, "revenue")]
    for spec, name in ((a_guided_spec(), "revenue"), (a_valued_spec(), VALUE)):
        read = past_window(spec, look, both).business
        assert read is not None
        assert read.metric == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"north_star": "profit"}, "'profit' is not a KPI with a minimum; those are: revenue"),
        ({"north_star": "sold"}, "'sold' is not a KPI with a minimum; those are: revenue"),
        ({"north_star": "revenue", "minimum_value": 1.0}, "decisions read one of the two"),
    ],
)
def test_a_north_star_that_could_not_decide_is_refused(changes: dict[str, Any], message: str) -> None:
    kpis = {"revenue": {"column": "paid", "minimum": 1.0}, "sold": {"column": "items"}}
    with pytest.raises(ValidationError, match=message):
        Business.model_validate({"kpis": kpis} | changes)
