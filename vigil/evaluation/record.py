"""Keep an evaluation, where two runs of the same look may have been told different things by a system outside.

Differs from :meth:`vigil.store.contract.Store.record_evaluation`, for which the same evaluation has the same measurements: what is read
from the log has; what Prometheus answers may have come to one run and not to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from vigil.errors import Conflict
from vigil.measurement import Layer, Measurement
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Evaluation


def record(store: Store, spec: ModelSpec, evaluation: Evaluation, measurements: Sequence[Measurement]) -> bool:
    """Keep an evaluation with its measurements; False where it is there, also with other answers to ``health.queries``: the first stay.

    Raises:
        Conflict: it is there with other measurements of the log.
    """
    try:
        return store.record_evaluation(evaluation, measurements)
    except Conflict:
        stored = store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id]
        if not spec.health.queries or _of_the_log(stored, spec) != _of_the_log(measurements, spec):
            raise
        return False


def _of_the_log(measurements: Sequence[Measurement], spec: ModelSpec) -> list[Measurement]:
    own = [each for each in measurements if each.layer is not Layer.SYSTEM or each.metric not in spec.health.queries]
    return sorted(own, key=lambda each: each.key)
