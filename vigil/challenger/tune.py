"""Propose a policy from the past: chosen by the first two thirds of the windows, shown beside the present one on the third held back.

Differs from :mod:`vigil.challenger.backtest`, which plays one policy beside simple ones. Few alternatives are tried, each one change away
from the present policy: many would find one that fits the past by chance. What it cannot see is what a back-test cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vigil.challenger.backtest import History, Outcome, deciding, outcome_of, play
from vigil.spec.model import ModelSpec, Policy

HELD_BACK = 3  # one in so many windows, the latest
PRESENT = "as it is"


@dataclass(frozen=True)
class Tried:
    """One policy: what is changed in it, what came of it in the windows that chose, and in those held back where it was played there."""

    change: str
    policy: Policy
    chosen_by: Outcome
    held_back: Outcome | None


def alternatives(policy: Policy) -> dict[str, Policy]:
    """Return the present policy and those one change away from it, by what is changed as it would be written.

    The budget of false alarms and the cool-down are halved and doubled twice over; what is on is switched off, and the other way round.
    """
    changes: list[tuple[str, object]] = [("false_alarms_per_year", min(policy.false_alarms_per_year * by, 52.0)) for by in (0.25, 4.0)]
    changes += [("cool_down_windows", value) for value in (policy.cool_down_windows // 2, policy.cool_down_windows * 2)]
    changes += [("retrain_on_drift_alone", not policy.retrain_on_drift_alone)]
    found = {PRESENT: policy}
    for key, value in changes:
        if value != getattr(policy, key):
            found[f"{key}: {str(value).lower() if isinstance(value, bool) else format(value, 'g')}"] = policy.model_copy(
                update={key: value}
            )
    if policy.economics is not None:
        rule = "harm" if policy.economics.rule == "break_even" else "break_even"
        found[f"economics.rule: {rule}"] = policy.model_copy(update={"economics": policy.economics.model_copy(update={"rule": rule})})
    return found


def tune(history: History, spec: ModelSpec, *, cost: float, tell: Callable[[str], None]) -> tuple[Tried, ...]:
    """Return the policies tried, the present one first, and the proposed one played on the windows held back too.

    Proposed is the one with the best mean less cost of the windows that choose; the present one where none is better.

    Args:
        cost: of one retraining, as :func:`vigil.challenger.backtest.backtest`.
        tell: hears what is being played.
    """
    split = len(history.evaluations) - len(history.evaluations) // HELD_BACK
    tried = {}
    for change, policy in alternatives(spec.policy).items():
        tell(change)
        tried[change] = _played(history, spec, change, policy, cost, until=split)
    proposed = best(tried, larger_is_better=spec.performance.metric.larger_is_better)
    found = []
    for change, policy in alternatives(spec.policy).items():
        later = _played(history, spec, change, policy, cost, since=split) if change in (PRESENT, proposed) else None
        found.append(Tried(change, policy, tried[change], later))
    return tuple(found)


def best(tried: dict[str, Outcome], *, larger_is_better: bool) -> str:
    """Return the change with the best total; the earliest of equal ones."""
    sign = 1 if larger_is_better else -1
    totals = {change: sign * outcome.total for change, outcome in tried.items() if outcome.total is not None}
    return max(totals, key=lambda change: totals[change], default=PRESENT)


def _played(
    history: History, spec: ModelSpec, change: str, policy: Policy, cost: float, *, until: int | None = None, since: int = 0
) -> Outcome:
    tried = spec.model_copy(update={"policy": policy})
    retrained, promoted, served = play(history, tried, deciding(history, tried), until=until)
    return outcome_of(history, tried, change, served, retrained, promoted, cost, since=since)
