"""Every option of the policy changes some decision, and so does every other part of the specification that a gate reads.

One table, so that an option that is added without a case fails. What each option means stands in the tests of its gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.decision.test_business import a_valued_spec, worth
from tests.decision.test_in_vain import after
from tests.decision.test_kind import ONLY_HARDER, harmed, of
from tests.decision.test_ladder import WEEK, a_spec, evidence, performance
from vigil.decision.break_even import measures_recoverable
from vigil.decision.evidence import past_window
from vigil.decision.ladder import decide
from vigil.decision.types import Evidence, PastGain
from vigil.measurement import Verdict
from vigil.spec.base import Anomaly, Sustained
from vigil.spec.model import Economics, ModelSpec, Policy
from vigil.store.records import Evaluation

Case = tuple[Evidence, ModelSpec, ModelSpec]
GAINS = tuple(PastGain(f"d{i}", gain) for i, gain in enumerate((0.03, 0.02, 0.01)))
HARMED = replace(evidence("...", "xx."), gains=GAINS)
RARELY = a_spec(false_alarms_per_year=0.02)  # evidence of 2,609 for weeks, of 18,262 for days; two bad windows have 4,236


def harm_rule(**terms: Any) -> ModelSpec:
    """Gains of .02 on average, surely (80 %) more than .013: worth 130 over ten windows at 1,000 a window."""
    whole: dict[str, Any] = {"cost": 100, "value": 1000, "horizon_windows": 10, "rule": "harm"} | terms
    return a_spec(economics=Economics(**whole))


def declared(*anomalies: Anomaly) -> tuple[Evidence, ModelSpec]:
    """Two bad weeks, as they are gathered under a policy with these events."""
    spec, found = a_spec(anomalies=anomalies), evidence("...", "xx.")
    seen = Evaluation("e-0", "m", WEEK, "1", WEEK.end + timedelta(days=1), spec.hash, "d", "l", 500, 400, True, "0")
    return replace(found, current=past_window(spec, seen, found.measurements)), spec


def parts(section: str, spec: ModelSpec | None = None, **changes: Any) -> ModelSpec:
    spec = spec or a_spec()
    return spec.model_copy(update={section: getattr(spec, section).model_copy(update=changes)})


POLICY: dict[str, Case] = {
    "drift": (evidence("xx."), a_spec(), a_spec(drift=Sustained(k=2, n=2))),
    "performance": (evidence("...", "x.."), a_spec(), a_spec(performance=Sustained(k=1, n=1))),
    "business": (worth("xx.."), a_valued_spec(), a_valued_spec(business=Sustained(k=2, n=2))),
    "false_alarms_per_year": (evidence("...", "xx."), a_spec(), a_spec(false_alarms_per_year=0.01)),
    "retrain_on_drift_alone": (evidence("xxx", "..."), a_spec(), a_spec(retrain_on_drift_alone=False)),
    "cool_down_windows": (after(0.1, since=3), a_spec(), a_spec(cool_down_windows=3)),
    "economics": (HARMED, a_spec(), harm_rule(cost=1000)),
}
ECONOMICS: dict[str, Case] = {
    "cost": (HARMED, harm_rule(), harm_rule(cost=150)),
    "value": (HARMED, harm_rule(), harm_rule(value=700)),
    "horizon_windows": (HARMED, harm_rule(), harm_rule(horizon_windows=7)),
    "quantile": (HARMED, harm_rule(), harm_rule(quantile=0.05)),
    "minimum_retrainings": (HARMED, harm_rule(cost=150), harm_rule(cost=150, minimum_retrainings=4)),
    "rule": (HARMED, harm_rule(), harm_rule(rule="break_even", cost=10_000)),
}
ELSEWHERE: dict[str, Case] = {
    "performance.tolerated_loss": (harmed(*of(ONLY_HARDER)), a_spec(), parts("performance", tolerated_loss=0.015)),
    "performance.confidence": (harmed(*of({}, p_value=0.03, recalibrated=0.67)), a_spec(), parts("performance", confidence=0.99)),
    "window.days": (evidence("...", "xx."), RARELY, parts("window", RARELY, days=1)),
    "business.minimum_value": (worth("xxx."), a_valued_spec(), a_valued_spec(minimum=None)),
}
ASKED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "anomalies": lambda: tuple(  # type: ignore[return-value]
        decide(*declared(*events)).action for events in ((), (Anomaly(name="strike", start=WEEK.start, end=WEEK.end),))
    ),
    "kind_rows": lambda: tuple(decide(harmed(), a_spec(**rows)).gates[4].sentence for rows in ({}, {"kind_rows": None})),  # type: ignore[return-value]
}


@pytest.mark.parametrize(("found", "one", "other"), [*POLICY.values(), *ECONOMICS.values()], ids=[*POLICY, *ECONOMICS])
def test_each_option_changes_a_decision(found: Evidence, one: ModelSpec, other: ModelSpec) -> None:
    assert decide(found, one).action is not decide(found, other).action


@pytest.mark.parametrize("option", ASKED)
def test_an_option_of_what_is_gathered_changes_what_is_said(option: str) -> None:
    one, other = ASKED[option]()
    assert one != other


@pytest.mark.parametrize(("found", "one", "other"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_else_a_gate_reads_changes_a_decision(found: Evidence, one: ModelSpec, other: ModelSpec) -> None:
    assert decide(found, one).action is not decide(found, other).action


def test_no_option_is_left_out() -> None:
    assert POLICY.keys() | ASKED.keys() == Policy.model_fields.keys()
    assert ECONOMICS.keys() | {"probe_rows"} == Economics.model_fields.keys()


@pytest.mark.parametrize(
    ("changes", "rows"), [({}, 4000), ({"probe_rows": 300}, 300), ({"probe_rows": None}, None), ({"rule": "harm"}, None)], ids=str
)
def test_what_can_be_learned_from_errors_is_measured_as_the_price_asks(changes: dict[str, Any], rows: int | None) -> None:
    assert measures_recoverable(a_spec(economics=Economics(cost=1, value=1, **changes))) == rows
    assert measures_recoverable(a_spec()) is None


def test_how_many_labels_are_needed_is_said() -> None:
    """``labels.minimum`` decides nothing here: it is what the measurement went by."""
    few = evidence("xxx", "???")
    asked = replace(few, current=replace(few.current, performance=performance(Verdict.NOT_ENOUGH_DATA, n=40)))
    reason = decide(asked, parts("labels", minimum=60).model_copy(update={"policy": Policy(retrain_on_drift_alone=False)})).reason
    assert "(the metric needs 60)" in reason
