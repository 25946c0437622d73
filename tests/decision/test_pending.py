"""Which retraining decisions are still to be acted on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vigil.decision.pending import unfinished
from vigil.decision.types import Action, Decision
from vigil.store.records import Retraining, RetrainingState
from vigil.window import Window

WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
DUE = timedelta(days=1)
RETRAIN = Decision("d-0", "m", WEEK, "e-0", "1", WEEK.end + DUE, Action.RETRAIN, "because", (), "s", "c")


def hold(weeks: int, as_of: datetime | None = None) -> Decision:
    window = WEEK.shifted(weeks)
    return replace(RETRAIN, decision_id=f"d-{weeks}", window=window, action=Action.HOLD, as_of=as_of or window.end + DUE)


def retraining(state: RetrainingState) -> Retraining:
    return Retraining("d-0", "m", state, WEEK.end, WEEK.end, "1")


def test_a_retraining_that_was_never_begun_is_unfinished() -> None:
    """The process died between deciding and starting; later windows have been decided since."""
    assert unfinished([RETRAIN, hold(1)], []) == (RETRAIN,)


def test_only_retrain_decisions_count() -> None:
    """Holding leaves nothing to do."""
    assert unfinished([hold(0), hold(1)], []) == ()


@pytest.mark.parametrize("state", [RetrainingState.REQUESTED, RetrainingState.REGISTERED])
def test_a_retraining_under_way_is_unfinished(state: RetrainingState) -> None:
    """Whoever ran it may be dead; running it again finishes it."""
    assert unfinished([RETRAIN], [retraining(state)]) == (RETRAIN,)


@pytest.mark.parametrize("state", [s for s in RetrainingState if s not in (RetrainingState.REQUESTED, RetrainingState.REGISTERED)])
def test_a_retraining_that_ended_or_waits_for_a_person_or_for_labels_is_not(state: RetrainingState) -> None:
    """There is nothing left for a process to do."""
    assert unfinished([RETRAIN], [retraining(state)]) == ()


def test_a_late_decision_about_the_past_starts_nothing() -> None:
    """Late labels told something new about a window when the next had been decided already."""
    late = replace(RETRAIN, as_of=hold(1).as_of + DUE)
    assert unfinished([late, hold(1)], []) == ()


def test_catching_up_several_windows_at_once_starts_what_was_decided() -> None:
    """After a pause all windows are decided as of the same moment; none was decided before the other."""
    now = WEEK.end + timedelta(days=30)
    caught_up = replace(RETRAIN, as_of=now)
    assert unfinished([caught_up, hold(1, now)], []) == (caught_up,)


def test_decisions_that_leave_nothing_to_do_hide_none_behind_them() -> None:
    """One that ended, one that was superseded, one that held; then one that is open."""
    ended, open_one = replace(RETRAIN, decision_id="d-0"), replace(RETRAIN, decision_id="d-5", window=WEEK.shifted(5))
    late = replace(RETRAIN, decision_id="d-1", window=WEEK.shifted(1), as_of=WEEK.shifted(9).end)
    assert unfinished([ended, late, hold(2), open_one], [retraining(RetrainingState.KEPT)]) == (open_one,)


def test_a_window_that_was_decided_again_does_not_supersede_itself() -> None:
    """Labels came late: the same window's second decision is the one to act on."""
    again = replace(RETRAIN, decision_id="d-9", as_of=RETRAIN.as_of + DUE)
    assert unfinished([hold(0), again], []) == (again,)
