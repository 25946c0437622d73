"""Vigil's own runs: begun once, ended once, the latest in order, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.store.build import MODEL, NOW, later
from vigil.errors import Conflict, StoreError
from vigil.store.records import FlowRun
from vigil.store.sql import SqlStore

RUN = FlowRun("r1", MODEL, NOW)


def test_it_comes_back_as_it_was_begun_and_ended(store: SqlStore) -> None:
    assert store.begin_flow_run(RUN)
    assert store.flow_runs(MODEL, latest=5) == (RUN,)
    assert store.end_flow_run("r1", at=later(1), failure="SourceError: no file")
    assert store.flow_runs(MODEL, latest=5) == (replace(RUN, ended_at=later(1), failure="SourceError: no file"),)


def test_a_second_time_writes_nothing_and_the_first_moments_stay(store: SqlStore) -> None:
    store.begin_flow_run(RUN)
    store.end_flow_run("r1", at=later(1))
    before = store.flow_runs(MODEL, latest=5)
    assert not store.begin_flow_run(replace(RUN, begun_at=later(3)))
    assert not store.end_flow_run("r1", at=later(4))
    assert store.flow_runs(MODEL, latest=5) == before


def test_the_latest_are_those_begun_last_in_order(store: SqlStore) -> None:
    for number in (3, 1, 2):
        store.begin_flow_run(FlowRun(f"r{number}", MODEL, later(number)))
    store.begin_flow_run(FlowRun("other", "other", later(9)))
    assert [run.run_id for run in store.flow_runs(MODEL, latest=2)] == ["r2", "r3"]


def test_another_end_is_a_conflict_and_another_model_too(store: SqlStore) -> None:
    store.begin_flow_run(RUN)
    store.end_flow_run("r1", at=later(1))
    with pytest.raises(Conflict, match="r1"):
        store.end_flow_run("r1", at=later(1), failure="broken")
    with pytest.raises(Conflict):
        store.begin_flow_run(replace(RUN, model="other"))


def test_what_was_never_begun_cannot_end(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="r9"):
        store.end_flow_run("r9", at=NOW)
