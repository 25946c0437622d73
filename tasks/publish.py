"""Show operators what was decided, as Prefect artifacts; one artifact per model, with its history."""

from __future__ import annotations

from typing import Any

from prefect import get_client, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.states import Completed, State

from vigil.decision.markdown import decision_markdown, retraining_markdown
from vigil.decision.types import Decision
from vigil.store.records import Retraining, RetrainingState
from vigil.workspace import Workspace

WAITS = "waits-for-approval"  # the tag of a retraining's runs while a person is asked


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
    work, _ = Workspace.of_decision(project, decision_id)
    retraining = work.retraining(decision_id)
    show_retraining(work, retraining)
    return {
        "decision_id": decision_id,
        "model": retraining.model,
        "state": retraining.state.value,
        "champion": retraining.champion,
        "challenger": retraining.challenger,
        "reason": retraining.reason,
    }


def show_retraining(work: Workspace, retraining: Retraining) -> None:
    """Write the retraining's artifact, and mark its runs by how it stands: a person finds what waits by its tag and its state."""
    decision = work.store.decision(retraining.decision_id)
    assert decision is not None  # a retraining is of one
    looks = work.store.challenger_looks(retraining.model, decision_id=retraining.decision_id)
    markdown = retraining_markdown(retraining, decision, looks)
    create_markdown_artifact(markdown, key=_key("retraining", retraining.model), description=retraining.reason)
    mark_runs(retraining)


def mark_runs(retraining: Retraining) -> None:
    """Tag a retraining's runs by its model, and while it waits for approval; show in the state of those that ended how it stands now."""
    marks = [retraining.model, *[WAITS] * (retraining.state is RetrainingState.WAITING)]
    named = FlowRunFilter(name=FlowRunFilterName(any_=[retrain_run_name(retraining.decision_id)]))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=named):
            tags = [*(tag for tag in run.tags if tag not in (retraining.model, WAITS)), *marks]
            if set(tags) != set(run.tags):
                client.update_flow_run(run.id, tags=tags)
            if run.state is not None and run.state.is_completed():
                client.set_flow_run_state(run.id, state_of(retraining.state, retraining.decision_id, retraining.reason), force=True)


def state_of(state: RetrainingState, decision_id: str, reason: str, data: Any = None) -> State[Any]:
    """Return the state of a run that ended, named by how its retraining stands, with what a person may do about it."""
    todo = f" Answer with `vigil approve {decision_id}` or `vigil reject {decision_id}`." if state is RetrainingState.WAITING else ""
    name = "training failed" if state is RetrainingState.FAILED else state.value.replace("_", " ")
    return Completed(name=name.capitalize(), message=f"{reason}{todo}", data=data)


def retrain_run_name(decision_id: str) -> str:
    return f"retrain for {decision_id}"


def _key(kind: str, model: str) -> str:
    """Prefect's artifact keys hold lower-case letters, digits and dashes."""
    return f"{kind}-{model}".replace("_", "-")
