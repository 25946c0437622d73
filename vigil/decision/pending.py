"""Which decisions for a challenger still have to be acted on: after a kill, nothing that was decided is lost or done twice."""

from __future__ import annotations

from collections.abc import Sequence

from vigil.decision.kind import trains
from vigil.decision.types import Decision
from vigil.store.records import Retraining, RetrainingState


def unfinished(decisions: Sequence[Decision], retrainings: Sequence[Retraining]) -> tuple[Decision, ...]:
    """Return the decisions for a challenger (RETRAIN, RECALIBRATE) whose making was not begun, or begun and not ended, oldest first.

    A retraining that waits for approval is not unfinished, it waits for a person; nor is one in shadow or a canary, which waits for windows
    to come. A decision about a window older than one that had been decided before (late labels told something new about the past) is kept,
    but starts nothing: the newer windows decide.
    """
    states = {retraining.decision_id: retraining.state for retraining in retrainings}
    found = []
    for decision in decisions:
        if not trains(decision.action) or superseded(decision, decisions):
            continue
        state = states.get(decision.decision_id)
        if state is None or state in (RetrainingState.REQUESTED, RetrainingState.REGISTERED):
            found.append(decision)
    return tuple(found)


def superseded(decision: Decision, decisions: Sequence[Decision]) -> bool:
    """Tell whether a later window had been decided before this decision was made."""
    return any(other.window.start > decision.window.start and other.as_of < decision.as_of for other in decisions)
