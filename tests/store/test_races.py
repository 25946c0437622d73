"""Of several writers at one moment exactly one wins and the others are told, in threads and in processes, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.store.build import MODEL, NOW, WEEK, a_measurement, a_version, an_evaluation, save_decided, save_spec
from tests.store.contend import outcome
from tests.store.dialogue import Partner
from vigil.store.records import RetrainingState
from vigil.store.sql import SqlStore, open_store

ROUNDS = 10
LOSER = {
    "move_champion": "conflict",
    "request_retraining": "there already",
    "record_decision": "there already",
    "record_other_decision": "conflict",
    "approve": "conflict",
}


@pytest.mark.parametrize("write", LOSER)
def test_of_two_threads_one_wins(store: SqlStore, write: str) -> None:
    numbers = range(1, ROUNDS + 1)
    _prepare(store, write, numbers)
    barrier = Barrier(2)

    def contend(who: str) -> list[str]:
        found = []
        for number in numbers:
            barrier.wait(60)
            found.append(outcome(store, write, who, number))
        return found

    with ThreadPoolExecutor(2) as pool:
        left, right = pool.map(contend, ("left", "right"))
    _assert_one_won(store, write, numbers, left, right)


def test_of_two_processes_one_wins_each_kind_of_write(store: SqlStore, url: str) -> None:
    left, right = Partner("contend", url, "left"), Partner("contend", url, "right")
    assert (left.says(), right.says()) == ("ready", "ready")
    for place, write in enumerate(LOSER):
        numbers = range(place * ROUNDS + 1, (place + 1) * ROUNDS + 1)
        _prepare(store, write, numbers)
        found = []
        for number in numbers:
            left.tell(f"{write} {number}")
            right.tell(f"{write} {number}")
            found.append((left.says(), right.says()))
        _assert_one_won(store, write, numbers, [each for each, _ in found], [each for _, each in found])
    assert (left.end(), right.end()) == (0, 0)


def test_of_eight_threads_that_record_one_evaluation_one_wins_and_it_is_whole(store: SqlStore) -> None:
    save_spec(store)
    some = [a_measurement(subject=f"feature_{number}") for number in range(20)]
    assert _together(8, lambda: store.record_evaluation(an_evaluation(), some)) == [False] * 7 + [True]
    assert len(store.measurements(["e1"])["e1"]) == 20


def test_of_eight_threads_that_save_one_set_of_profiles_one_wins_and_it_is_whole(store: SqlStore) -> None:
    bodies = {("*", f"origin={number}"): "{}" for number in range(20)}
    assert _together(8, lambda: store.save_profiles(MODEL, WEEK, "data", "layout", bodies)) == [False] * 7 + [True]
    assert store.profiles(MODEL, WEEK, "data", "layout") == bodies


def test_eight_threads_with_the_same_move_get_the_same_promotion(store: SqlStore) -> None:
    """The workers of one decision are not rivals: whoever comes second is given what the first one did."""
    save_decided(store, 1)
    store.save_version(a_version())
    outcomes = _together(8, lambda: outcome(store, "move_champion", "1", 1))
    assert outcomes == ["won"] * 8
    assert len(store.promotions(MODEL)) == 1


def test_processes_that_open_an_empty_database_together_all_succeed(empty_url: str) -> None:
    partners = [Partner("open_and_wait", empty_url) for _ in range(4)]
    assert [partner.says() for partner in partners] == ["ready"] * 4
    for partner in partners:
        partner.tell("open")
    assert [partner.says() for partner in partners] == ["opened"] * 4
    assert [partner.end() for partner in partners] == [0] * 4


def test_threads_that_open_an_empty_database_together_all_succeed(empty_url: str) -> None:
    stores = _together(4, lambda: open_store(empty_url), ordered=False)
    for store in stores:
        assert store.versions(MODEL) == ()
        store.close()


def _together(threads: int, call: Callable[[], Any], *, ordered: bool = True) -> list[Any]:
    """Call from all threads at one moment, and return what they got."""
    barrier = Barrier(threads)

    def wait_and_call(_: int) -> Any:
        barrier.wait(60)
        return call()

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(wait_and_call, range(threads)))
    return sorted(found) if ordered else found


def _prepare(store: SqlStore, write: str, numbers: range) -> None:
    save_spec(store)
    if write.startswith("record"):
        for number in numbers:
            store.record_evaluation(an_evaluation(f"e{number}", window=WEEK.shifted(number - 1)), [])
        return
    save_decided(store, *numbers)
    for version in ("left", "right"):
        store.save_version(a_version(version))
    if write == "approve":
        for number in numbers:
            store.request_retraining(f"d{number}", model=MODEL, champion="1", at=NOW)
            store.advance_retraining(f"d{number}", RetrainingState.REGISTERED, at=NOW)
            store.advance_retraining(f"d{number}", RetrainingState.WAITING, at=NOW)


def _assert_one_won(store: SqlStore, write: str, numbers: range, left: list[str], right: list[str]) -> None:
    """One won each round, the other was told, and what is stored is the winner's."""
    for number, outcomes in zip(numbers, zip(left, right, strict=True), strict=True):
        assert sorted(outcomes) == sorted(["won", LOSER[write]]), f"{write} {number}"
    winners = ["left" if each == "won" else "right" for each in left]
    retrainings = [retraining for number in numbers if (retraining := store.retraining(f"d{number}"))]
    decisions = [decision for number in numbers if (decision := store.decision(f"d{number}"))]
    match write:
        case "move_champion":
            assert [promotion.version for promotion in store.promotions(MODEL)] == winners
        case "request_retraining":
            assert [retraining.champion for retraining in retrainings] == winners
        case "record_decision":
            assert len(decisions) == ROUNDS
        case "record_other_decision":
            assert [decision.reason for decision in decisions] == winners
        case "approve":
            assert [retraining.by for retraining in retrainings] == winners
