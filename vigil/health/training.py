"""How reliably challengers are trained: the share of attempts that ended with a model.

Differs from :mod:`vigil.health.measure`, which measures serving, from the prediction log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vigil.errors import TrainingOutcome
from vigil.health.pipeline import verdict_of
from vigil.measurement import Layer, Measurement
from vigil.performance.intervals import wilson_interval
from vigil.spec.model import ModelSpec
from vigil.store.records import TrainingAttempt

TRAINING_SUCCESS_RATE = "training_success_rate"
LATEST = 20  # attempts that count; convention


def measure_training(attempts: Sequence[TrainingAttempt], spec: ModelSpec, as_of: datetime) -> tuple[Measurement, ...]:
    """Measure ``training_success_rate`` over the latest 20 attempts made by ``as_of``, in order. Nothing where there is none.

    In [0, 1], larger is better, with Wilson's interval. Judged against ``spec.health.pipeline.training_success_rate`` as runs are.
    ``detail`` counts the attempts by how they ended.
    """
    known = [attempt for attempt in attempts if attempt.at <= as_of][-LATEST:]
    if not known:
        return ()
    ended = [attempt.outcome for attempt in known]
    rate = ended.count(TrainingOutcome.TRAINED) / len(ended)
    low, high = wilson_interval(rate, len(ended), len(ended), spec.performance.confidence)
    limit = spec.health.pipeline.training_success_rate
    counts = {outcome.value: ended.count(outcome) for outcome in TrainingOutcome if outcome in ended}
    return (
        Measurement(
            Layer.SYSTEM,
            TRAINING_SUCCESS_RATE,
            rate,
            verdict_of(rate, len(ended) - ended.count(TrainingOutcome.TRAINED), limit),
            len(ended),
            low=min(low, rate),
            high=max(high, rate),
            threshold=limit,
            detail={"outcomes": counts},
        ),
    )
