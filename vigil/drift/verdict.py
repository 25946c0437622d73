"""From numbers to verdicts of drift. Nothing is measured here; the same numbers always give the same verdict."""

from __future__ import annotations

from vigil.measurement import Verdict


def feature_verdict(value: float, threshold: float, p_adjusted: float, false_discovery_rate: float) -> Verdict:
    """Breach only where the effect is over its threshold AND the evidence is beyond chance.

    >>> feature_verdict(0.3, 0.2, 0.5, 0.01).value  # a large value of few rows
    'ok'
    """
    beyond_chance = p_adjusted < false_discovery_rate
    return Verdict.BREACH if value > threshold and beyond_chance else Verdict.OK


def window_verdict(share: float, threshold: float) -> Verdict:
    """Breach where the weighted share of drifted features reaches the threshold (so that a threshold of 1 means all of them).

    >>> window_verdict(1.0, 1.0).value
    'breach'
    """
    return Verdict.BREACH if share >= threshold else Verdict.OK
