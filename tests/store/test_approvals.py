"""What people are asked to let serve: bound to what was compared, answered once and in time, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from alembic.config import Config

import vigil.store.migrations
from tests.store.build import MODEL, NOW, a_version, later, save_decided
from vigil.errors import Conflict, NotAllowed, StoreError
from vigil.store.engine import writing
from vigil.store.migrations.versions.v0009_challengers import down_revision
from vigil.store.records import Approval, PromotionKind, RetrainingState
from vigil.store.sql import SqlStore, open_store

COMPARED = {"verdict": "promote", "difference": 0.1 + 0.2}
EVIDENCE = "0123456789abcdef" * 4


def asked_about(number: int = 1, **changes: object) -> Approval:
    """Version ``number + 1`` challenges version ``number``, which serves since the move ``number``."""
    asked = Approval(f"d{number}", MODEL, f"{number + 1}", f"{number}", number, EVIDENCE, NOW, NOW + timedelta(days=14))
    return replace(asked, **changes)  # type: ignore[arg-type]


def registered(store: SqlStore, number: int = 1) -> None:
    """Version 1 serves; the challenger of decision dk is registered."""
    save_decided(store, number)
    if number == 1:
        store.save_version(a_version("1"))
        adopt(store, "1", 0)
    store.save_version(a_version(f"{number + 1}", decision_id=f"d{number}"))
    store.request_retraining(f"d{number}", model=MODEL, champion=f"{number}", at=NOW)
    store.advance_retraining(f"d{number}", RetrainingState.REGISTERED, at=NOW, challenger=f"{number + 1}")


def adopt(store: SqlStore, version: str, token: int) -> None:
    store.move_champion(MODEL, version, expected_token=token, kind=PromotionKind.ADOPTED, by="vigil", reason="", at=NOW)


def waiting(store: SqlStore, number: int = 1) -> None:
    registered(store, number)
    store.ask_approval(asked_about(number), comparison=COMPARED, reason="better by 0.3", at=NOW)


def answer(store: SqlStore, *, approve: bool = True, by: str = "ada", hours: int = 1, evidence: str | None = None, number: int = 1) -> str:
    found = store.answer_approval(f"d{number}", approve=approve, by=by, reason="looks right", at=later(hours), evidence=evidence)
    return found.state.value


def test_asking_lets_the_retraining_wait_with_what_was_compared_once(store: SqlStore) -> None:
    waiting(store)
    retraining = store.retraining("d1")
    assert retraining is not None
    assert (retraining.state, retraining.comparison, retraining.reason) == (RetrainingState.WAITING, COMPARED, "better by 0.3")
    assert store.approval("d1") == asked_about()
    again = asked_about(asked_at=later(5), expires_at=later(500))
    store.ask_approval(again, comparison=COMPARED, reason="better by 0.3", at=later(5))
    assert store.approval("d1") == asked_about()
    with pytest.raises(Conflict, match="`evidence` is"):
        store.ask_approval(asked_about(evidence="f" * 64), comparison=COMPARED, reason="", at=NOW)
    assert store.approval("d9") is None


def test_nobody_is_asked_about_a_champion_that_does_not_serve_any_more(store: SqlStore) -> None:
    """The move was after the comparison; nothing is written."""
    registered(store)
    store.save_version(a_version("9", decision_id=None))
    adopt(store, "9", 1)
    with pytest.raises(Conflict, match=r"compared with version 1 \(token 1\), which is not champion any more: nobody was asked"):
        store.ask_approval(asked_about(), comparison=COMPARED, reason="", at=NOW)
    assert store.approval("d1") is None
    retraining = store.retraining("d1")
    assert retraining is not None
    assert retraining.state is RetrainingState.REGISTERED


def test_approving_moves_the_champion_ends_the_retraining_and_keeps_the_answer_together(store: SqlStore) -> None:
    waiting(store)
    assert answer(store) == "promoted"
    moved = store.promotions(MODEL)[-1]
    assert (moved.version, moved.replaced, moved.token, moved.by, moved.reason, moved.decision_id) == (
        "2",
        "1",
        2,
        "ada",
        "looks right",
        "d1",
    )
    given = asked_about(answer="approved", by="ada", reason="looks right", answered_at=later(1))
    assert store.approval("d1") == given
    assert answer(store, hours=2) == "promoted"  # again by the same person: nothing changes
    assert (store.approval("d1"), len(store.promotions(MODEL))) == (given, 2)


def test_rejecting_keeps_the_champion(store: SqlStore) -> None:
    waiting(store)
    assert answer(store, approve=False) == "rejected"
    assert [each.version for each in store.promotions(MODEL)] == ["1"]
    with pytest.raises(Conflict, match=r"version 2, was rejected by ada before .* An approval works once"):
        answer(store)


def test_the_second_of_two_people_is_told(store: SqlStore) -> None:
    waiting(store)
    answer(store, by="ada")
    for approve in (True, False):
        with pytest.raises(Conflict, match="was approved by ada before"):
            answer(store, by="bob", approve=approve)
    assert store.promotions(MODEL)[-1].by == "ada"


def test_an_answer_after_the_champion_has_moved_is_refused_even_where_the_same_version_serves_again(store: SqlStore) -> None:
    """Version 1, then 9, then 1: the token tells."""
    waiting(store)
    store.save_version(a_version("9", decision_id=None))
    adopt(store, "9", 1)
    adopt(store, "1", 2)
    with pytest.raises(Conflict, match="token 1 was expected, the champion is version 1 with token 3"):
        answer(store)
    found = store.approval("d1")
    assert found is not None
    assert found.answer is None
    assert answer(store, approve=False) == "rejected"  # to say no, nothing needs to be as it was


def test_an_answer_to_another_evidence_is_refused(store: SqlStore) -> None:
    """As many digits as the person was shown are compared."""
    waiting(store)
    with pytest.raises(Conflict, match="waits with evidence 0123456789ab, not 0123f"):
        answer(store, evidence="0123f")
    assert answer(store, evidence="0123456789ab") == "promoted"


def test_an_answer_that_comes_too_late_is_refused_and_the_wait_is_ended(store: SqlStore) -> None:
    waiting(store)
    assert not store.expire_approval("d1", at=asked_about().expires_at - timedelta(microseconds=1))
    with pytest.raises(NotAllowed, match="could be approved until 2013-03-23"):
        answer(store, hours=14 * 24)
    assert store.expire_approval("d1", at=asked_about().expires_at)
    assert not store.expire_approval("d1", at=later(9999))
    retraining = store.retraining("d1")
    assert retraining is not None
    assert (retraining.state, retraining.state.final) == (RetrainingState.EXPIRED, True)
    with pytest.raises(NotAllowed, match=r"its state is expired\. Nobody answered by"):
        answer(store)


def test_a_wait_ends_where_the_champion_has_moved_meanwhile(store: SqlStore) -> None:
    """It could only be refused; also after a rollback to the version that it was compared with."""
    waiting(store)
    store.save_version(a_version("7"))
    for token, version in ((1, "7"), (2, "1")):
        store.move_champion(MODEL, version, expected_token=token, kind=PromotionKind.ROLLED_BACK, by="ada", reason="", at=NOW)
    assert store.expire_approval("d1", at=later(1))
    with pytest.raises(NotAllowed, match=r"its state is expired\. It was compared with version 1, and since then the champion has moved"):
        answer(store)


def test_what_was_not_asked_cannot_be_answered(store: SqlStore) -> None:
    registered(store)
    with pytest.raises(NotAllowed, match="does not wait for approval: its state is registered"):
        answer(store)
    with pytest.raises(StoreError, match="'d9' has no retraining"):
        answer(store, number=9)


def test_of_two_who_answer_at_one_moment_one_wins_and_the_other_is_told(store: SqlStore, url: str) -> None:
    """Five rounds, each with connections of its own; what is stored is the winner's in every place."""
    barrier = Barrier(2)

    def contend(who: str, number: int) -> str:
        with open_store(url) as mine:
            barrier.wait(60)
            try:
                return answer(mine, by=who, number=number)
            except Conflict as told:
                return str(told)

    for number in range(1, 6):
        waiting(store, number)
        with ThreadPoolExecutor(2) as pool:
            found = dict(zip(("ada", "bob"), pool.map(contend, ("ada", "bob"), (number, number)), strict=True))
        (winner,) = [who for who, said in found.items() if said == "promoted"]
        (told,) = [said for said in found.values() if said != "promoted"]
        assert f"was approved by {winner} before" in told
        given, moved, retraining = store.approval(f"d{number}"), store.promotions(MODEL)[-1], store.retraining(f"d{number}")
        assert given is not None
        assert retraining is not None
        assert given.by == moved.by == retraining.by == winner
        assert len(store.promotions(MODEL)) == number + 1


def test_what_waited_before_approvals_were_bound_does_not_wait_for_ever(empty_url: str) -> None:
    """A database of the schema before is opened."""
    config = Config()
    config.set_main_option("script_location", str(Path(vigil.store.migrations.__file__).parent))
    with SqlStore(empty_url) as before:
        with writing(before.engine) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, str(down_revision))
        registered(before)
        before.advance_retraining("d1", RetrainingState.WAITING, at=NOW)
    with open_store(empty_url) as opened:
        retraining = opened.retraining("d1")
    assert retraining is not None
    assert (retraining.state, retraining.reason[:9]) == (RetrainingState.EXPIRED, "It waited")
