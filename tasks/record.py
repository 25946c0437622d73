"""Keep an evaluation with all its measurements, together or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.evaluation.look import Look, evaluation_of
from vigil.evaluation.measure import labels_counted, quality_passed
from vigil.measurement import Measurement
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def record_evaluation(project: str, look: Look, measurements: Sequence[Measurement]) -> bool:
    work = Workspace.open(project, look.model)
    labels = labels_counted(work.source, look)
    return work.store.record_evaluation(evaluation_of(look, labels=labels, quality_passed=quality_passed(measurements)), measurements)
