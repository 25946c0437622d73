"""Kill trials: the loop from a window to a promotion by a person, killed (SIGKILL) at one or two step boundaries and run again.

Each trial copies a small project just before the week that retrains, runs that week and the approval in child processes that kill
themselves at boundaries drawn by the seed, runs both again until nothing is killed, and looks at what is there: one decision a window, one
registered challenger, one champion, one answer, no run of MLflow that is still open.

    python -m benchmarks.kills [--trials 200] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np

from flows.server import OwnServer
from tests.loop.small_project import MODEL, RETRAINED, as_of, copy_of, play_until_harm, week_start
from tests.loop.test_kill import kill_at
from vigil.project import Project
from vigil.store.records import RetrainingState

STORE, REGISTRY = "vigil.store.sql:SqlStore", "tasks.registry:Registry"
STEPS = tuple(
    (f"{owner}.{name}", moment)
    for owner, names in (
        (
            STORE,
            (
                "save_profiles",
                "record_evaluation",
                "record_decision",
                "record_alerts",
                "request_retraining",
                "record_training_attempt",
                "save_version",
                "advance_retraining",
                "ask_approval",
                "answer_approval",
            ),
        ),
        (REGISTRY, ("register", "set_alias", "reconcile_alias", "keep_card")),
    )
    for name in names
    for moment in ("before", "after")
)
MOST_RUNS = 5  # of a trial; at most two of them are killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    found = trials(asked.trials, np.random.default_rng(asked.seed))
    wrong = [each for each in found if each["wrong"]]
    kills = Counter(killed for each in found for killed in each["killed"])
    if asked.json:
        sys.stdout.write(json.dumps({"trials": found, "seconds": time.monotonic() - began}, indent=2) + "\n")
    else:
        lines = [f"{len(found)} trials, {sum(kills.values())} kills at {len(kills)} of {len(STEPS)} boundaries, {len(wrong)} wrong"]
        lines += [f"  {' then '.join(each['asked'])}: {'; '.join(each['wrong'])}" for each in wrong]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(bool(wrong))


def trials(count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Make the project, then try ``count`` times: boundaries one by one first, pairs after."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(PREFECT_HOME=f"{scratch}/prefect", PREFECT_SERVER_EPHEMERAL_ENABLED="false", PREFECT_LOGGING_LEVEL="WARNING")
        server = OwnServer()
        os.environ["PREFECT_API_URL"] = server.api
        server.start()
        server.wait()
        try:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["flows.monitor", "flows.promote", "expectations.validate", "mlflow.sklearn"])
            ready = play_until_harm(Path(scratch) / "ready")
            found = []
            for number in range(count):
                single = number < len(STEPS)
                chosen = [number] if single else [int(step) for step in rng.choice(len(STEPS), size=2)]
                found.append(_trial(ready, Path(scratch) / f"trial-{number}", [STEPS[step] for step in chosen], context))
                sys.stderr.write(f"\r{number + 1} of {count}")
            return found
        finally:
            server.stop()
            sys.stderr.write("\n")


def the_week_and_its_approval(folder: str, step: tuple[str, str] | None) -> None:
    """Run in a child process: the flow of the week that retrains, then a person's approval; killed at ``step``."""
    from flows.monitor import monitor
    from flows.promote import approve

    if step is not None:
        kill_at(*step)
    summary = monitor(folder, MODEL, week_start(RETRAINED).isoformat(), as_of(RETRAINED))
    approve(folder, summary["decision_id"], "ada", "looks right")


def _trial(ready: Path, folder: Path, steps: list[tuple[str, str]], context: ForkServerContext) -> dict[str, Any]:
    copy_of(ready, folder, promotion="approve")
    wrong, killed, waiting = [], [], list(steps)
    for _ in range(MOST_RUNS):
        step = waiting.pop(0) if waiting else None
        child = context.Process(target=the_week_and_its_approval, args=(str(folder), step))
        child.start()
        child.join()
        if child.exitcode == -signal.SIGKILL and step is not None:
            killed.append(" ".join(step))
        elif child.exitcode != 0:
            wrong.append(f"a run ended with {child.exitcode}")
        elif step is None:
            break
    wrong += _wrong(folder)
    shutil.rmtree(folder)
    return {"asked": [" ".join(step) for step in steps], "killed": killed, "wrong": wrong}


def _wrong(folder: Path) -> list[str]:
    """What is not as it should be, in words."""
    from mlflow import MlflowClient

    from tasks.registry import Registry

    project = Project.open(folder)
    registry = Registry(project)
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    experiment = client.get_experiment_by_name(MODEL)
    with project.store() as store:
        decisions, retrainings = store.decisions(MODEL), store.retrainings(MODEL)
        approval = store.approval(decisions[-1].decision_id) if decisions else None
        expected = {
            "decisions": (len(decisions), RETRAINED + 1),
            "retrainings": ([(each.state, each.challenger, each.by) for each in retrainings], [(RetrainingState.PROMOTED, "2", "ada")]),
            "versions in the store": ([each.version for each in store.versions(MODEL)], ["1", "2"]),
            "champions": ([each.version for each in store.promotions(MODEL)], ["1", "2"]),
            "answer": (None if approval is None else (approval.answer, approval.by), ("approved", "ada")),
            "versions in MLflow": (sorted(str(each.version) for each in client.search_model_versions(f"name = '{MODEL}'")), ["1", "2"]),
            "alias": (registry.alias_version(MODEL, "champion"), "2"),
            "open runs": (len(client.search_runs([experiment.experiment_id], filter_string="attributes.status = 'RUNNING'")), 0),
            "ledger": (store.verify_ledger().broken, None),
        }
    return [f"{name}: {there}, not {wanted}" for name, (there, wanted) in expected.items() if there != wanted]


if __name__ == "__main__":
    main()
