"""What each gate keeps beside its sentence, whole: replay compares it, pages and alerts read it by these names."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.decision.test_break_even import BASELINE, priced, seen
from tests.decision.test_business import a_valued_spec, worth
from tests.decision.test_kind import RELATION_CHANGED, of
from tests.decision.test_ladder import WEEK, a_spec, drift, evidence, performance, quality
from tests.decision.test_release import released
from vigil.business.value import VALUE
from vigil.decision.break_even import LEARNED, RECOVERED
from vigil.decision.confirmation import confirm, odds
from vigil.decision.evidence import history_reach, past_window
from vigil.decision.ladder import decide
from vigil.decision.types import Evidence, FleetBudget, GateState, PastGain
from vigil.measurement import NOTHING, TRAINING, Layer, Measurement, Verdict
from vigil.spec.base import Anomaly, Sustained
from vigil.spec.model import Economics, ModelSpec
from vigil.store.records import Evaluation

NEEDED = math.log(365.25 / 7)


def numbers(found: Evidence, spec: ModelSpec) -> dict[str, Any]:
    """By gate, of those that were reached."""
    return {gate.gate: dict(gate.numbers) for gate in decide(found, spec).gates if gate.state is not GateState.NOT_REACHED}


def weeks(*back: int) -> list[str]:
    return [WEEK.shifted(-steps).start.date().isoformat() for steps in back]


def test_a_retraining_on_drift_alone() -> None:
    """The third week of drift, at a sound AUC of .7 on 400 labels; its limit is .66, so the excess is -.04 in each week."""
    found = numbers(evidence("xxx", "..."), a_spec())
    assert found["data_fault"] == {"checked": 1, "failed": []}
    counted = {"k": 3, "n": 3, "measured": 3}
    assert found["passing"] == {
        "drift": counted | {"breaches": 3, "windows": weeks(0, 1, 2), "sustained": True},
        "performance": {"k": 2, "n": 3, "measured": 3, "breaches": 0, "windows": [], "sustained": False},
        "anomaly": None,
    }
    assert found["release"] == {"previous": None}
    kept = found["harm"].pop("evidence")
    assert found["harm"] == {
        "confirmed": False,
        "suspected": True,
        "performance": {"value": 0.7, "low": 0.7 - 0.02, "high": 0.7 + 0.02, "n": 400, "threshold": 0.66, "verdict": "ok"},
        "drift": {"value": 0.6, "low": None, "high": None, "n": 1000, "threshold": 0.3, "verdict": "breach"},
        "baseline": 0.69,
        "retrain_on_drift_alone": True,
        "labels": 400,
        "labels_needed": 100,
    }
    assert (kept["windows"], kept["log_needed"], kept["confirmed"], kept["more_windows"]) == (3, pytest.approx(NEEDED), False, None)
    assert found["kind"] == {
        "kind": None,
        "span": "specified",
        "since": None,
        "calibration_p_value": None,
        "recalibrated": None,
        "parts": {},
        "tolerated_loss": 0.03,
    }
    assert found["worth_it"] == {
        "windows_since_retraining": None,
        "cool_down_windows": 4,
        "last_retraining": None,
        "gain": None,
        "break_even": None,
    }


def test_confirmed_harm() -> None:
    """Two weeks of .5 after a good one: the stretch that speaks most for harm are those two, with 800 labels."""
    found = confirm(evidence("...", "xx."), a_spec()).numbers()
    assert found == {
        "windows": 3,
        "since": weeks(1)[0],
        "stretch": 2,
        "labels": 800,
        "mean": pytest.approx(0.5),
        "log_evidence": found["log_evidence"],
        "log_needed": pytest.approx(NEEDED),
        "confirmed": True,
        "more_windows": 0,
        "baseline_windows": None,
        "unbeaten": None,
    }
    assert found["log_evidence"] > NEEDED
    harm = numbers(evidence("...", "xx."), a_spec())["harm"]
    assert (harm["confirmed"], harm["suspected"], harm["evidence"]) == (True, False, found)


def test_nothing_to_go_by() -> None:
    assert confirm(evidence("...", "???"), a_spec()).numbers() == {
        "windows": 0,
        "since": None,
        "stretch": 0,
        "labels": 0,
        "mean": None,
        "log_evidence": None,
        "log_needed": pytest.approx(NEEDED),
        "confirmed": False,
        "more_windows": None,
        "baseline_windows": None,
        "unbeaten": None,
    }


def test_evidence_as_odds() -> None:
    assert [odds(math.log(value)) for value in (0.123, 9.99, 10.0, 1234.4, 1.1e6)] == ["0.12", "10", "10", "1,234", "over a million"]
    assert odds(1e9) == "over a million"


def test_a_release() -> None:
    """Drift in the week before it does not count, one bad week before does."""
    found = numbers(released("..x...", "xx.w..", weeks=2), a_spec())["release"]
    assert found == {
        "previous": "0",
        "began": weeks(1)[0],
        "harm_since": weeks(1)[0],
        "confirmed": True,
        "bad_windows_before": 1,
        "drifted_windows": 0,
    }


def test_what_the_loss_is_due_to() -> None:
    found = evidence("...", "xx.")
    kept = numbers(replace(found, measurements=(*found.measurements, *of(RELATION_CHANGED, p_value=0.2, recalibrated=0.6))), a_spec())[
        "kind"
    ]
    parts = {name: {"value": value, "low": low, "high": high, "n": 800} for name, (value, low, high) in RELATION_CHANGED.items()}
    assert kept == {
        "kind": "relation",
        "span": "recent",
        "since": WEEK.shifted(-1).start.isoformat(),
        "calibration_p_value": 0.2,
        "recalibrated": 0.6,
        "parts": parts,
        "tolerated_loss": 0.03,
    }


def test_a_price() -> None:
    """AUC .70, .68, .66 against .70: .06 lost, a fifth of which comes back; at .004 a week a price of .02 takes two more weeks.

    The last two weeks are those that a challenger would be compared on: their loss is .33, of which .03 is excess."""
    found = numbers(replace(seen(0.70, 0.68, 0.66), windows_since_retraining=9), priced(0.01))["worth_it"]
    assert (found["windows_since_retraining"], found["gain"]) == (9, None)
    assert found["break_even"] == {
        "windows": 3,
        "avoidable": pytest.approx(0.012),
        "cost": pytest.approx(0.0001),
        "loss": pytest.approx(0.33),
        "excess": pytest.approx(0.03 / 0.33),
        "fresh": 0.0,
        "recovered": RECOVERED,
        "learned": LEARNED,
        "retrainings": 0,
        "reached": True,
        "more_windows": 0,
    }
    assert BASELINE == 0.70


def test_past_gains_under_the_rule_harm() -> None:
    """Three gains of .02, surely: worth 200 over ten windows at 1,000."""
    terms = Economics(rule="harm", cost=100, value=1000, horizon_windows=10, quantile=0.25, minimum_retrainings=2)
    gains = tuple(PastGain(f"d{i}", 0.02) for i in range(3))
    found = numbers(replace(evidence("...", "xx."), gains=gains, last_retraining="d2", windows_since_retraining=7), a_spec(economics=terms))
    assert found["worth_it"] == {
        "windows_since_retraining": 7,
        "cool_down_windows": 4,
        "last_retraining": "d2",
        "gain": {
            "retrainings": 3,
            "needed": 2,
            "mean": pytest.approx(0.02),
            "low": pytest.approx(0.02),
            "worth": pytest.approx(200),
            "cost": 100,
            "quantile": 0.25,
            "horizon_windows": 10,
        },
        "break_even": None,
    }


def test_retrainings_in_vain_and_the_budget_of_all_models() -> None:
    found = replace(evidence("xxx"), gains=(PastGain("d", 0.0),), last_retraining="d", windows_since_retraining=8)
    kept = numbers(replace(found, fleet=FleetBudget(2, 7.0, ("d",))), a_spec())["worth_it"]
    assert kept["in_vain"] == {"retrainings": 1, "pause_windows": 8}
    assert kept["fleet"] == {"most": 2, "days": 7.0, "spent": 1}


def test_what_predictions_are_worth_is_counted() -> None:
    found = numbers(worth("xxx."), a_valued_spec())
    counted = {"breaches": 3, "measured": 3, "k": 3, "n": 3, "windows": weeks(0, 1, 2), "sustained": True}
    assert (found["passing"]["business"], found["harm"]["business"]) == (counted, counted)


def test_a_past_window_is_what_counts_of_its_measurements() -> None:
    """The drift share against the training data, the specification's metric and the value, each of the window as a whole."""
    shown = Measurement(Layer.DRIFT, "drift_share", 0.1, Verdict.OK, 9, reference="previous")
    one = replace(drift(Verdict.OK), reference=TRAINING)
    auc, money = performance(Verdict.OK), Measurement(Layer.BUSINESS, VALUE, 1.0, Verdict.OK, 9)
    others = [
        shown,
        replace(one, subject="temp"),
        replace(one, metric="psi"),
        replace(auc, subject="origin=EWR"),
        replace(auc, metric="brier"),
        replace(money, subject="x"),
        replace(money, metric="other"),
        replace(quality(), metric="roc_auc"),
    ]
    spec = a_spec(anomalies=(Anomaly(name="strike", start=WEEK.start, end=WEEK.end),))
    record = Evaluation("e", "m", WEEK, "7", WEEK.end + timedelta(days=1), spec.hash, "d", "l", 500, 400, False, "0")
    found = past_window(spec, record, [*others, one, auc, money, *others])
    assert (found.drift, found.performance, found.business) == (one, auc, money)
    assert (found.window, found.evaluation_id, found.version, found.quality_passed, found.anomaly) == (WEEK, "e", "7", False, "strike")
    assert past_window(spec, replace(record, window=WEEK.shifted(1)), [], version="8").anomaly is None
    assert past_window(spec, record, [], version="8").version == "8"
    assert shown.reference != NOTHING


def test_it_looks_back_a_year_or_twice_the_longest_n() -> None:
    """Of weeks 53 are more than a year; of 30 windows the last 60 are looked through for 30 that could be measured."""
    assert history_reach(a_spec()) == 53
    assert history_reach(a_spec(drift=Sustained(k=1, n=30))) == 60
    assert history_reach(a_spec(performance=Sustained(k=1, n=40))) == 80


def test_windows_further_back_than_twice_n_are_not_counted() -> None:
    """Three weeks could be measured; one seven weeks ago is further back than 2 * 3 weeks before the present."""
    found = evidence("x?????xx", "." * 8)
    assert numbers(found, a_spec())["passing"]["drift"]["windows"] == weeks(0, 6)
    assert numbers(evidence("xx???x", "." * 6), a_spec())["passing"]["drift"]["windows"] == weeks(0, 1, 5)
