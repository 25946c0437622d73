"""One of several writers that want the same thing at the same moment; run in a thread or as a process of its own.

As a process: ``python -m tests.store.contend URL WHO``. It hears a line ``WRITE NUMBER`` and says what came of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.store.build import MODEL, NOW, WEEK, a_decision
from tests.store.dialogue import hear, say
from vigil.decision.types import Action
from vigil.errors import Conflict
from vigil.store.records import PromotionKind, RetrainingState
from vigil.store.sql import SqlStore, open_store


def move_champion(store: SqlStore, who: str, number: int) -> bool:
    """In round k everybody has read token k - 1 and wants another version."""
    kind = PromotionKind.PROMOTED
    store.move_champion(MODEL, who, expected_token=number - 1, kind=kind, by=who, reason="", at=NOW, decision_id=f"d{number}")
    return True


def request_retraining(store: SqlStore, who: str, number: int) -> bool:
    return store.request_retraining(f"d{number}", model=MODEL, champion=who, at=NOW)


def record_decision(store: SqlStore, who: str, number: int) -> bool:
    """Everybody decides the same of evaluation ek."""
    del who
    return store.record_decision(a_decision(f"d{number}", f"e{number}", window=WEEK.shifted(number - 1)), {})


def record_other_decision(store: SqlStore, who: str, number: int) -> bool:
    """Everybody decides something else of evaluation ek."""
    decision = a_decision(f"d{number}", f"e{number}", window=WEEK.shifted(number - 1), reason=who, action=Action.HOLD)
    return store.record_decision(decision, {})


def approve(store: SqlStore, who: str, number: int) -> bool:
    store.advance_retraining(f"d{number}", RetrainingState.PROMOTED, at=NOW, by=who)
    return True


WRITES: dict[str, Callable[[SqlStore, str, int], bool]] = {
    write.__name__: write for write in (move_champion, request_retraining, record_decision, record_other_decision, approve)
}


def outcome(store: SqlStore, write: str, who: str, number: int) -> str:
    """``won``, ``there already`` or ``conflict``; any other error is raised."""
    try:
        return "won" if WRITES[write](store, who, number) else "there already"
    except Conflict:
        return "conflict"


def main(url: str, who: str) -> None:
    with open_store(url) as store:
        store.champion(MODEL)  # connected before the first round
        say("ready")
        while line := hear():
            write, number = line.split()
            say(outcome(store, write, who, int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
