"""Shadow: a challenger with too few labels to be compared scores each new window beside the champion, until the comparison settles.

Differs from :mod:`vigil.challenger.make`, which compares once, on the windows kept from training: here those that came since count too;
and from :mod:`vigil.challenger.canary`, where the challenger serves. Looking again after each window keeps the error rate: a window is
looked at once (:class:`vigil.store.records.ChallengerLook`), and the confidence is held for all looks together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vigil.challenger.compare import Comparison, ComparisonVerdict
from vigil.challenger.fit import score
from vigil.challenger.make import compare_on, labelled_by, plan_of
from vigil.challenger.rows import LABEL, WEIGHT, labelled_rows
from vigil.decision.types import Decision
from vigil.errors import NotEnoughData
from vigil.evaluation.look import Look
from vigil.performance.metrics import value_of
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import ChallengerLook, LookKind
from vigil.window import Window
from vigil.workspace import Workspace


def windows_since(store: Store, spec: ModelSpec, decision: Decision, look: Look) -> tuple[Window, ...]:
    """Return the sound windows after the decision's, up to the looked-at one: each is one look of the shadow."""
    found = history_of(store, spec, start=decision.window.end, end=look.window.end, as_of=look.as_of)
    anomalies = spec.policy.anomalies
    return tuple(each.window for each in found if each.quality_passed and not any(a.overlaps(each.window) for a in anomalies))


def held_for(spec: ModelSpec, looks: int) -> ModelSpec:
    """Return the specification with a confidence that holds for so many looks together (Bonferroni)."""
    together = 1 - (1 - spec.comparison.confidence) / max(looks, 1)
    return spec.model_copy(update={"comparison": spec.comparison.model_copy(update={"confidence": together})})


def concluded(found: Comparison, *, last: bool) -> Comparison:
    """Return the comparison with the verdict of one look: better or worse settles it, and so does the last look; else it goes on."""
    if found.verdict is ComparisonVerdict.PROMOTE or (found.high is not None and found.high < 0):
        return found
    return replace(found, verdict=ComparisonVerdict.KEEP if last else ComparisonVerdict.NOT_ENOUGH_DATA)


def look_in_shadow(work: Workspace, decision: Decision, look: Look, champion: Any, challenger: Any) -> ChallengerLook | None:
    """Compare on the windows kept from training and all sound ones since; None where the looked-at one is none of these.

    The verdict is ``promote`` where the challenger is better at the confidence of one look of ``comparison.shadow_windows``, ``keep`` where
    it is worse at that confidence or this was the last look, and else ``not_enough_data``: the shadow goes on.
    """
    spec = work.spec
    since = windows_since(work.store, spec, decision, look)
    if look.window not in since:
        return None
    looks = spec.comparison.shadow_windows
    windows = (*plan_of(work, decision).holdout, *since)
    found = compare_on(replace(work, spec=held_for(spec, looks)), windows, look.as_of, champion, challenger)
    rows = labelled_rows(labelled_by(work, (look.window,), look.as_of), spec)
    label, weight = rows[LABEL].to_numpy(dtype=np.float64), rows[WEIGHT].to_numpy(dtype=np.float64)
    values: list[float | None] = []
    for model in (champion, challenger):
        try:
            values.append(value_of(spec.compared_on, score(model, rows, spec), label, weight, scoring=spec.performance.scoring))
        except NotEnoughData:
            values.append(None)
    return kept_of(LookKind.SHADOW, decision, look, values, len(rows), concluded(found, last=len(since) >= looks))


def kept_of(
    kind: LookKind, decision: Decision, look: Look, values: Sequence[float | None], n: int, comparison: Comparison
) -> ChallengerLook:
    """Return what is kept of a look; ``values`` are the champion's and the challenger's in its window alone, on ``n`` rows."""
    champion, challenger = values
    return ChallengerLook(
        decision_id=decision.decision_id,
        kind=kind,
        model=look.model,
        window=look.window,
        as_of=look.as_of,
        champion=champion,
        challenger=challenger,
        n=n,
        comparison=comparison.to_json(),
    )
