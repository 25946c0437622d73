"""Keep that one of vigil's own runs over a model was begun, and how it ended; and tell people where they fail.

What is killed leaves its beginning, and counts as failed when it has been silent for too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as present
from pydantic import ValidationError

from vigil.alerts.monitoring import alert_on_runs
from vigil.errors import Conflict, SpecError, sentence_of
from vigil.project import Project
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import FlowRun

LONGEST = 300  # characters of why a run failed: a log has the rest


@contextmanager
def turn_of(project: str, model: str) -> Iterator[None]:
    """Keep the block as one run over the model; an error goes on through it. A flow within another one is part of that one's run."""
    if present.parent_flow_run_id is not None:
        yield
        return
    opened, begun = Project.open(project), datetime.now(UTC)
    known = opened.model(model).model
    run_id = f"{present.id}:{model}:{begun.isoformat()}"  # a flow run that is taken up again is another attempt
    with opened.store() as store:
        store.begin_flow_run(FlowRun(run_id, known, begun))
    try:
        yield
    except BaseException as error:
        with opened.store() as store:
            _end(store, run_id, f"{type(error).__name__}: {error}")
        raise
    with opened.store() as store:
        _end(store, run_id, "")


@task(cache_policy=NO_CACHE)
def fail_turns(project: str) -> None:
    """Keep that the turn of each model whose file is wrong has failed: a model that nobody looks at is told to people."""
    opened, now = Project.open(project), datetime.now(UTC)
    with opened.store() as store:
        for spec, error in _refused(opened, store):
            run_id = f"{present.id}:{spec.model}:refused"
            if store.begin_flow_run(FlowRun(run_id, spec.model, now)):
                _end(store, run_id, sentence_of(error))


@task(cache_policy=NO_CACHE)
def watch_runs(project: str) -> None:
    opened, now = Project.open(project), datetime.now(UTC)
    with opened.store() as store:
        for spec in (*opened.models.values(), *(spec for spec, _ in _refused(opened, store))):
            try:
                alert_on_runs(store, spec, opened.spec.alerts, now)
            except Conflict:  # somebody acted on its incident, or another run watches too: the next one sees what it wrote
                continue


def _refused(project: Project, store: Store) -> Iterator[tuple[ModelSpec, SpecError]]:
    """Yield each model that a wrong file is about, by the file's name, as its champion's specification has it; and what is wrong."""
    for error in project.refused:
        model = Path(error.file).stem
        champion = store.champion(model)
        version = None if champion is None else store.version(model, champion.version)
        body = None if version is None else store.spec(version.spec_hash)
        if body is not None and model not in project.models:
            try:
                spec = ModelSpec.model_validate_json(body)
            except ValidationError:  # of an earlier release, which took what this one refuses
                continue
            yield spec, error


def _end(store: Store, run_id: str, failure: str) -> None:
    store.end_flow_run(run_id, at=datetime.now(UTC), failure=shorten(failure, LONGEST, placeholder=" …"))
