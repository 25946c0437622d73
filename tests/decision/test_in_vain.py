"""A baseline is itself measured, and a challenger that was no better is evidence: what both change in decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.decision.test_ladder import WEEK, a_spec, evidence
from vigil.decision.confirmation import confirm
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Evidence, PastGain, PastWindow
from vigil.decision.words import explain
from vigil.performance.baseline import BASELINE_WINDOWS, UNBEATEN


def resting_on(found: Evidence, windows: float, *, unbeaten: bool = False) -> Evidence:
    """The same windows, judged by a baseline of so many windows."""

    def known(past: PastWindow) -> PastWindow:
        assert past.performance is not None
        return replace(past, performance=replace(past.performance, detail={BASELINE_WINDOWS: windows, UNBEATEN: unbeaten}))

    return replace(found, current=known(found.current), history=tuple(known(past) for past in found.history))


def at(value: float, past: PastWindow) -> PastWindow:
    assert past.performance is not None
    return replace(past, performance=replace(past.performance, value=value, low=value - 0.02, high=value + 0.02))


def after(*gains: float, since: int, found: Evidence | None = None) -> Evidence:
    """Retrainings that brought so much, the last one decided so many windows ago; drift for three weeks."""
    past = tuple(PastGain(f"d{i}", gain) for i, gain in enumerate(gains))
    return replace(found or evidence("xxx"), gains=past, last_retraining=f"d{len(gains) - 1}", windows_since_retraining=since)


@pytest.mark.parametrize(("windows", "action"), [(2, Action.HOLD), (8, Action.RETRAIN)])
def test_the_fewer_windows_the_baseline_is_of_the_less_is_confirmed_against_it(windows: float, action: Action) -> None:
    """Six weeks of an AUC of .6 against a limit of .66; with a baseline of two weeks that may be because those were lucky."""
    found = resting_on(evidence("......", "xxxxxx"), windows)
    decision = decide(replace(found, current=at(0.6, found.current), history=tuple(at(0.6, past) for past in found.history)), a_spec())
    assert decision.action is action
    assert f"the limit is 0.66 (its baseline is of {windows} windows)" in decision.reason


def test_sound_windows_of_its_own_make_a_baseline_better_known() -> None:
    """The same three bad weeks after ten sound ones."""
    assert decide(resting_on(evidence("." * 13, "xxx" + "." * 10), 2), a_spec()).action is Action.RETRAIN


def test_a_baseline_of_which_nothing_is_known_is_taken_as_exact() -> None:
    found = confirm(evidence("...", "xxx"), a_spec())
    assert (found.confirmed, found.baseline_windows, found.unbeaten) == (True, None, None)


@pytest.mark.parametrize(
    ("gains", "since", "action"),
    [
        ((0.02,), 4, Action.RETRAIN),  # it brought something: the cool-down of four windows
        ((0.0,), 4, Action.HOLD),
        ((0.0,), 7, Action.HOLD),
        ((0.0,), 8, Action.RETRAIN),  # doubled once
        ((0.0, -0.01), 15, Action.HOLD),
        ((0.0, -0.01), 16, Action.RETRAIN),  # and twice: a promotion that turned out a loss was in vain too
        ((0.0, 0.03, 0.0), 8, Action.RETRAIN),  # only those in a row
    ],
)
def test_each_retraining_in_vain_doubles_the_wait(gains: tuple[float, ...], since: int, action: Action) -> None:
    assert decide(after(*gains, since=since), a_spec(cool_down_windows=4)).action is action


def test_how_long_it_waits_is_said() -> None:
    decision = decide(after(0.0, 0.0, since=5), a_spec(cool_down_windows=4))
    assert decision.reason == (
        "The last retraining was decided 5 windows ago and the cool-down is 4; the last 2 retrainings brought nothing, so it is 16: "
        "not before the window that starts on 2013-06-21."
    )
    assert explain(decision).would_have_changed == "the end of the cool-down, 16 windows after the last retraining decision."
    assert "; it brought nothing, so it is 8" in decide(after(0.0, since=5), a_spec(cool_down_windows=4)).reason


def test_a_retraining_of_which_nothing_is_known_does_not_lengthen_the_wait() -> None:
    """The last one failed: it is not among the gains, whatever those before it brought."""
    failed = replace(after(0.0, 0.0, since=4), last_retraining="d9")
    assert decide(failed, a_spec(cool_down_windows=4)).action is Action.RETRAIN


def test_no_cool_down_stays_none() -> None:
    assert decide(after(0.0, 0.0, since=1), a_spec(cool_down_windows=0)).action is Action.RETRAIN


@pytest.mark.parametrize(("unbeaten", "action"), [(True, Action.RETRAIN), (False, Action.HOLD)])
def test_a_new_loss_waits_no_longer_than_the_first(unbeaten: bool, action: Action) -> None:
    """Harm is confirmed against what the version could do when the challenger was no better; against the old limit it is the old loss."""
    bad = resting_on(evidence("xxxxx", "xxxxx"), 20, unbeaten=unbeaten)
    found = after(0.0, since=5, found=bad)
    assert confirm(found, a_spec()).confirmed
    assert decide(found, a_spec(cool_down_windows=4)).action is action


def test_windows_of_the_version_among_its_baseline_are_said() -> None:
    decision = decide(after(0.0, since=5, found=resting_on(evidence("xxxxx", "xxxxx"), 20, unbeaten=True)), a_spec(cool_down_windows=4))
    assert "(its baseline is of 20 windows, among them its own, for a challenger was no better)" in decision.reason
    assert decision.window == WEEK
