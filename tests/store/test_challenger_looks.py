"""What windows said of challengers on trial: one look a window, the first stays, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.store.build import MODEL, NOW, WEEK, save_decided
from vigil.errors import StoreError
from vigil.store.records import ChallengerLook, LookKind
from vigil.store.sql import SqlStore

LOOK = ChallengerLook("d1", LookKind.SHADOW, MODEL, WEEK, NOW, 0.1 + 0.2, None, 40, {"verdict": "not_enough_data", "low": -0.1})


def test_a_trial_has_one_look_a_window_and_the_first_stays(store: SqlStore) -> None:
    """The same window of a canary is another look."""
    save_decided(store, 1)
    store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
    canary, after = replace(LOOK, kind=LookKind.CANARY), replace(LOOK, window=WEEK.shifted(1))
    for look in (after, LOOK, canary):
        assert store.record_challenger_look(look)
    assert not store.record_challenger_look(replace(LOOK, n=41))
    assert store.challenger_looks(MODEL) == (canary, LOOK, after)
    assert store.challenger_looks("other") == ()
    assert store.challenger_looks(MODEL, decision_id="d1") == (canary, LOOK, after)
    assert store.challenger_looks(MODEL, decision_id="d2") == ()


def test_a_look_is_of_a_retraining(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="d1"):
        store.record_challenger_look(LOOK)
