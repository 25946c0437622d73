"""Reviews in the store: sessions once, what was said of their rows as often as something new was said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.test_label_plans import DAY
from vigil.errors import Conflict, StoreError
from vigil.store.records import Review, ReviewSession
from vigil.store.sql import SqlStore

SESSION = ReviewSession("r-1", "churn", DAY, 40, 0, DAY.end, '{"picks": [["é", ["borderline"]]]}')
SAID = Review("r-1", "churn", "p1", 1.0, "wrong", "é", "ada", DAY.end)


def test_both_come_back_as_they_went_and_a_second_time_writes_nothing(store: SqlStore) -> None:
    assert store.save_review_session(SESSION)
    assert not store.save_review_session(replace(SESSION, made_at=DAY.end + timedelta(days=1)))
    later = replace(SAID, label=None, outcome="", at=DAY.end + timedelta(hours=1))
    assert store.save_reviews([SAID, later]) == 2
    assert store.save_reviews([later, SAID]) == 0
    assert (store.review_sessions("churn"), store.reviews("churn")) == ((SESSION,), (SAID, later))
    assert (store.review_sessions("fraud"), store.reviews("fraud")) == ((), ())


def test_other_content_is_a_conflict_and_a_review_needs_its_session(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="save it first"):
        store.save_reviews([SAID])
    store.save_review_session(SESSION)
    store.save_reviews([SAID])
    with pytest.raises(Conflict):
        store.save_review_session(replace(SESSION, body="{}"))
    with pytest.raises(Conflict):
        store.save_reviews([replace(SAID, prediction_id="p2"), replace(SAID, label=0.0)])
    assert store.reviews("churn") == (SAID,)
