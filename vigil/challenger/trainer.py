"""Run the project's trainer: in a process of its own, within the specification's limits; or here, for the back-test.

Differs from :mod:`vigil.challenger.fit`, which calls a trainer and judges what it returns. The process is spawned, not forked (threads
and DuckDB do not survive a fork), imports neither Prefect nor MLflow, and ends with this one, however this one ends: see
:mod:`vigil.challenger.trainer_child`. Rows and models pass through files without a name, of which a kill leaves nothing.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Protocol, Self

import cloudpickle  # type: ignore[import-untyped]
import pandas as pd
import psutil  # type: ignore[import-untyped]

import vigil
from vigil.challenger.fit import Trainer, load_trainer
from vigil.challenger.project_code import code_digest, importable
from vigil.challenger.search import Searched, fit_searched, with_params
from vigil.errors import TrainingFailed, TrainingOutcome
from vigil.spec.model import ModelSpec

LOOK_SECONDS = 0.25  # between two looks at the memory: what a machine fills meanwhile may be over the limit
KEPT_OUTPUT = 20_000  # bytes of the end of what it printed
LAST_WORDS = 300  # characters of it in the message of a crash


class Fitter(Protocol):
    """What fits models to rows with the project's trainer, wherever that runs.

    Attributes:
        searched: the search for parameters that the last fit came with; None where there was none.
        code_digest: of the code that it was made by (:func:`vigil.challenger.project_code.code_digest`).
    """

    searched: Searched | None
    code_digest: str

    def fit(self, *frames: pd.DataFrame) -> tuple[Any, ...]:
        """Return a model fitted to each of ``frames`` (of :func:`~vigil.challenger.rows.training_rows`).

        Raises:
            TrainingFailed: as :func:`vigil.challenger.fit.fit`; in a process of its own also that it crashed or went over a limit.
        """
        ...

    def for_trials(self) -> Trainer:
        """Return a trainer for fits that are tried and thrown away, under the same conditions."""
        ...


class TrainerHere:
    """Fits in this process, without limits: for the back-test, which tries what was trained before and serves none of it."""

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self.searched: Searched | None = None
        self.code_digest = ""

    def fit(self, *frames: pd.DataFrame) -> tuple[Any, ...]:
        reference = self._spec.training.trainer
        models, self.searched = fit_searched(load_trainer(self._folder, reference), frames, self._spec)
        self.code_digest = code_digest(self._folder, reference)
        return models

    def for_trials(self) -> Trainer:
        return load_trainer(self._folder, self._spec.training.trainer)


class TrainerProcess:
    """Fits in a process of its own, once; it starts on entry, so that it imports the trainer while the caller reads the rows.

    Args:
        meanwhile: what this process makes ready while the other trains. What it raises is lost: it is raised again where that is needed.

    Attributes:
        seconds: how long the fit took, until it ended or was ended.
        peak_mb: the most resident memory seen of the process and its children together; shared pages count in each.
        output: the end of what it printed.
        searched, code_digest: as of :class:`Fitter`.
    """

    def __init__(self, folder: Path, spec: ModelSpec, meanwhile: Callable[[], None] | None = None) -> None:
        self._folder, self._spec, self._limits = folder, spec, spec.training.limits
        self._meanwhile = meanwhile
        self.seconds, self.peak_mb, self.output, self.code_digest = 0.0, 0.0, "", ""
        self.searched: Searched | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._request, self._answer, self._printed = (tempfile.TemporaryFile() for _ in range(3))  # noqa: SIM115 - closed on exit
        shared = [file.fileno() for file in (self._request, self._answer)]
        self._process = subprocess.Popen(  # noqa: S603 - vigil's own module, in this interpreter
            [sys.executable, "-m", "vigil.challenger.trainer_child", str(self._folder), self._spec.training.trainer, *map(str, shared)],
            env=_environment(),
            pass_fds=shared,
            stdin=subprocess.PIPE,  # closed by the kernel when this process ends
            stdout=self._printed,
            stderr=self._printed,
            start_new_session=True,  # its own children end with it; Ctrl-C is for this process, which ends it
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        for file in (self._process.stdin, self._request, self._answer, self._printed):
            if file is not None:
                with suppress(OSError):  # what was not asked for goes nowhere
                    file.close()

    def fit(self, *frames: pd.DataFrame) -> tuple[Any, ...]:
        began = time.monotonic()
        pickle.dump((self._spec, frames), self._request)  # not its canonical JSON, which sorts the features: their order is the columns'
        self._request.flush()
        with ThreadPoolExecutor(max_workers=1) as beside:  # at its end all is done: one of two threads that import may see half a module
            try:
                self._tell("fit\n")
                if self._meanwhile is not None:
                    beside.submit(self._meanwhile)
                self._wait(began)
            finally:
                self._end()
                self.seconds = time.monotonic() - began
                self.output = _end_of(self._printed)
        return self._answered()

    def for_trials(self) -> Trainer:
        def apart(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Any:
            del params  # those of the specification, which the process is given
            with TrainerProcess(self._folder, with_params(spec, {})) as trial:
                (model,) = trial.fit(rows)
            return model

        return apart

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: what it answered or printed says why
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _wait(self, began: float) -> None:
        """Wait until it ends, and look at its memory meanwhile."""
        most = self._limits.memory_mb
        while self._process.poll() is None:
            self.peak_mb = max(self.peak_mb, _resident_mb(self._process.pid))
            if most is not None and self.peak_mb > most:
                self._fail(f"held {self.peak_mb:,.0f} MB, training.limits.memory_mb is {most:,}", TrainingOutcome.OUT_OF_MEMORY)
            left = self._limits.seconds - (time.monotonic() - began)
            if left <= 0:
                self._fail(f"was not done after {self._limits.seconds:,g} s (training.limits.seconds)", TrainingOutcome.TIMED_OUT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(min(LOOK_SECONDS, left))

    def _answered(self) -> tuple[Any, ...]:
        self._answer.seek(0)
        header = self._answer.readline()
        if self._process.returncode != 0 or not header.endswith(b"\n"):
            self._fail(_how_it_ended(self._process.returncode) + self._last_words(), TrainingOutcome.CRASHED)
        said = json.loads(header)
        if said["outcome"] != TrainingOutcome.TRAINED:
            raise TrainingFailed(said["message"], outcome=TrainingOutcome(said["outcome"]))
        self.code_digest = said["code_digest"]
        self.searched = None if said["searched"] is None else Searched.from_json(said["searched"])
        try:
            with importable(self._folder):
                models: tuple[Any, ...] = cloudpickle.loads(self._answer.read())
        except Exception as error:  # whatever the model's code raises while it is unpickled
            raise TrainingFailed(f"{self._spec.model}: the fitted model cannot be loaded: {type(error).__name__}: {error}") from error
        return models

    def _last_words(self) -> str:
        words = " ".join(self.output[-LAST_WORDS:].split())
        return f". The last it printed: {words}" if words else ""

    def _fail(self, how: str, outcome: TrainingOutcome) -> NoReturn:
        raise TrainingFailed(f"trainer {self._spec.training.trainer!r} {how}", outcome=outcome)

    def _end(self) -> None:
        """Kill the process, where it has not ended by itself, and what children it has left; once, for its number is another's some day."""
        if not self._ended:
            self._ended = True
            with suppress(ProcessLookupError):  # none is left
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _environment() -> dict[str, str]:
    """This process's, and the same vigil. Hashes are seeded, so that a trainer that goes through a set goes the same way again."""
    home = Path(vigil.__file__).parents[1]
    installed = home.name == "site-packages"  # then it is found anyway, after the standard library
    path = os.pathsep.join(filter(None, ["" if installed else str(home), os.environ.get("PYTHONPATH", "")]))
    mine = {"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **mine, **({"PYTHONPATH": path} if path else {})}


def _resident_mb(pid: int) -> float:
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):  # it has ended meanwhile
                total += each.memory_info().rss
    return total / 1e6


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code} before it answered"
    hint = "; the system does so where memory runs out" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{hint}"


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - KEPT_OUTPUT, 0))
    return file.read().decode(errors="replace").replace("\0", "\ufffd")
