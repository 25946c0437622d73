"""Measure what promotions brought, once their horizon is over."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from tasks.registry import Registry
from vigil.challenger.payoff import due_payoffs, measure_payoff
from vigil.errors import VigilError
from vigil.evaluation.look import Look
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def measure_payoffs(project: str, look: Look) -> int:
    """Measure those that are due as of the look. One that cannot be measured now (the registry is away) holds nothing up and stays due."""
    work, kept = Workspace.open(project, look.model), 0
    for retraining, decision in due_payoffs(work, look.as_of):
        try:
            registry = Registry(work.project)
            replaced, promoted = (registry.load_model(look.model, str(v)) for v in (retraining.champion, retraining.challenger))
            kept += work.store.save_payoff(measure_payoff(work, retraining, decision, replaced, promoted))
        except VigilError as error:
            get_run_logger().warning("what the promotion of %s brought cannot be measured now: %s", retraining.decision_id, error)
    return kept
