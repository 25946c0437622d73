"""Runs whose process died, put back to where the runner picks them up.

Prefect does not notice that a machine went down: a run that was Running or Pending stays so for ever. When ``vigil up``
starts (or starts its runner again) it holds the project's lock and has ended all strays, so no process works on a run of
its deployments, and every such run is interrupted. It is marked Crashed, which its history shows, and then AwaitingRetry,
which the runner takes like any scheduled run. Doing it again is safe because the flows look first at what is done.

A run that another crash ended (out of memory, a machine shut down in order, which signals every process) is taken up
again too when that was within a day. None is started more than ATTEMPTS times, so that a run that brings its process
down cannot do so for ever. Scheduled runs that nobody picked up while everything was down are Late, and need no help:
Prefect keeps them when a deployment is registered again, and the runner takes them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import AwaitingRetry, Cancelled, Crashed

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

ATTEMPTS = 3  # convention
CRASHED_WITHIN = timedelta(days=1)  # convention: an older crash has been seen by a person, or the next schedule made up for it
PAGE = 200  # the most that Prefect's API answers at once
DEAD = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


@dataclass(frozen=True)
class Interrupted:
    """A run that was found interrupted. ``resumed`` says whether it was put back or given up."""

    run_id: UUID
    name: str
    attempts: int
    resumed: bool


async def resume_interrupted(client: PrefectClient, deployments: Sequence[UUID], now: datetime) -> tuple[Interrupted, ...]:
    """Put the deployments' interrupted runs back. Call it only when no process can be working on one of them.

    A second call finds nothing: the runs are scheduled, or over. A run that a person was cancelling is cancelled.
    """
    found = []
    for run in await _runs(client, deployments, now):
        if run.state is not None and run.state.type is StateType.CANCELLING:
            await client.set_flow_run_state(run.id, Cancelled(message="cancelled; its process had died"), force=True)
            continue
        again = run.run_count < ATTEMPTS
        if run.state is not None and run.state.type is not StateType.CRASHED:
            message = "its process died with `vigil up`" if again else f"its process died {run.run_count} times; not started again"
            await client.set_flow_run_state(run.id, Crashed(message=message), force=True)
        if again:
            await client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=now, message="taken up again after a crash"), force=True)
        found.append(Interrupted(run.id, run.name, run.run_count, again))
    return tuple(found)


async def _runs(client: PrefectClient, deployments: Sequence[UUID], now: datetime) -> list[FlowRun]:
    """Runs that were under way, and those that crashed lately and may be tried again; oldest first."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*DEAD, StateType.CRASHED])))
    of_ours = DeploymentFilter(id=DeploymentFilterId(any_=list(deployments)))
    runs: list[FlowRun] = []
    while page := await client.read_flow_runs(flow_run_filter=wanted, deployment_filter=of_ours, limit=PAGE, offset=len(runs)):
        runs += page
    return sorted((run for run in runs if _is_interrupted(run, now)), key=lambda run: (run.expected_start_time or now, str(run.id)))


def _is_interrupted(run: FlowRun, now: datetime) -> bool:
    if run.state is None or run.state.type is not StateType.CRASHED:
        return True
    return run.run_count < ATTEMPTS and now - run.state.timestamp <= CRASHED_WITHIN
