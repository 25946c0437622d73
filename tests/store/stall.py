"""A process that stops for ever in the middle of a write, so that a test can kill it there.

``python -m tests.store.stall URL WORK AT``: WORK is ``open``, ``record``, ``decide`` or ``alert``; it stops after the first SQL
statement that begins with AT, or, where AT is ``half``, when SQLite has inserted 50 of the 100 measurements. It says ``stalled`` then.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

from sqlalchemy import event

from tests.store.build import a_decision, an_evaluation, measurements_of_100_features, record_an_alert
from tests.store.dialogue import hear, say
from vigil.store.migrate import migrate
from vigil.store.sql import SqlStore


def main(url: str, work: str, at: str) -> None:
    store = SqlStore(url)
    if at == "half":
        event.listen(store.engine, "connect", _stall_at_half)
    else:

        @event.listens_for(store.engine, "after_cursor_execute")
        def _stop(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.strip().startswith(at):
                _stall()

    if work == "open":
        migrate(store.engine)
    elif work == "decide":
        store.record_decision(a_decision(), {})
    elif work == "alert":
        record_an_alert(store)
    else:
        store.record_evaluation(an_evaluation(), measurements_of_100_features())
    say("finished")
    hear()


def _stall_at_half(connection: sqlite3.Connection, _record: object) -> None:
    connection.create_function("stall", 0, _stall)
    connection.execute(
        "CREATE TEMP TRIGGER half AFTER INSERT ON main.measurement WHEN (SELECT count(*) FROM measurement) = 50 BEGIN SELECT stall(); END"
    )


def _stall() -> None:
    say("stalled")
    hear()


if __name__ == "__main__":
    main(*sys.argv[1:])
