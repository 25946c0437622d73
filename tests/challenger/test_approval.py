"""Who may answer, and what they are asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.challenger.build import spec_of
from vigil.challenger.approval import asked_of, require_may_answer
from vigil.errors import NotAllowed
from vigil.store.records import Champion, Retraining, RetrainingState

NOW = datetime(2024, 1, 1, tzinfo=UTC)
CHAMPION = Champion("delay", "1", 7, NOW)
RETRAINING = Retraining("d1", "delay", RetrainingState.REGISTERED, NOW, NOW, "1", "2")


def test_what_is_asked_is_bound_to_challenger_champion_token_and_comparison() -> None:
    """Each of them changes the evidence."""
    first = asked_of(RETRAINING, CHAMPION, {"difference": 0.1}, spec_of(comparison={"approval_days": 3}), NOW)
    assert (first.challenger, first.champion, first.token, first.expires_at) == ("2", "1", 7, NOW + timedelta(days=3))
    others = [
        asked_of(RETRAINING, CHAMPION, {"difference": 0.2}, spec_of(), NOW),
        asked_of(RETRAINING, Champion("delay", "1", 8, NOW), {"difference": 0.1}, spec_of(), NOW),
        asked_of(Retraining(**{**vars(RETRAINING), "challenger": "3"}), CHAMPION, {"difference": 0.1}, spec_of(), NOW),
    ]
    assert len({first.evidence, *(other.evidence for other in others)}) == 4
    assert asked_of(RETRAINING, CHAMPION, {"difference": 0.1}, spec_of(), NOW + timedelta(days=1)).evidence == first.evidence


def test_without_a_challenger_nothing_is_asked() -> None:
    with pytest.raises(NotAllowed, match="has no challenger yet"):
        asked_of(Retraining(**{**vars(RETRAINING), "challenger": None}), CHAMPION, {}, spec_of(), NOW)


def test_approvers_are_those_of_the_specification_or_everybody() -> None:
    require_may_answer(spec_of(), "anybody", "why not")
    named = spec_of(comparison={"approvers": ["ada", "grace"]})
    require_may_answer(named, "grace", "looks right")
    with pytest.raises(NotAllowed, match=r"bob may not approve or reject challengers of delay; comparison.approvers are: ada, grace"):
        require_may_answer(named, "bob", "looks right")


def test_an_answer_needs_a_reason() -> None:
    with pytest.raises(NotAllowed, match="needs a reason"):
        require_may_answer(spec_of(), "ada", "  ")
