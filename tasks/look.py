"""Fix what a run looks at: models, windows, and the very rows and labels of one window."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.decision.types import Decision
from vigil.evaluation.due import latest_due, windows_to_look_at
from vigil.evaluation.look import Look, look_at
from vigil.project import Project
from vigil.store.records import Evaluation
from vigil.window import moment_or_now, parse_moment
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def list_models(project: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the models by name, and why files of ``models/`` give none."""
    opened = Project.open(project)
    return tuple(sorted(opened.models)), tuple(map(str, opened.refused))


@task(cache_policy=NO_CACHE)
def list_windows(project: str, model: str, as_of: str | None) -> tuple[str, ...]:
    work = Workspace.open(project, model)
    windows = windows_to_look_at(work.source, work.store, work.spec, moment_or_now(as_of))
    return tuple(window.start.isoformat() for window in windows)


@task(cache_policy=NO_CACHE)
def look_at_window(project: str, model: str, window_start: str | None, as_of: str | None) -> Look:
    work, moment = Workspace.open(project, model), moment_or_now(as_of)
    if window_start is not None:
        window = work.spec.window.containing(parse_moment(window_start))
    else:
        window = latest_due(work.source, work.spec, moment)
    return look_at(work.source, work.store, work.spec, window, moment, now=moment_or_now(None))


@task(cache_policy=NO_CACHE)
def find_evaluation(project: str, of: Look | Decision) -> Evaluation | None:
    return Workspace.open(project, of.model).store.evaluation(of.evaluation_id)
