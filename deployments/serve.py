"""The program that runs a project's deployments on this machine; ``vigil up`` starts it and keeps it alive.

``python -m deployments.serve FOLDER FILE`` registers the deployments of FILE (``deployments/prefect.yaml``) with the Prefect
server of ``PREFECT_API_URL``, puts interrupted runs back (:mod:`deployments.resume`), says that it is ready, and then starts
each run that is due in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sized
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from prefect import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.utilities.templating import apply_values
from ruamel.yaml import YAML

from deployments.resume import resume_interrupted
from deployments.supervise import READY_DESCRIPTOR
from vigil.project import Project
from vigil.spec.channels import AlertSettings
from vigil.spec.model import ModelSpec

QUERY_SECONDS = 2.0  # a run that is due waits at most this long; each look is one small query on this machine
RUNS_AT_ONCE = 4  # convention: a fleet run, its retraining, and room for a person's
PROJECT_VARIABLE, SCHEDULE_VARIABLE = "VIGIL_PROJECT", "VIGIL_SCHEDULE"


class LocalRunner(Runner):
    """Prefect's runner, which on SIGTERM would cancel its runs for good; this one leaves them to be taken up again."""

    def handle_sigterm(self, *_: Any, **__: Any) -> NoReturn:
        os._exit(143)


def without_work(settings: AlertSettings, models: Iterable[ModelSpec] = ()) -> frozenset[str]:
    """Return the deployments whose schedule would find nothing to do: without a channel nobody is ever told anything,
    without a model with ``labels.review_rows`` nobody is asked to review."""
    reviewed = [spec for spec in models if spec.labels.review_rows is not None]
    needed: Mapping[str, Sized] = {"deliver": settings.channels, "digest": settings.digest_channels, "review": reviewed}
    return frozenset(name for name, channels in needed.items() if not len(channels))


def deployments_of(file: Path, environment: Mapping[str, str], idle: Collection[str] = ()) -> Iterator[RunnerDeployment]:
    """Yield the deployments that ``file`` describes, its placeholders filled from the environment as Prefect does it.

    The schedules of those that are ``idle`` are registered as inactive, so that an earlier registration does not stay active.
    """
    os.environ.update(environment)
    for entry in apply_values(YAML(typ="safe").load(file), {})["deployments"]:
        yield RunnerDeployment.from_entrypoint(
            entry["entrypoint"],
            name=entry["name"],
            description=entry.get("description"),
            tags=entry.get("tags"),
            parameters=entry.get("parameters"),
            schedules=[
                Cron(schedule["cron"], timezone=schedule["timezone"], active=entry["name"] not in idle)
                for schedule in entry.get("schedules", [])
            ],
        )


async def serve(project: Project, file: Path) -> None:
    """Register, resume, say ready, run; returns never but by an error."""
    environment = {PROJECT_VARIABLE: str(project.folder), SCHEDULE_VARIABLE: project.spec.prefect.schedule}
    runner = LocalRunner(name=project.spec.project, query_seconds=QUERY_SECONDS, limit=RUNS_AT_ONCE, pause_on_shutdown=False)
    idle = without_work(project.spec.alerts, project.models.values())
    ours = [await runner.aadd_deployment(deployment) for deployment in deployments_of(file, environment, idle)]
    async with get_client() as client:
        for run in await resume_interrupted(client, ours, datetime.now(UTC)):
            what = "taken up again" if run.resumed else "given up"
            print(f"run {run.name} ({run.run_id}) was interrupted: {what} after {run.attempts} attempts", flush=True)  # noqa: T201
    _say_ready()
    await runner.start()


def _say_ready() -> None:
    descriptor = os.environ.pop(READY_DESCRIPTOR, None)
    if descriptor is not None:
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))


def main() -> None:
    folder, file = sys.argv[1:]
    asyncio.run(serve(Project.open(folder), Path(file)))


if __name__ == "__main__":
    main()
