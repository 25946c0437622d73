"""A process that opens a store when it is told to: ``python -m tests.store.open_and_wait URL``."""

from __future__ import annotations

import sys

from tests.store.dialogue import hear, say
from vigil.store.sql import open_store

if __name__ == "__main__":
    say("ready")
    hear()
    open_store(sys.argv[1]).close()
    say("opened")
