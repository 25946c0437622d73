"""The chain of decisions: whatever is changed, taken away or slipped in behind vigil's back is found, and the first place is named."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from tests.store.build import WEEK, a_decision, a_measurement, an_evaluation, save_decided, save_spec
from tests.store.dialogue import Partner
from vigil.store.ledger import START
from vigil.store.sql import SqlStore, open_store

DECISIONS = 5


@pytest.fixture
def decided(store: SqlStore) -> SqlStore:
    """Five decisions, the evaluation of each with one measurement."""
    save_spec(store)
    for number in range(1, DECISIONS + 1):
        window = WEEK.shifted(number - 1)
        store.record_evaluation(an_evaluation(f"e{number}", window=window), [a_measurement(low=float("-inf"))])
        store.record_decision(a_decision(f"d{number}", f"e{number}", window=window), {"history": [], "past": 0.1 + 0.2})
    return store


def behind_the_back(store: SqlStore, *statements: str) -> None:
    with store.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))  # whoever forges does not keep foreign keys
        else:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for statement in statements:
            connection.execute(text(statement))


def test_an_untouched_chain_holds_and_ends_in_its_head(decided: SqlStore) -> None:
    found = decided.verify_ledger()
    assert (found.links, found.broken) == (DECISIONS, None)
    assert len(found.head) == 64


def test_an_empty_ledger_holds(store: SqlStore) -> None:
    found = store.verify_ledger()
    assert (found.links, found.head, found.broken) == (0, START, None)


def test_recording_a_decision_again_adds_no_link(decided: SqlStore) -> None:
    before = decided.verify_ledger()
    assert not decided.record_decision(a_decision("d1", "e1"), {"history": [], "past": 0.1 + 0.2})
    assert decided.verify_ledger() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE decision SET action = 'HOLD' WHERE decision_id = 'd3'",
        "UPDATE decision SET reason = 'another' WHERE decision_id = 'd3'",
        "UPDATE decision SET gates = '[]' WHERE decision_id = 'd3'",
        "UPDATE decision SET evidence = '{}' WHERE decision_id = 'd3'",
        "UPDATE decision SET code_version = '9' WHERE decision_id = 'd3'",
        "UPDATE evaluation SET data_digest = 'other' WHERE evaluation_id = 'e3'",
        "UPDATE evaluation SET labels_digest = 'other' WHERE evaluation_id = 'e3'",
        "UPDATE evaluation SET labels = labels + 1 WHERE evaluation_id = 'e3'",
        "UPDATE measurement SET value = value + 0.0000001 WHERE evaluation_id = 'e3'",
        "DELETE FROM measurement WHERE evaluation_id = 'e3'",
        "UPDATE ledger SET hash = '00' WHERE decision_id = 'd3'",
    ],
)
def test_what_a_link_covers_cannot_change_unseen(decided: SqlStore, change: str) -> None:
    """The first link that does not hold is the third; the two before it do."""
    behind_the_back(decided, change)
    found = decided.verify_ledger()
    assert found.links == 2
    assert found.broken == "link 3, decision d3: the decision, its evaluation or its measurements are not what they were"


def test_a_link_that_was_taken_away_is_missed(decided: SqlStore) -> None:
    behind_the_back(decided, "DELETE FROM ledger WHERE decision_id = 'd3'")
    assert decided.verify_ledger().broken == "link 4, decision d4: link 3 is missing before it"


def test_a_decision_taken_away_with_its_link_is_missed(decided: SqlStore) -> None:
    """Closing the gap in the numbers does not close the chain."""
    behind_the_back(
        decided,
        "DELETE FROM ledger WHERE decision_id = 'd3'",
        "DELETE FROM decision WHERE decision_id = 'd3'",
        "UPDATE ledger SET position = 3 WHERE decision_id = 'd4'",
        "UPDATE ledger SET position = 4 WHERE decision_id = 'd5'",
    )
    assert decided.verify_ledger().broken == "link 3, decision d4: it does not follow the link before it"


def test_a_decision_past_the_ledger_is_found(decided: SqlStore) -> None:
    behind_the_back(decided, "DELETE FROM ledger WHERE decision_id = 'd5'")
    found = decided.verify_ledger()
    assert found.links == DECISIONS - 1
    assert (found.broken or "").startswith("decision d5 is in no link of the chain")


def test_links_cut_off_the_end_are_missed_by_who_kept_the_head(decided: SqlStore) -> None:
    """Cut off with all that it covers, the end leaves no trace in the store: only the head that somebody kept tells."""
    kept = decided.verify_ledger().head
    assert decided.verify_ledger(head=kept).broken is None
    behind_the_back(decided, "DELETE FROM ledger WHERE decision_id = 'd5'", "DELETE FROM decision WHERE decision_id = 'd5'")
    assert decided.verify_ledger().broken is None
    assert kept in (decided.verify_ledger(head=kept).broken or "")


def test_a_head_of_the_past_is_in_the_chain(store: SqlStore) -> None:
    """What was the head before more was decided is still a link."""
    save_decided(store, 1)
    early = store.verify_ledger().head
    save_decided(store, 2)
    assert store.verify_ledger(head=early).broken is None


def test_both_engines_make_the_same_chain(new_postgresql: object, tmp_path: Path) -> None:
    """The hashes are over values, not over what an engine makes of them."""
    heads = set()
    for url in (f"sqlite:///{tmp_path / 'vigil.db'}", new_postgresql()):  # type: ignore[operator]
        with open_store(url) as store:
            save_spec(store)
            store.record_evaluation(an_evaluation(), [a_measurement(value=0.1 + 0.2, low=-0.0)])
            store.record_decision(a_decision(), {"a": 0.1})
            heads.add(store.verify_ledger().head)
    assert len(heads) == 1


def test_decisions_of_many_threads_are_one_chain(store: SqlStore) -> None:
    """Each links to the one before it, whoever was first."""
    numbers = range(1, 9)
    save_spec(store)
    for number in numbers:
        store.record_evaluation(an_evaluation(f"e{number}", window=WEEK.shifted(number)), [])
    barrier = Barrier(len(numbers))

    def record(number: int) -> bool:
        barrier.wait(60)
        return store.record_decision(a_decision(f"d{number}", f"e{number}", window=WEEK.shifted(number)), {})

    with ThreadPoolExecutor(len(numbers)) as pool:
        assert all(pool.map(record, numbers))
    found = store.verify_ledger()
    assert (found.links, found.broken) == (len(numbers), None)


@pytest.mark.parametrize("at", ["INSERT INTO decision", "INSERT INTO ledger"])
def test_killed_before_the_commit_there_is_neither_decision_nor_link(store: SqlStore, url: str, at: str) -> None:
    """They are one write: the next try makes both."""
    save_spec(store)
    store.record_evaluation(an_evaluation(), [])
    partner = Partner("stall", url, "decide", at)
    assert partner.says() == "stalled"
    assert partner.kill() == -signal.SIGKILL
    assert store.decision("d1") is None
    assert store.verify_ledger().links == 0
    assert store.record_decision(a_decision(), {})
    assert (store.verify_ledger().links, store.verify_ledger().broken) == (1, None)


def test_decisions_made_before_the_ledger_are_linked_by_its_migration(decided: SqlStore, url: str) -> None:
    """A database of schema 0002, which had no ledger, is opened: its decisions are linked in the order of their recording."""
    expected = decided.verify_ledger()
    later = ("ledger", "delivery", "message", "incident_event", "alert_look", "label_plan", "payoff", "review", "review_session")
    later += ("training_attempt", "approval", "challenger_look", "flow_run")
    behind_the_back(decided, *(f"DROP TABLE {table}" for table in later), "UPDATE vigil_schema SET version_num = '0002'")
    decided.close()
    with open_store(url) as opened:
        assert opened.verify_ledger() == expected
