"""Deciding again from the store: what is the same says nothing, what differs is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.decision.test_ladder import WEEK, a_spec, drift, performance, quality
from vigil.decision.evidence import gather, noted_of
from vigil.decision.ladder import decide
from vigil.decision.replay import differences, replay
from vigil.decision.types import Action
from vigil.measurement import TRAINING, Verdict
from vigil.store.records import Evaluation
from vigil.store.sql import SqlStore, open_store
from vigil.window import Window

WEEKS = 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        decide_weeks(store)
        yield store


def decide_weeks(store: SqlStore) -> None:
    """Four weeks, each worse than it may be, decided one after the other."""
    spec = a_spec()
    store.save_spec("m", spec.hash, spec.canonical_json())
    for week in range(WEEKS):
        window = WEEK.shifted(week)
        due = window.end + timedelta(days=1)
        found = Evaluation(f"e{week}", "m", window, "1", due, spec.hash, "data", "labels", 500, 400, True, "0.1.0")
        drifted = replace(drift(Verdict.OK), version="1", reference=TRAINING)
        store.record_evaluation(found, [quality(), drifted, replace(performance(Verdict.BREACH), version="1")])
        evidence = gather(store, spec, found.evaluation_id)
        store.record_decision(decide(evidence, spec), noted_of(evidence))


def test_an_untouched_store_gives_every_decision_again(store: SqlStore) -> None:
    """Looked at later, when more windows and decisions are there than then."""
    made = store.decisions("m")
    assert [decision.action for decision in made] == [Action.HOLD, Action.RETRAIN, Action.HOLD, Action.HOLD]
    assert [replay(store, decision) for decision in made] == [()] * WEEKS


def test_windows_of_an_earlier_specification_are_no_history_and_what_was_decided_with_them_stays(store: SqlStore) -> None:
    """With days for weeks the same labels would count twice, and a week's say what its first days could not know."""
    daily = a_spec().model_copy(update={"window": a_spec().window.model_copy(update={"days": 1})})
    store.save_spec("m", daily.hash, daily.canonical_json())
    days = [Window(WEEK.start + timedelta(days=day), WEEK.start + timedelta(days=day + 1)) for day in (7 * WEEKS - 2, 7 * WEEKS - 1)]
    for day in days:
        found = Evaluation(day.key, "m", day, "1", day.end + timedelta(days=9), daily.hash, "data", "labels", 500, 400, True, "0.1.0")
        store.record_evaluation(found, [quality(), replace(performance(Verdict.BREACH), version="1")])
    assert [past.window for past in gather(store, daily, days[1].key).history] == [days[0]]
    assert [replay(store, decision) for decision in store.decisions("m")] == [()] * WEEKS


def test_a_decision_that_says_something_else_is_named_with_what_it_would_be(store: SqlStore) -> None:
    decision = store.decisions("m")[1]
    assert replay(store, replace(decision, action=Action.HOLD)) == ("action: then 'HOLD', now 'RETRAIN'",)


def test_a_changed_number_of_a_gate_is_named_with_its_place(store: SqlStore) -> None:
    decision = store.decisions("m")[1]
    gates = tuple(replace(g, numbers={**g.numbers, "baseline": 0.9}) if g.gate == "harm" else g for g in decision.gates)
    assert replay(store, replace(decision, gates=gates)) == ("gates.harm.numbers.baseline: then 0.9, now None",)


@pytest.mark.parametrize("changes", [{"spec_hash": "other"}, {"decision_id": "d-other"}], ids=["specification", "evidence"])
def test_what_is_gone_is_named(store: SqlStore, changes: dict[str, Any]) -> None:
    (named,) = replay(store, replace(store.decisions("m")[1], **changes))
    assert named.endswith("is not in the store any more")


def test_an_evaluation_that_is_gone_is_named(store: SqlStore) -> None:
    (named,) = replay(store, replace(store.decisions("m")[1], evaluation_id="e9"))
    assert named.startswith("evaluation e9 is not in the store")


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        (1.0, 1.0 + 1e-13, []),
        (1.0, 1.0 + 1e-11, [": then 1.0, now 1.00000000001"]),
        (True, 1, []),
        (None, 0.0, [": then None, now 0.0"]),
        ([1, 2], [1], [": then [1, 2], now [1]"]),
        ({"a": 1}, {"b": 1}, ["a: then 1, now None", "b: then None, now 1"]),
    ],
)
def test_numbers_are_compared_to_12_digits_and_all_else_exactly(then: Any, now: Any, expected: list[str]) -> None:
    assert list(differences(then, now)) == expected
