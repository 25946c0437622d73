"""The steps of a retraining: open it, train and register its challenger, compare. Each looks first whether it was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.promotion import move_champion
from tasks.registry import ADOPTED, CHALLENGER, Candidate, Registry
from vigil import __version__
from vigil.challenger import shapley
from vigil.challenger.attempts import make_recorded
from vigil.challenger.compare import Comparison
from vigil.challenger.make import Made, compare_with_champion, make_first
from vigil.challenger.trainer import TrainerProcess
from vigil.decision.pending import unfinished
from vigil.decision.types import Action, Decision
from vigil.errors import ChampionNotFound, NotEnoughData, RegistryError, TrainingFailed
from vigil.measurement import WHOLE
from vigil.project import Project
from vigil.store.records import PromotionKind, Retraining, RetrainingState, Version
from vigil.window import moment_or_now
from vigil.workspace import Workspace


def is_registry_fault(task: Any, run: Any, state: Any) -> bool:
    """Tell whether a task failed because the registry could not be reached: the one fault that waiting may cure."""
    return isinstance(state.result(raise_on_failure=False), RegistryError)


# the registry may be a server across a network
ACROSS_A_NETWORK: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [2, 10], "retry_condition_fn": is_registry_fault}


@task(cache_policy=NO_CACHE)
def list_unfinished(project: str, model: str) -> tuple[Decision, ...]:
    store = Project.open(project).store()
    return unfinished(store.decisions(model), store.retrainings(model))


@task(cache_policy=NO_CACHE)
def hand_over(project: str, decision: Decision) -> bool:
    """Start the retraining as a deployment run of its own where this run is one; False where the caller is to run it.

    A decision has one run that is scheduled or under way: the same key names the same run. Where that one has ended and left the
    retraining unfinished (it failed, or was cancelled), the next key names the next attempt.
    """
    from prefect.deployments import run_deployment
    from prefect.runtime import deployment

    if deployment.id is None:
        return False
    for attempt in count(1):
        run: Any = run_deployment(
            "retrain/retrain",
            parameters={"project": project, "decision_id": decision.decision_id},
            idempotency_key=decision.decision_id if attempt == 1 else f"{decision.decision_id}, attempt {attempt}",
            timeout=0,
            as_subflow=False,
        )
        if not run.state.is_final():
            break
    return True


@task(cache_policy=NO_CACHE)
def open_retraining(project: str, decision_id: str, as_of: str | None = None) -> Retraining:
    work, decision = Workspace.of_decision(project, decision_id)
    champion = work.store.champion(decision.model)
    if champion is None:
        raise ChampionNotFound(f"{decision.model} has no champion to challenge; run `vigil adopt {decision.model}`")
    work.store.request_retraining(decision_id, model=decision.model, champion=champion.version, at=moment_or_now(as_of))
    return work.retraining(decision_id)


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def train_challenger(project: str, decision_id: str, as_of: str | None = None) -> Retraining:
    work, decision = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    if retraining.state is not RetrainingState.REQUESTED:
        return retraining
    try:
        champion = _to_recalibrate(work, decision, retraining)
        made = make_recorded(work, decision, moment_or_now(as_of), champion, meanwhile=lambda: make_ready(work.project))
        version = register(work, made, decision_id=decision_id, parent=retraining.champion, at=moment_or_now(as_of))
    except (NotEnoughData, TrainingFailed) as error:
        return work.store.advance_retraining(decision_id, RetrainingState.FAILED, at=moment_or_now(as_of), reason=str(error))
    Registry(work.project).set_alias(decision.model, CHALLENGER, version)
    return work.store.advance_retraining(decision_id, RetrainingState.REGISTERED, at=moment_or_now(as_of), challenger=version)


def _to_recalibrate(work: Workspace, decision: Decision, retraining: Retraining) -> Any:
    """The champion of a RECALIBRATE decision, which its challenger is made around; of any other nothing is loaded."""
    if decision.action is not Action.RECALIBRATE:
        return None
    return Registry(work.project).load_model(decision.model, retraining.champion)


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def compare_challenger(project: str, decision_id: str) -> Comparison | None:
    work, decision = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    if retraining.state is not RetrainingState.REGISTERED or retraining.challenger is None:
        return None
    registry = Registry(work.project)
    champion = registry.load_model(decision.model, retraining.champion)
    challenger = registry.load_model(decision.model, retraining.challenger)
    return compare_with_champion(work, decision, champion, challenger)


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def adopt_first_version(project: str, model: str, by: str, as_of: str | None = None) -> str:
    work = Workspace.open(project, model)
    champion = work.store.champion(model)
    if champion is not None:
        return champion.version
    with TrainerProcess(work.project.folder, work.spec, meanwhile=lambda: make_ready(work.project)) as trainer:
        made = make_first(work, trainer)
    version = register(work, replace(made, output=trainer.output), decision_id=None, parent=None, at=moment_or_now(as_of))
    move_champion(work, version, kind=PromotionKind.ADOPTED, by=by, reason="the first version", at=moment_or_now(as_of), decision_id=None)
    return version


def make_ready(project: Project) -> None:
    """Import, open and read what measuring and registering a first model in a process needs, for while that is trained in another."""
    import sklearn.inspection  # noqa: F401 - by which the importance of features is measured

    if shapley.is_installed():
        import shap  # noqa: F401
    Registry(project).rehearse()


def register(work: Workspace, made: Made, *, decision_id: str | None, parent: str | None, at: datetime) -> str:
    """Register what was made in MLflow, then in the store; both find what an earlier attempt left."""
    spec = work.spec
    metric = spec.performance.metric.value
    candidate = Candidate(
        model=made.model,
        decision_id=decision_id or ADOPTED,
        example=made.rows,
        training_digest=made.digest,
        lineage=made.lineage,
        metrics={**_metrics(made), f"holdout_{metric}": made.baseline, "training_rows": float(len(made.rows))},
        importance=made.importance,
        layout=made.layout,
        profile=made.profile,
        baseline=made.baseline,
        parent=parent,
        code_version=__version__,
        searched=made.searched,
        output=made.output,
    )
    version = Registry(work.project).register(spec, candidate)
    if work.store.version(spec.model, version) is None:
        work.store.save_version(
            Version(
                model=spec.model,
                version=version,
                registered_at=at,
                spec_hash=spec.hash,
                metric=metric,
                baseline=made.baseline,
                importance=made.importance,
                training={**made.lineage, **made.held_out, "training_digest": made.digest},
                layout=made.layout,
                profile=made.profile,
                decision_id=decision_id,
                parent=parent,
            )
        )
    return version


def _metrics(made: Made) -> dict[str, float]:
    """What was measured on all held-out rows, each with the ends of its interval, by the names that MLflow shows."""
    whole = [each for each in made.held_out["measured"] if each["subject"] == WHOLE and each["value"] is not None]
    ends = {"value": "", "low": "_low", "high": "_high"}
    return {f"holdout_{each['metric']}{ending}": each[name] for each in whole for name, ending in ends.items()}
