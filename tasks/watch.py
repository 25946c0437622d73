"""Keep that one of vigil's own runs over a model was begun, and how it ended; and tell people where they fail.

A run is the model's turn in the flow over all models, or, by itself, a run of the flow that looks at one window. What is killed leaves
its beginning, and counts as failed when it has been silent for too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as present

from vigil.alerts.monitoring import alert_on_runs
from vigil.errors import Conflict
from vigil.project import Project
from vigil.store.records import FlowRun

LONGEST = 300  # characters of why a run failed: a log has the rest


@contextmanager
def turn_of(project: str, model: str) -> Iterator[None]:
    """Keep the block as the model's turn in the present flow run; an error goes on through it."""
    run_id = f"{present.id}:{present.run_count}:{model}"
    _begin(project, model, run_id)
    try:
        yield
    except BaseException as error:
        _end(project, run_id, f"{type(error).__name__}: {error}")
        raise
    _end(project, run_id, "")


def look_begins(_flow: Any, run: Any, _state: Any) -> None:
    """Keep that a look was begun (Prefect's hook on_running), unless it is part of a turn."""
    if run.parent_task_run_id is None:
        _begin(run.parameters["project"], run.parameters["model"], f"{run.id}:{run.run_count}")


def look_ends(_flow: Any, run: Any, state: Any) -> None:
    """Keep how a look ended (Prefect's hooks on_completion, on_failure and on_crashed), unless it is part of a turn."""
    if run.parent_task_run_id is None:
        _end(run.parameters["project"], f"{run.id}:{run.run_count}", "" if state.is_completed() else f"{state.name}: {state.message}")


@task(cache_policy=NO_CACHE)
def watch_runs(project: str) -> None:
    opened, now = Project.open(project), datetime.now(UTC)
    with opened.store() as store:
        for spec in opened.models.values():
            try:
                alert_on_runs(store, spec, opened.spec.alerts, now)
            except Conflict:  # somebody acted on its incident, or another run watches too: the next one sees what it wrote
                continue


def _begin(project: str, model: str, run_id: str) -> None:
    with Project.open(project).store() as store:
        store.begin_flow_run(FlowRun(run_id, model, datetime.now(UTC)))


def _end(project: str, run_id: str, failure: str) -> None:
    with Project.open(project).store() as store:
        store.end_flow_run(run_id, at=datetime.now(UTC), failure=shorten(failure, LONGEST, placeholder=" …"))
