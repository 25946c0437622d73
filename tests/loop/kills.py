"""Kill trials: from a window to a promotion by a person, killed (SIGKILL) at step boundaries and run again, as cheaply as that can be.

What is tried is what vigil's own steps leave in the store and in MLflow, so the runs are spared what tells nothing of it: Prefect's API
(tasks and flows are called as the functions that they are), the trainer's own process (``tests/challenger/test_trainer.py`` kills that
one) and imports. A trial whose kills all come after the decision begins there, at what a kill right after it leaves.

``tests/loop/test_kill.py`` takes some boundaries, :mod:`benchmarks.kills` all of them and pairs, on SQLite and PostgreSQL.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.loop.small_project import MODEL, RETRAINED, as_of, week_start
from vigil.challenger.trainer import TrainerHere
from vigil.spec.model import ModelSpec

STORE, REGISTRY, MLFLOW = "vigil.store.sql:SqlStore", "tasks.registry:Registry", "mlflow:MlflowClient"
OF_THE_WINDOW = ("save_profiles", "record_evaluation", "record_decision", "record_alerts")
BOUNDARIES = (  # in the order in which a run comes to them
    (STORE, (*OF_THE_WINDOW, "request_retraining", "record_training_attempt")),
    (REGISTRY, ("register",)),
    (
        MLFLOW,
        ("create_run", "create_logged_model", "log_model_artifacts", "finalize_logged_model", "create_model_version", "set_terminated"),
    ),
    (STORE, ("save_version",)),
    (REGISTRY, ("set_alias",)),
    (STORE, ("advance_retraining", "ask_approval", "answer_approval")),
    (REGISTRY, ("reconcile_alias", "keep_card")),
)
Step = tuple[str, str]  # what, and whether before or after it
STEPS: tuple[Step, ...] = tuple(
    (f"{owner}.{name}", moment) for owner, names in BOUNDARIES for name in names for moment in ("before", "after")
)
DECIDED: Step = (f"{STORE}.record_decision", "after")


def of_the_window(step: Step) -> bool:
    """Tell whether a run comes to this boundary before, or beside, the retraining."""
    return step[0].rpartition(".")[2] in OF_THE_WINDOW


def spare() -> None:
    """Make this process, which is one for trials only, call tasks and flows as functions, fit in itself and show no artifact."""
    from prefect import Flow, Task

    import tasks.publish
    import tasks.retraining
    import vigil.challenger.attempts

    for kind in (Task, Flow):
        kind.__call__ = lambda self, *args, **kwargs: self.fn(*args, **kwargs)  # type: ignore[method-assign]
    tasks.publish.create_markdown_artifact = tasks.publish.mark_runs = lambda *args, **kwargs: None
    for module in (tasks.retraining, vigil.challenger.attempts):
        module.TrainerProcess = _FitsHere


def kill_at(where: str, moment: str) -> None:
    """Make this process kill itself ``before`` or ``after`` the first call of ``module:Class.method``."""
    module, _, path = where.partition(":")
    owner_name, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    original: Callable[..., Any] = getattr(owner, name)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if moment == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


def go(folder: str, decision_id: str | None = None) -> None:
    """Run the week that retrains, or only the retraining of its decision; then a person approves."""
    from flows.monitor import monitor
    from flows.promote import approve
    from flows.retrain import retrain

    if decision_id is None:
        decision_id = monitor(folder, MODEL, week_start(RETRAINED).isoformat(), as_of(RETRAINED))["decision_id"]
    else:
        retrain(folder, decision_id, as_of(RETRAINED))
    approve(folder, decision_id, "ada", "looks right")


def decided(folder: Path) -> str:
    """Return the decision to retrain, where a run was killed after it."""
    from vigil.project import Project

    with Project.open(folder).store() as store:
        return store.decisions(MODEL)[RETRAINED].decision_id


def wrong(folder: Path) -> list[str]:
    """Return what is not as it should be once all is done, in words: one of each decision, version, champion and answer, nothing open."""
    from mlflow import MlflowClient

    from tasks.registry import Registry
    from vigil.project import Project
    from vigil.store.records import RetrainingState

    project = Project.open(folder)
    registry = Registry(project)
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    with project.store() as store:
        decisions, retrainings = store.decisions(MODEL), store.retrainings(MODEL)
        approval = store.approval(decisions[-1].decision_id) if decisions else None
        expected = {
            "decisions": (len({each.window for each in decisions}), len(decisions), RETRAINED + 1),
            "retrainings": ([(each.state, each.challenger, each.by) for each in retrainings], [(RetrainingState.PROMOTED, "2", "ada")]),
            "versions in the store": ([each.version for each in store.versions(MODEL)], ["1", "2"]),
            "champions": ([each.version for each in store.promotions(MODEL)], ["1", "2"]),
            "answer": (None if approval is None else (approval.answer, approval.by), ("approved", "ada")),
            "versions in MLflow": (sorted(str(each.version) for each in client.search_model_versions(f"name = '{MODEL}'")), ["1", "2"]),
            "alias": (registry.alias_version(MODEL, "champion"), "2"),
            "open runs": (len(client.search_runs(experiments, filter_string="attributes.status = 'RUNNING'")), 0),
            "ledger": (store.verify_ledger().broken, None),
        }
    return [f"{name}: {there}, not {wanted}" for name, (*there, wanted) in expected.items() if any(each != wanted for each in there)]


class _FitsHere(TrainerHere):
    """The trainer in this process, with the manners of :class:`vigil.challenger.trainer.TrainerProcess`."""

    seconds, peak_mb, output = 0.0, 0.0, ""

    def __init__(self, folder: Path, spec: ModelSpec, meanwhile: Callable[[], None]) -> None:
        del meanwhile  # nothing is left to be done only once in a process
        super().__init__(folder, spec)

    def __enter__(self) -> _FitsHere:
        return self

    def __exit__(self, *_: object) -> None:
        pass
