"""Tell people what is new about incidents: every message of the outbox that is due."""

from __future__ import annotations

from prefect import flow

from tasks.alert import drain_outbox
from tasks.watch import watch_runs


@flow(name="deliver")
def deliver(project: str, patience_seconds: float = 0.0) -> dict[str, int]:
    """Send the messages that are due, and go on for ``patience_seconds`` while some are pending.

    Writes: what vigil's own runs that failed or were killed say to incidents; each attempt and where its message stands (the store). A
    second run sends what is left; a message whose sending was killed is sent again with the same key once its claim has ended.
    """
    watch_runs(project)
    return drain_outbox(project, patience_seconds)
