"""Moves of the champion: one compare-and-set in the store, which is the truth, then the MLflow alias, which follows it."""

from __future__ import annotations

from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.publish import show_retraining
from tasks.registry import CHAMPION, Registry
from vigil.challenger.approval import asked_of, require_may_answer
from vigil.challenger.compare import Comparison
from vigil.challenger.rollback import rollback_target
from vigil.challenger.verdict import next_state
from vigil.errors import Conflict, NotAllowed, RegistryError
from vigil.store.records import Promotion, PromotionKind, Retraining, RetrainingState
from vigil.window import moment_or_now
from vigil.workspace import Workspace

PAST_VIGIL = "MLflow"  # who promoted, where vigil was not asked
POLICY = "policy: comparison.promotion is automatic"  # who promoted, where no person did


@task(cache_policy=NO_CACHE)
def settle(project: str, decision_id: str, comparison: Comparison | None, as_of: str | None = None) -> Retraining:
    work, _ = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    if comparison is None or retraining.state is not RetrainingState.REGISTERED:
        return retraining
    return settled(work, retraining, comparison, moment_or_now(as_of))


@task(cache_policy=NO_CACHE)
def answer_challenger(project: str, decision_id: str, by: str, reason: str, *, approve: bool, evidence: str | None = None) -> Retraining:
    work, _ = Workspace.of_decision(project, decision_id)
    require_may_answer(work.spec, by, reason)
    now = moment_or_now(None)
    _expire(work, decision_id, now)
    retraining = work.store.answer_approval(decision_id, approve=approve, by=by, reason=reason, at=now, evidence=evidence)
    if approve:
        _let_alias_follow(work)
        _expire_all(work, now)
    return retraining


@task(cache_policy=NO_CACHE)
def expire_approvals(project: str, model: str) -> None:
    _expire_all(Workspace.open(project, model), moment_or_now(None))


@task(cache_policy=NO_CACHE)
def roll_back_champion(project: str, model: str, version: str | None, by: str, reason: str, as_of: str | None = None) -> Promotion:
    work = Workspace.open(project, model)
    trail = work.store.promotions(model)
    wanted = rollback_target(model, trail, version)
    if wanted == trail[-1].version:
        _let_alias_follow(work)  # a run that was killed may have left it behind
        return trail[-1]
    Registry(work.project).tags(model, wanted)  # raises where the registry has it no longer, before anything is moved
    return move_champion(work, wanted, kind=PromotionKind.ROLLED_BACK, by=by, reason=reason, at=moment_or_now(as_of), decision_id=None)


@task(cache_policy=NO_CACHE)
def follow_registry(project: str, model: str, as_of: str | None = None) -> Promotion | None:
    """Record a champion that somebody made past vigil, by moving the alias in MLflow: it serves, so it is what is to be watched.

    Else the alias follows the store.

    Raises:
        RegistryError: it is a version that vigil did not register, and knows no reference of.
    """
    work = Workspace.open(project, model)
    champion = work.store.champion(model)
    if champion is None:
        return None
    registry = Registry(work.project)
    version = registry.moved_by_hand(model, champion.version)
    if version is None:
        _let_alias_follow(work)
        return None
    if work.store.version(model, version) is None:
        raise RegistryError(
            f"alias {CHAMPION} of {model} was moved in MLflow to version {version}, which vigil did not register and cannot watch; the "
            f"store's champion is version {champion.version}. Move the alias back, or to one of vigil's: `vigil history {model}`"
        )
    reason = f"alias {CHAMPION} was moved in MLflow from version {champion.version} to version {version}"
    return move_champion(work, version, kind=PromotionKind.OUTSIDE, by=PAST_VIGIL, reason=reason, at=moment_or_now(as_of), decision_id=None)


def settled(work: Workspace, retraining: Retraining, comparison: Comparison, at: datetime) -> Retraining:
    """Move a retraining to where its comparison leads: promoted, waiting for a person, in shadow, or the champion stays."""
    state, found, reason = next_state(comparison, work.spec), comparison.to_json(), comparison.sentence()
    champion = work.store.champion(retraining.model)
    if champion is None or champion.version not in (retraining.champion, retraining.challenger):
        reason = f"It was compared with version {retraining.champion}, which is not champion any more. {reason}"
        return work.store.advance_retraining(retraining.decision_id, RetrainingState.KEPT, at=at, comparison=found, reason=reason)
    if state is RetrainingState.PROMOTED:
        return promote(work, retraining, by=POLICY, reason=reason, at=at, comparison=found)
    if state is RetrainingState.WAITING:
        asked = asked_of(retraining, champion, found, work.spec, moment_or_now(None))
        return work.store.ask_approval(asked, comparison=found, reason=reason, at=at)
    return work.store.advance_retraining(retraining.decision_id, state, at=at, comparison=found, reason=reason)


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


def _expire_all(work: Workspace, now: datetime) -> None:
    for retraining in work.store.retrainings(work.spec.model):
        if retraining.state is RetrainingState.WAITING:
            _expire(work, retraining.decision_id, now)


def _expire(work: Workspace, decision_id: str, now: datetime) -> None:
    """End a wait that nobody can answer any more, here and where Prefect shows it."""
    if work.store.expire_approval(decision_id, at=now):
        show_retraining(work, work.retraining(decision_id))


def move_champion(
    work: Workspace, version: str, *, kind: PromotionKind, by: str, reason: str, at: datetime, decision_id: str | None
) -> Promotion:
    """Move the champion in the store, then the alias of the registry; what waited to take its place waits no longer."""
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
    _let_alias_follow(work)
    _expire_all(work, moment_or_now(None))
    return promotion


def _let_alias_follow(work: Workspace) -> None:
    """Make the registry's alias name the store's champion, and look again: who read it before another's move may not have the last word."""
    registry, model = Registry(work.project), work.spec.model
    followed, champion = None, work.store.champion(model)
    while champion is not None and champion != followed:
        registry.reconcile_alias(model, champion.version)
        followed, champion = champion, work.store.champion(model)
