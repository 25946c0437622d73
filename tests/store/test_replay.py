"""Decisions are made again from either engine alike."""

from __future__ import annotations

from tests.decision.test_replay import WEEKS, decide_weeks
from vigil.decision.replay import replay
from vigil.store.sql import SqlStore


def test_every_decision_is_made_again_from_either_engine(store: SqlStore) -> None:
    decide_weeks(store)
    assert [replay(store, decision) for decision in store.decisions("m")] == [()] * WEEKS
    assert store.verify_ledger().links == WEEKS
