"""Keep an evaluation with all its measurements, together or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.evaluation.look import Look, evaluation_of
from vigil.evaluation.measure import quality_passed
from vigil.evaluation.record import record
from vigil.measurement import Measurement
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def record_evaluation(project: str, look: Look, measurements: Sequence[Measurement]) -> bool:
    work = Workspace.open(project, look.model)
    return record(work.store, work.spec, evaluation_of(look, quality_passed=quality_passed(measurements)), measurements)
