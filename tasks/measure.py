"""Measure one look: one task a layer, each a call of the domain."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.prometheus import ask
from vigil.evaluation import measure
from vigil.evaluation.look import Look
from vigil.health.inputs import measure_inputs
from vigil.measurement import Measurement
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def profile_window(project: str, look: Look) -> None:
    work = Workspace.open(project, look.model)
    measure.profiles_of(work.source, work.store, work.spec, look)


@task(cache_policy=NO_CACHE)
def measure_drift(project: str, look: Look) -> tuple[Measurement, ...]:
    work = Workspace.open(project, look.model)
    return measure.drift_of(work.source, work.store, work.spec, look)


@task(cache_policy=NO_CACHE)
def measure_performance(project: str, look: Look) -> tuple[Measurement, ...]:
    work = Workspace.open(project, look.model)
    return measure.performance_of(work.source, work.store, work.spec, look)


@task(cache_policy=NO_CACHE)
def measure_health(project: str, look: Look) -> tuple[Measurement, ...]:
    work = Workspace.open(project, look.model)
    answers = ask(work.project.spec.prometheus, work.spec, look.window)
    found = measure.health_of(work.source, work.spec, look) + measure_inputs(answers, work.spec)
    return found + measure.training_of(work.store, work.spec, look)
