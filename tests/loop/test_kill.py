"""A process killed anywhere in the loop, and started again, leaves one evaluation, one decision, one challenger, one champion.

The week that retrains, and its approval, are run in a child process that kills itself (SIGKILL) at a named step; then it is run again.
These are some of the steps; `make kills` takes all, and pairs of them.
"""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.loop.kills import DECIDED, MLFLOW, REGISTRY, STORE, Step, decided, go, kill_at, spare, wrong
from tests.loop.small_project import MODEL, copy_of
from vigil.project import Project

IMPORTED = ["flows.monitor", "flows.promote", "expectations.validate", "mlflow.sklearn", "mlflow.store.tracking.sqlalchemy_store"]


def child_goes(folder: str, step: Step | None, from_the_decision: bool) -> None:
    spare()
    if step is not None:
        kill_at(*step)
    go(folder, decided(Path(folder)) if from_the_decision else None)


@pytest.fixture(scope="module")
def children() -> ForkServerContext:
    """Children that start with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, "sklearn.inspection", "tests.loop.test_kill"])
    return context


def ended(children: ForkServerContext, folder: Path, step: Step | None, *, from_the_decision: bool = True) -> int | None:
    child = children.Process(target=child_goes, args=(str(folder), step, from_the_decision))
    child.start()
    child.join(300)
    return child.exitcode


@pytest.fixture(scope="module")
def killed_after_the_decision(before_retraining: Path, children: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_of(before_retraining, tmp_path_factory.mktemp("killed") / "project", promotion="approve")
    assert ended(children, folder, DECIDED, from_the_decision=False) == -signal.SIGKILL
    return folder


@pytest.mark.parametrize(
    "step", [(f"{REGISTRY}.register", "after"), (f"{MLFLOW}.create_model_version", "before"), (f"{STORE}.answer_approval", "after")]
)
def test_what_kills_left_is_finished_by_the_next_run(
    killed_after_the_decision: Path, children: ForkServerContext, tmp_path: Path, step: Step
) -> None:
    """Killed after the decision, and again at the step: whatever was done is found, whatever was not is done, once."""
    folder = copy_of(killed_after_the_decision, tmp_path / "project", promotion="approve")
    assert [ended(children, folder, at) for at in (step, None)] == [-signal.SIGKILL, 0]
    assert wrong(folder) == []


def test_what_a_kill_left_of_a_window_is_finished_by_the_next_look(
    killed_after_the_decision: Path, children: ForkServerContext, tmp_path: Path
) -> None:
    """The look finds its decision and carries it out; the run that was killed has no end on record."""
    folder = copy_of(killed_after_the_decision, tmp_path / "project", promotion="approve")
    assert ended(children, folder, None, from_the_decision=False) == 0
    assert wrong(folder) == []
    with Project.open(folder).store() as store:
        assert [run.ended_at is None for run in store.flow_runs(MODEL, latest=2)] == [True, False]
