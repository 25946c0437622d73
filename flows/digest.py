"""Tell people once a week what nobody was woken for: trends, minor incidents, labels that lack, thresholds that say nothing."""

from __future__ import annotations

from prefect import flow

from tasks.alert import drain_outbox, write_digest


@flow(name="digest")
def digest(project: str, end: str | None = None) -> tuple[str, ...]:
    """Put the digest of a week into the outbox and send it; return the keys of its messages.

    Writes: one message for each channel that takes tier P2 (the store). A second run of the same week finds the first one's.

    Args:
        end: ISO moment at which the week ends; default the last Monday, 0:00 UTC.
    """
    keys = write_digest(project, end)
    drain_outbox(project, patience_seconds=0.0)
    return keys
