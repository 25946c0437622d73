"""Show operators what was decided, as Prefect artifacts; one artifact per model, with its history."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from vigil.decision.markdown import decision_markdown, retraining_markdown
from vigil.decision.types import Decision
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def publish_decision(project: str, decision: Decision) -> dict[str, Any]:
    store = Workspace.open(project, decision.model).store
    ids = [decision.evaluation_id]
    measurements = store.measurements(ids).get(decision.evaluation_id, ())
    markdown = decision_markdown(decision, measurements, store.reports(ids).get(decision.evaluation_id, {}))
    create_markdown_artifact(markdown, key=_key("decision", decision.model), description=decision.reason)
    return {
        "model": decision.model,
        "window_start": decision.window.start.isoformat(),
        "window_end": decision.window.end.isoformat(),
        "action": decision.action.value,
        "reason": decision.reason,
        "decision_id": decision.decision_id,
        "evaluation_id": decision.evaluation_id,
        "version": decision.version,
    }


@task(cache_policy=NO_CACHE)
def publish_retraining(project: str, decision_id: str) -> dict[str, Any]:
    work, decision = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    markdown = retraining_markdown(retraining, decision)
    create_markdown_artifact(markdown, key=_key("retraining", retraining.model), description=retraining.reason)
    return {
        "decision_id": decision_id,
        "model": retraining.model,
        "state": retraining.state.value,
        "champion": retraining.champion,
        "challenger": retraining.challenger,
        "reason": retraining.reason,
    }


def _key(kind: str, model: str) -> str:
    """Prefect's artifact keys hold lower-case letters, digits and dashes."""
    return f"{kind}-{model}".replace("_", "-")
