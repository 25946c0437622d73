"""Shadow: a challenger with too few labels to be compared scores each new window beside the champion, until the comparison settles.

Differs from :mod:`vigil.challenger.make`, which compares once, on the windows kept from training: here those that came since count too.
Looking again after each window keeps the error rate, because the confidence is held for all looks together (Bonferroni).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vigil.challenger.compare import Comparison, ComparisonVerdict
from vigil.challenger.make import compare_on, plan_of
from vigil.decision.types import Decision
from vigil.evaluation.look import Look
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.window import Window
from vigil.workspace import Workspace


def windows_since(store: Store, spec: ModelSpec, decision: Decision, look: Look) -> tuple[Window, ...]:
    """Return the sound windows after the decision's, up to the looked-at one: each is one look of the shadow."""
    found = store.evaluations(spec.model, start=decision.window.end, end=look.window.end, as_of=look.as_of)
    anomalies = spec.policy.anomalies
    return tuple(each.window for each in found if each.quality_passed and not any(a.overlaps(each.window) for a in anomalies))


def compare_in_shadow(work: Workspace, decision: Decision, look: Look, champion: Any, challenger: Any) -> Comparison | None:
    """Compare on the windows kept from training and all sound ones since; None where no window came since.

    The verdict is ``promote`` where the challenger is better at the confidence of one look of ``comparison.shadow_windows``, ``keep`` where
    it is worse at that confidence or this was the last look, and else ``not_enough_data``: the shadow goes on.
    """
    spec = work.spec
    since = windows_since(work.store, spec, decision, look)
    if not since:
        return None
    looks = max(spec.comparison.shadow_windows, 1)
    together = 1 - (1 - spec.comparison.confidence) / looks
    held = replace(work, spec=spec.model_copy(update={"comparison": spec.comparison.model_copy(update={"confidence": together})}))
    found = compare_on(held, (*plan_of(work, decision).holdout, *since), look.as_of, champion, challenger)
    if found.verdict is ComparisonVerdict.PROMOTE or (found.high is not None and found.high < 0):
        return found
    return replace(found, verdict=ComparisonVerdict.KEEP if len(since) >= looks else ComparisonVerdict.NOT_ENOUGH_DATA)
