"""Bundle what a look found into incidents, write the weekly digest, and drain the outbox. Nothing is lost where any of it is killed."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.notify import sender
from vigil.alerts.alerting import alert
from vigil.alerts.delivery import drain_patiently
from vigil.alerts.digest import post_digest, week_end
from vigil.evaluation.look import Look
from vigil.project import Project
from vigil.window import parse_moment
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def bundle_incidents(project: str, look: Look) -> tuple[str, ...]:
    work = Workspace.open(project, look.model)
    active = alert(work.store, work.spec, work.project.spec.alerts, look.evaluation_id, datetime.now(UTC))
    return tuple(incident.incident_id for incident in active)


@task(cache_policy=NO_CACHE)
def drain_outbox(project: str, patience_seconds: float) -> dict[str, int]:
    opened = Project.open(project)
    settings = opened.spec.alerts
    with opened.store() as store:
        patience = timedelta(seconds=patience_seconds)
        done = drain_patiently(store, settings, sender(settings), lambda: datetime.now(UTC), time.sleep, patience=patience)
    return asdict(done)


@task(cache_policy=NO_CACHE)
def write_digest(project: str, end: str | None) -> tuple[str, ...]:
    opened, now = Project.open(project), datetime.now(UTC)
    until = week_end(now) if end is None else parse_moment(end)
    with opened.store() as store:
        specs = [opened.models[name] for name in sorted(opened.models)]
        return tuple(message.key for message in post_digest(store, specs, opened.spec.alerts, until, now))
