"""Which runs are taken up again, on a real Prefect: those without a process, not those that a person or the flow itself ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from deployments.resume import ATTEMPTS, CRASHED_WITHIN, Interrupted, resume_interrupted

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Runs:
    """A deployment whose runs are put into states as a runner would."""

    def __init__(self, client: Any, deployment: UUID) -> None:
        self.client, self.deployment = client, deployment

    @classmethod
    async def of(cls, client: Any, name: str) -> Runs:
        from prefect import flow

        @flow(name=name)
        def nothing() -> None: ...

        return cls(client, await client.create_deployment(flow_id=await client.create_flow(nothing), name=name))

    async def make(self, *states: Any) -> UUID:
        run = await self.client.create_flow_run_from_deployment(self.deployment)
        for state in states:
            await self.client.set_flow_run_state(run.id, state, force=True)
        return UUID(str(run.id))

    async def state(self, run: UUID) -> str:
        return str((await self.client.read_flow_run(run)).state.name)

    async def resume(self) -> dict[UUID, Interrupted]:
        return {found.run_id: found for found in await resume_interrupted(self.client, [self.deployment], NOW)}


def prefect_test(body: Any) -> Any:
    """Run an asynchronous test with a client and a deployment of its own."""

    def test(prefect_server: str) -> None:
        import asyncio

        from prefect import get_client

        async def with_client() -> None:
            async with get_client() as client:
                await body(await Runs.of(client, body.__name__))

        asyncio.run(with_client())

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@prefect_test
async def test_runs_under_way_are_crashed_and_scheduled_again(runs: Runs) -> None:
    """Running has had one attempt, Pending none; both are due at once."""
    from prefect.states import Pending, Running

    running, pending = await runs.make(Running()), await runs.make(Pending())
    found = await runs.resume()
    assert {run: (one.attempts, one.resumed) for run, one in found.items()} == {running: (1, True), pending: (0, True)}
    for run in (running, pending):
        again = await runs.client.read_flow_run(run)
        assert (again.state.name, again.next_scheduled_start_time) == ("AwaitingRetry", NOW)


@prefect_test
async def test_a_second_look_finds_nothing(runs: Runs) -> None:
    from prefect.states import Running

    await runs.make(Running())
    assert len(await runs.resume()) == 1
    assert await runs.resume() == {}


@prefect_test
async def test_what_is_over_or_due_is_left_alone(runs: Runs) -> None:
    """Completed, Failed and Cancelled were ended on purpose; Scheduled and Late runs are picked up without help."""
    from prefect.states import Cancelled, Completed, Failed, Late, Running, Scheduled

    made = {
        name: await runs.make(Running(), state())
        for name, state in (("Completed", Completed), ("Failed", Failed), ("Cancelled", Cancelled))
    }
    made |= {"Scheduled": await runs.make(Scheduled()), "Late": await runs.make(Late(scheduled_time=NOW))}
    assert await runs.resume() == {}
    assert {name: await runs.state(run) for name, run in made.items()} == {name: name for name in made}


@prefect_test
async def test_a_run_that_was_being_cancelled_is_cancelled(runs: Runs) -> None:
    from prefect.states import Cancelling, Running

    run = await runs.make(Running(), Cancelling())
    assert await runs.resume() == {}
    assert await runs.state(run) == "Cancelled"


@prefect_test
async def test_a_recent_crash_is_tried_again_and_an_old_one_is_not(runs: Runs) -> None:
    """The limit itself counts as recent; the server dates the crash."""
    from prefect.states import Crashed, Running

    run = await runs.make(Running(), Crashed())
    limit = (await runs.client.read_flow_run(run)).state.timestamp + CRASHED_WITHIN
    assert await resume_interrupted(runs.client, [runs.deployment], limit + timedelta(microseconds=1)) == ()
    assert await runs.state(run) == "Crashed"
    assert [found.run_id for found in await resume_interrupted(runs.client, [runs.deployment], limit)] == [run]
    assert await runs.state(run) == "AwaitingRetry"


@prefect_test
async def test_a_run_is_given_up_after_its_last_attempt(runs: Runs) -> None:
    """A run that brings its process down would do so for ever."""
    from prefect.states import AwaitingRetry, Running

    run = await runs.make(*(state for _ in range(ATTEMPTS) for state in (AwaitingRetry(), Running())))
    found = await runs.resume()
    assert (found[run].attempts, found[run].resumed) == (ATTEMPTS, False)
    assert await runs.state(run) == "Crashed"
    assert await runs.resume() == {}


@prefect_test
async def test_runs_of_other_deployments_are_not_touched(runs: Runs) -> None:
    from prefect.states import Running

    others = await Runs.of(runs.client, "somebody_elses")
    run = await others.make(Running())
    assert await runs.resume() == {}
    assert await others.state(run) == "Running"
