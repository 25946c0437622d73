"""Decide about an evaluated window from the store alone, and keep the decision with what it saw."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.decision.evidence import gather, noted_of
from vigil.decision.ladder import decide, decision_id_of
from vigil.decision.pending import unfinished
from vigil.decision.types import Decision
from vigil.evaluation.look import Look
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def decide_window(project: str, look: Look) -> Decision:
    work = Workspace.open(project, look.model)
    made = work.store.decision(decision_id_of(look.evaluation_id))
    if made is not None:
        return made
    project_spec = work.project.spec
    evidence = gather(work.store, work.spec, look.evaluation_id, budget=project_spec.retraining_budget, fleet=work.project.models)
    decision = decide(evidence, work.spec)
    work.store.record_decision(decision, noted_of(evidence))
    return decision


@task(cache_policy=NO_CACHE)
def find_decision(project: str, decision_id: str) -> Decision:
    return Workspace.of_decision(project, decision_id)[1]


@task(cache_policy=NO_CACHE)
def must_retrain(project: str, decision: Decision) -> bool:
    store = Workspace.open(project, decision.model).store
    due = unfinished(store.decisions(decision.model), store.retrainings(decision.model))
    return any(found.decision_id == decision.decision_id for found in due)
