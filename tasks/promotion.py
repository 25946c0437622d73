"""Moves of the champion: one compare-and-set in the store, which is the truth, then the MLflow alias, which follows it."""

from __future__ import annotations

from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.registry import Registry
from vigil.challenger.compare import Comparison
from vigil.challenger.verdict import next_state
from vigil.errors import Conflict, NotAllowed, StoreError
from vigil.store.records import Promotion, PromotionKind, Retraining, RetrainingState
from vigil.window import moment_or_now
from vigil.workspace import Workspace

POLICY = "policy: comparison.promotion is automatic"  # who promoted, where no person did


@task(cache_policy=NO_CACHE)
def settle(project: str, decision_id: str, comparison: Comparison | None, as_of: str | None = None) -> Retraining:
    work, _ = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    if comparison is None or retraining.state is not RetrainingState.REGISTERED:
        return retraining
    state, at, found = next_state(comparison, work.spec), moment_or_now(as_of), comparison.to_json()
    if state is RetrainingState.PROMOTED:
        return promote(work, retraining, by=POLICY, reason=comparison.sentence(), at=at, comparison=found)
    return work.store.advance_retraining(decision_id, state, at=at, comparison=found, reason=comparison.sentence())


@task(cache_policy=NO_CACHE)
def approve_challenger(project: str, decision_id: str, by: str, reason: str, as_of: str | None = None) -> Retraining:
    work, _ = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    if retraining.state not in (RetrainingState.WAITING, RetrainingState.PROMOTED):
        raise NotAllowed(
            f"the challenger of {decision_id} does not wait for approval: its state is {retraining.state}. {retraining.reason}"
        )
    return promote(work, retraining, by=by, reason=reason, at=moment_or_now(as_of))


@task(cache_policy=NO_CACHE)
def reject_challenger(project: str, decision_id: str, by: str, reason: str, as_of: str | None = None) -> Retraining:
    work, _ = Workspace.of_decision(project, decision_id)
    return work.store.advance_retraining(decision_id, RetrainingState.REJECTED, at=moment_or_now(as_of), by=by, reason=reason)


@task(cache_policy=NO_CACHE)
def roll_back(project: str, model: str, version: str, by: str, reason: str, as_of: str | None = None) -> Promotion:
    work = Workspace.open(project, model)
    if work.store.version(model, version) is None:
        known = ", ".join(found.version for found in work.store.versions(model)) or "none"
        raise StoreError(f"{model} has no version {version!r}; its versions are: {known}")
    champion = work.store.champion(model)
    if champion is not None and champion.version == version:
        return work.store.promotions(model)[-1]
    return move_champion(work, version, kind=PromotionKind.ROLLED_BACK, by=by, reason=reason, at=moment_or_now(as_of), decision_id=None)


@task(cache_policy=NO_CACHE)
def reconcile_alias(project: str, model: str) -> bool:
    work = Workspace.open(project, model)
    champion = work.store.champion(model)
    return champion is not None and Registry(work.project).reconcile_alias(model, champion.version)


def promote(
    work: Workspace, retraining: Retraining, *, by: str, reason: str, at: datetime, comparison: dict[str, object] | None = None
) -> Retraining:
    """Make the challenger champion, once: the move, the alias and the retraining's state each find what was done before.

    Raises:
        Conflict: another version became champion since the comparison was made.
    """
    if retraining.challenger is None:
        raise NotAllowed(f"the retraining of {retraining.decision_id} has no challenger yet")
    champion = work.store.champion(retraining.model)
    if champion is not None and champion.version not in (retraining.champion, retraining.challenger):
        raise Conflict(
            f"{retraining.model}: version {retraining.challenger} was compared with version {retraining.champion}, "
            f"but version {champion.version} is champion now; retrain against it, or reject this one"
        )
    move_champion(work, retraining.challenger, kind=PromotionKind.PROMOTED, by=by, reason=reason, at=at, decision_id=retraining.decision_id)
    return work.store.advance_retraining(
        retraining.decision_id, RetrainingState.PROMOTED, at=at, comparison=comparison, by=by, reason=reason
    )


def move_champion(
    work: Workspace, version: str, *, kind: PromotionKind, by: str, reason: str, at: datetime, decision_id: str | None
) -> Promotion:
    """Move the champion in the store, then the alias of the registry."""
    champion = work.store.champion(work.spec.model)
    promotion = work.store.move_champion(
        work.spec.model,
        version,
        expected_token=champion.token if champion is not None else 0,
        kind=kind,
        by=by,
        reason=reason,
        at=at,
        decision_id=decision_id,
    )
    Registry(work.project).reconcile_alias(work.spec.model, version)
    return promotion
