"""Let challengers on trial, in shadow or as a canary, have their look at a window, and settle those that it settles."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.promotion import settled
from tasks.publish import show_retraining
from tasks.registry import Registry
from tasks.retraining import ACROSS_A_NETWORK
from vigil.challenger.canary import look_at_canary
from vigil.challenger.compare import Comparison, ComparisonVerdict
from vigil.challenger.shadow import look_in_shadow
from vigil.decision.types import Decision
from vigil.evaluation.look import Look
from vigil.store.records import ChallengerLook, LookKind, Retraining
from vigil.window import moment_or_now
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def look_at_challengers(project: str, look: Look, as_of: str | None = None) -> None:
    work = Workspace.open(project, look.model)
    for retraining in work.store.retrainings(look.model):
        decision = work.store.decision(retraining.decision_id)
        if retraining.state.value not in {kind.value for kind in LookKind} or decision is None:
            continue
        kind = LookKind(retraining.state.value)
        if look.window not in {each.window for each in _looks(work, retraining, kind)}:  # one look a window, whatever labels come later
            found = _look(work, decision, retraining, kind, look)
            if found is not None:
                work.store.record_challenger_look(found)
        for each in _looks(work, retraining, kind):  # also one of a run that was killed before it settled
            comparison = Comparison.from_json(each.comparison)
            if comparison.verdict is not ComparisonVerdict.NOT_ENOUGH_DATA:
                show_retraining(work, settled(work, retraining, comparison, moment_or_now(as_of)))
                break


def _looks(work: Workspace, retraining: Retraining, kind: LookKind) -> list[ChallengerLook]:
    found = work.store.challenger_looks(retraining.model, decision_id=retraining.decision_id)
    return [each for each in found if each.kind is kind]


def _look(work: Workspace, decision: Decision, retraining: Retraining, kind: LookKind, look: Look) -> ChallengerLook | None:
    if kind is LookKind.CANARY:
        return look_at_canary(work, decision, retraining, look)
    registry = Registry(work.project)
    models = (registry.load_model(look.model, str(version)) for version in (retraining.champion, retraining.challenger))
    return look_in_shadow(work, decision, look, *models)
