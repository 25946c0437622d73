"""Let challengers in shadow score a window beside the champion, and settle those whose comparison has."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.promotion import settled
from tasks.registry import Registry
from tasks.retraining import ACROSS_A_NETWORK
from vigil.challenger.compare import ComparisonVerdict
from vigil.challenger.shadow import compare_in_shadow
from vigil.evaluation.look import Look
from vigil.store.records import RetrainingState
from vigil.window import moment_or_now
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def compare_shadows(project: str, look: Look, as_of: str | None = None) -> None:
    work = Workspace.open(project, look.model)
    for retraining in work.store.retrainings(look.model):
        decision = work.store.decision(retraining.decision_id)
        if retraining.state is not RetrainingState.SHADOW or retraining.challenger is None or decision is None:
            continue
        registry = Registry(work.project)
        models = (registry.load_model(look.model, version) for version in (retraining.champion, retraining.challenger))
        comparison = compare_in_shadow(work, decision, look, *models)
        if comparison is not None and comparison.verdict is not ComparisonVerdict.NOT_ENOUGH_DATA:
            settled(work, retraining, comparison, moment_or_now(as_of))
