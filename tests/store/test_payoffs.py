"""What promotions brought: one per decision, kept as it was, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.store.build import MODEL, NOW, later, save_decided
from vigil.errors import Conflict, StoreError
from vigil.store.records import Payoff
from vigil.store.sql import SqlStore

BROUGHT = Payoff("d2", MODEL, NOW, "roc_auc", predicted=0.1 + 0.2, realised=0.013, low=-0.0021, high=0.03, n=900, windows=12)
UNKNOWN = Payoff("d1", MODEL, later(1), "roc_auc", predicted=0.01, realised=None, low=None, high=None, n=0, windows=0)


def test_it_comes_back_as_it_went_by_the_end_of_the_horizon_and_a_second_time_writes_nothing(store: SqlStore) -> None:
    save_decided(store, 1, 2)
    assert store.save_payoff(UNKNOWN)
    assert store.save_payoff(BROUGHT)
    assert not store.save_payoff(BROUGHT)
    assert store.payoffs(MODEL) == (BROUGHT, UNKNOWN)
    assert store.payoffs("other") == ()


def test_another_number_is_a_conflict_and_a_decision_is_needed(store: SqlStore) -> None:
    save_decided(store, 2)
    store.save_payoff(BROUGHT)
    with pytest.raises(Conflict):
        store.save_payoff(replace(BROUGHT, realised=0.02))
    with pytest.raises(StoreError, match="d9"):
        store.save_payoff(replace(BROUGHT, decision_id="d9"))
