"""Gate 3: harm that begins with a release, and with nothing else, rolls it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.decision.test_ladder import a_spec, evidence
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Evidence
from vigil.decision.words import explain


def released(drifts: str, performances: str, *, weeks: int) -> Evidence:
    """Version 1 serves since so many weeks, version 0 served before."""
    found = evidence(drifts, performances)
    return replace(found, history=tuple(replace(past, version="1" if i < weeks - 1 else "0") for i, past in enumerate(found.history)))


@pytest.mark.parametrize(
    ("drifts", "performances", "weeks", "action"),
    [
        ("......", "xx....", 2, Action.ROLLBACK),  # bad from its first week on
        ("......", "xx....", 1, Action.HOLD),  # one week is not enough
        ("......", "xx....", 3, Action.RETRAIN),  # its first week was good: not the release
        ("......", "xxxxxx", 2, Action.RETRAIN),  # the version before was bad already
        ("x.....", "xx....", 2, Action.RETRAIN),  # the inputs changed as well
        ("..xxxx", "xx....", 2, Action.ROLLBACK),  # before the release they may have
        ("......", "ww....", 2, Action.HOLD),  # not confirmed
        ("......", "......", 2, Action.HOLD),  # sound
        ("..", "xx", 2, Action.RETRAIN),  # there was no version before
        ("..????", "xx????", 2, Action.RETRAIN),  # of the version before nothing is known: no trigger
    ],
)
def test_only_harm_that_begins_with_a_release_rolls_back(drifts: str, performances: str, weeks: int, action: Action) -> None:
    assert decide(released(drifts, performances, weeks=weeks), a_spec()).action is action


def test_a_version_that_served_long_ago_as_well_begins_where_it_serves_now() -> None:
    """After a rollback version 1 serves again: its weeks before version 0 are no part of its release."""
    found = evidence("......", "xx....")
    versions = ("1", "0", "0", "1", "1")
    history = tuple(replace(past, version=version) for past, version in zip(found.history, versions, strict=True))
    assert decide(replace(found, history=history), a_spec()).gates[2].numbers["began"] == "2013-03-29"


def test_the_operator_is_told_what_to_do() -> None:
    """Nothing rolls back by itself, so the decision says how."""
    explanation = explain(decide(released("......", "xx....", weeks=2), a_spec()))
    assert explanation.headline.startswith("m, 2013-04-05 to 2013-04-12: Roll back the release. The release of version 1 is at fault")
    assert "`vigil rollback m 0 --reason ...`" in explanation.headline
    assert "the same loss under version 0" in explanation.would_have_changed
