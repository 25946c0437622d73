"""A process killed anywhere in the loop, and started again, leaves one evaluation, one decision, one challenger, one champion.

The week that retrains is run in a child process that kills itself (SIGKILL) at a named step; then it is run again. These are some of the
steps; `make kills` takes all, and pairs of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from tests.loop.small_project import MODEL, RETRAINED, as_of, copy_of, week_start
from vigil.project import Project
from vigil.store.records import RetrainingState

STEPS = [
    ("vigil.store.sql:SqlStore.save_profiles", "after"),
    ("vigil.store.sql:SqlStore.record_evaluation", "after"),
    ("vigil.store.sql:SqlStore.record_decision", "after"),
    ("vigil.store.sql:SqlStore.request_retraining", "after"),
    ("tasks.registry:Registry.register", "before"),
    ("tasks.registry:Registry.register", "after"),
    ("vigil.store.sql:SqlStore.advance_retraining", "after"),
    ("vigil.store.sql:SqlStore.move_champion", "after"),
]


def look_at_the_week(folder: str, step: tuple[str, str] | None) -> None:
    """Run in a child process: the flow of the week that retrains, killed at ``step``."""
    from flows.monitor import monitor

    if step is not None:
        kill_at(*step)
    monitor(folder, MODEL, week_start(RETRAINED).isoformat(), as_of(RETRAINED))


def kill_at(where: str, moment: str) -> None:
    import importlib

    module, _, path = where.partition(":")
    owner_name, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    original: Callable[..., Any] = getattr(owner, name)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if moment == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


@pytest.fixture(scope="module")
def children(prefect_server: str) -> ForkServerContext:
    """Children that start with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["flows.monitor", "expectations.validate", "mlflow.sklearn", "tests.loop.test_kill"])
    return context


@pytest.mark.parametrize(("step", "moment"), STEPS)
def test_what_a_kill_left_is_finished_by_the_next_run(
    before_retraining: Path, children: ForkServerContext, tmp_path: Path, step: str, moment: str
) -> None:
    """Whatever was done is found, whatever was not is done, once."""
    from mlflow import MlflowClient

    from tasks.registry import Registry

    folder = copy_of(before_retraining, tmp_path / "project")
    for at, expected in (((step, moment), -signal.SIGKILL), (None, 0)):
        child = children.Process(target=look_at_the_week, args=(str(folder), at))
        child.start()
        child.join(120)
        assert child.exitcode == expected
    project = Project.open(folder)
    store, registry = project.store(), Registry(project)
    decisions = store.decisions(MODEL)
    assert len(decisions) == len({decision.window for decision in decisions}) == RETRAINED + 1
    (retraining,) = store.retrainings(MODEL)
    assert (retraining.state, retraining.challenger) == (RetrainingState.PROMOTED, "2")
    assert [version.version for version in store.versions(MODEL)] == ["1", "2"]
    assert [promotion.version for promotion in store.promotions(MODEL)] == ["1", "2"]
    assert registry.alias_version(MODEL, "champion") == "2"
    mlflow = MlflowClient(tracking_uri=registry.uri)
    assert sorted(str(version.version) for version in mlflow.search_model_versions(f"name = '{MODEL}'")) == ["1", "2"]
    experiment = mlflow.get_experiment_by_name(MODEL)
    assert mlflow.search_runs([experiment.experiment_id], filter_string="attributes.status = 'RUNNING'") == []
    assert [run.ended_at is None for run in store.flow_runs(MODEL, latest=2)] == [True, False]  # the one that was killed, and the next
