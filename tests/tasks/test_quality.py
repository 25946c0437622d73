"""The task that checks a window's data, on a real project, store and Great Expectations."""

from __future__ import annotations

from pathlib import Path

from prefect.cache_policies import NO_CACHE

from tasks.quality import validate
from tests.tasks.project import adopted_project, look_of, scored
from vigil.measurement import Verdict


def test_the_known_categories_are_those_of_the_looked_at_version(tmp_path: Path) -> None:
    """Category `new` is not in the rows that the version was trained on."""
    rows = scored(500)
    rows.loc[:49, "plan"] = "new"
    work = adopted_project(tmp_path, rows)
    found = {(m.metric, m.subject): m for m in validate.fn(str(tmp_path), look_of(work))}
    renamed = found["expect_column_values_to_be_in_set", "plan"]
    assert (renamed.value, renamed.verdict) == (0.1, Verdict.BREACH)
    assert renamed.detail["unexpected"] == [{"value": "new", "rows": 50}]


def test_the_check_is_never_taken_from_a_cache_nor_tried_again() -> None:
    """Prefect's default key sees neither the rows nor the library; a crash of a check comes again."""
    assert validate.cache_policy == NO_CACHE
    assert validate.retries == 0
