"""What follows from a comparison under the specification's promotion policy: the next state of the retraining, and why."""

from __future__ import annotations

from vigil.challenger.compare import Comparison
from vigil.challenger.criteria import CANARY
from vigil.spec.model import ModelSpec
from vigil.store.records import RetrainingState


def next_state(comparison: Comparison, spec: ModelSpec) -> RetrainingState:
    """Return ``PROMOTED`` or ``WAITING`` for a challenger that won (by ``comparison.promotion``), ``KEPT`` for any other.

    With ``comparison.canary.share`` one that won serves a share first, as ``CANARY``; how it did there is then one of its criteria.

    With ``comparison.shadow_windows`` one that had too few labels to be compared goes on as ``SHADOW``.
    """
    if comparison.verdict == "not_enough_data" and spec.comparison.shadow_windows:
        return RetrainingState.SHADOW
    if comparison.verdict != "promote":
        return RetrainingState.KEPT
    if spec.comparison.canary.share and not any(each.name == CANARY for each in comparison.criteria):
        return RetrainingState.CANARY
    return RetrainingState.PROMOTED if spec.comparison.promotion == "automatic" else RetrainingState.WAITING
