"""A process killed in the middle of a write leaves all of it or nothing, and the next one carries on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import inspect

from tests.store.build import an_evaluation, measurements_of_100_features, save_spec
from tests.store.dialogue import Partner
from vigil.store.sql import SqlStore, open_store


@pytest.mark.parametrize("at", ["INSERT INTO evaluation", "INSERT INTO measurement"])
def test_killed_before_the_commit_an_evaluation_is_not_there(store: SqlStore, url: str, at: str) -> None:
    save_spec(store)
    _kill(url, "record", at, says="stalled")
    _assert_nothing_then_record(store)


def test_killed_between_two_of_100_measurements_nothing_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'vigil.db'}"
    with open_store(url) as store:
        save_spec(store)
        _kill(url, "record", "half", says="stalled")
        _assert_nothing_then_record(store)


def test_killed_after_the_commit_an_evaluation_is_there_with_all_its_measurements(store: SqlStore, url: str) -> None:
    save_spec(store)
    _kill(url, "record", "nothing", says="finished")
    assert store.evaluation("e1") == an_evaluation()
    assert store.measurements(["e1"])["e1"] == measurements_of_100_features()
    assert not store.record_evaluation(an_evaluation(), measurements_of_100_features())


@pytest.mark.parametrize("at", ["CREATE TABLE spec", "CREATE TABLE report", "INSERT INTO vigil_schema"])
def test_killed_while_it_migrates_the_database_is_as_it_was(empty_url: str, at: str) -> None:
    _kill(empty_url, "open", at, says="stalled")
    assert inspect(SqlStore(empty_url).engine).get_table_names() == []
    with open_store(empty_url) as store:
        save_spec(store)
        _assert_nothing_then_record(store)


def _kill(url: str, work: str, at: str, *, says: str) -> None:
    """Run the work in a process of its own, wait until it has come to ``at``, and SIGKILL it there."""
    partner = Partner("stall", url, work, at)
    assert partner.says() == says
    assert partner.kill() == -signal.SIGKILL


def _assert_nothing_then_record(store: SqlStore) -> None:
    assert store.evaluation("e1") is None
    assert store.measurements(["e1"]) == {"e1": ()}
    assert store.record_evaluation(an_evaluation(), measurements_of_100_features())
    assert store.measurements(["e1"])["e1"] == measurements_of_100_features()
