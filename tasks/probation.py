"""Hold a promoted version to its promise while it is on probation, and bring the replaced one back where the specification says so."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.promotion import move_champion
from tasks.registry import Registry
from tasks.retraining import ACROSS_A_NETWORK
from vigil.challenger.probation import broken_promise, measure_probation, probation_of
from vigil.evaluation.look import Look
from vigil.measurement import Measurement
from vigil.store.records import Promotion, PromotionKind
from vigil.window import moment_or_now
from vigil.workspace import Workspace

PROBATION_POLICY = "policy: comparison.probation.rollback"  # who rolled back, where no person did


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def measure_promise(project: str, look: Look) -> tuple[Measurement, ...]:
    work = Workspace.open(project, look.model)
    probation = probation_of(work.store, work.spec, look)
    if probation is None:
        return ()
    replaced = Registry(work.project).load_model(look.model, probation.replaced)
    return (measure_probation(work, look, probation, replaced),)


@task(cache_policy=NO_CACHE)
def end_probation(project: str, look: Look, as_of: str | None = None) -> Promotion | None:
    work = Workspace.open(project, look.model)
    found = broken_promise(work.store, work.spec, look)
    if found is None:
        return None
    version, reason = found
    kind = PromotionKind.ROLLED_BACK
    return move_champion(work, version, kind=kind, by=PROBATION_POLICY, reason=reason, at=moment_or_now(as_of), decision_id=None)
