"""A retraining that is handed over to a run of its own, on a real Prefect: one run at a time, and another one after a failure."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from vigil.decision.types import Action, Decision
from vigil.window import Window

WINDOW = Window(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))


@pytest.fixture
def under_a_deployment(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process is a run of a deployment, as the flow's is under `vigil up`."""
    from prefect import get_client

    from flows.retrain import retrain

    async def deploy() -> Any:
        async with get_client() as client:
            return await client.create_deployment(flow_id=await client.create_flow(retrain), name="retrain")

    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(asyncio.run(deploy())))


def decision(decision_id: str) -> Decision:
    return Decision(
        decision_id=decision_id,
        model="m",
        window=WINDOW,
        evaluation_id="e",
        version="1",
        as_of=WINDOW.end,
        action=Action.RETRAIN,
        reason="",
        gates=(),
        spec_hash="s",
        code_version="0",
    )


def runs_of(decision_id: str, then: Any = None) -> list[str]:
    """Say the states of a decision's runs, oldest first; then end the newest in state ``then``."""
    from prefect import get_client

    async def look() -> list[str]:
        async with get_client() as client:
            runs = [run for run in await client.read_flow_runs(limit=200) if run.parameters.get("decision_id") == decision_id]
            runs.sort(key=lambda run: run.created)
            if then is not None:
                await client.set_flow_run_state(runs[-1].id, then(), force=True)
            return [run.state.type.value for run in runs]

    return asyncio.run(look())


@pytest.mark.usefixtures("under_a_deployment")
def test_a_run_under_way_is_the_only_one_and_a_failed_one_is_followed_by_another() -> None:
    """However often the monitoring flow meets the unfinished decision."""
    from prefect.states import Cancelled, Failed, Running

    from tasks.retraining import hand_over

    asked = decision("d-handed-over")
    for _ in range(2):
        assert hand_over.fn("project", asked)
    assert runs_of(asked.decision_id, then=Running) == ["SCHEDULED"]
    assert hand_over.fn("project", asked)
    assert runs_of(asked.decision_id, then=Failed) == ["RUNNING"]
    for _ in range(2):
        assert hand_over.fn("project", asked)
    assert runs_of(asked.decision_id, then=Cancelled) == ["FAILED", "SCHEDULED"]
    assert hand_over.fn("project", asked)
    assert runs_of(asked.decision_id) == ["FAILED", "CANCELLED", "SCHEDULED"]


def test_without_a_deployment_the_caller_retrains() -> None:
    from tasks.retraining import hand_over

    assert not hand_over.fn("project", decision("d-kept"))
