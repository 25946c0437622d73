"""Plans of labels in the store: kept as they were made, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vigil.errors import Conflict
from vigil.store.records import LabelPlan
from vigil.store.sql import SqlStore
from vigil.window import Window

DAY = Window(datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 5, tzinfo=UTC))
PLAN = LabelPlan("l-1", "churn", DAY, 100, 0, DAY.end, '{"chosen": [["é", 0]]}')


def test_a_plan_comes_back_as_it_went_and_a_second_time_writes_nothing(store: SqlStore) -> None:
    assert store.save_label_plan(PLAN)
    assert not store.save_label_plan(replace(PLAN, made_at=DAY.end + timedelta(days=1)))
    other = replace(PLAN, plan_id="l-2", seed=1)
    assert store.save_label_plan(other)
    assert store.label_plans("churn") == (PLAN, other)
    assert store.label_plans("fraud") == ()


def test_another_content_or_another_id_for_the_same_question_is_a_conflict(store: SqlStore) -> None:
    store.save_label_plan(PLAN)
    for changed in (replace(PLAN, body="{}"), replace(PLAN, plan_id="l-9")):
        with pytest.raises(Conflict):
            store.save_label_plan(changed)
    assert store.label_plans("churn") == (PLAN,)
