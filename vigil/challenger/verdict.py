"""What follows from a comparison under the specification's promotion policy: the next state of the retraining, and why."""

from __future__ import annotations

from vigil.challenger.compare import Comparison
from vigil.spec.model import ModelSpec
from vigil.store.records import RetrainingState


def next_state(comparison: Comparison, spec: ModelSpec) -> RetrainingState:
    """Return ``PROMOTED`` or ``WAITING`` for a challenger that won (by ``comparison.promotion``), ``KEPT`` for any other.

    With ``comparison.shadow_windows`` one that had too few labels to be compared goes on as ``SHADOW``.
    """
    if comparison.verdict == "not_enough_data" and spec.comparison.shadow_windows:
        return RetrainingState.SHADOW
    if comparison.verdict != "promote":
        return RetrainingState.KEPT
    return RetrainingState.PROMOTED if spec.comparison.promotion == "automatic" else RetrainingState.WAITING
