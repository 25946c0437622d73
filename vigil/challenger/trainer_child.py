"""The process that trains, as ``python -m vigil.challenger.trainer_child FOLDER TRAINER REQUEST ANSWER``.

It imports the project's trainer, waits for a line on standard input, fits a model to each frame of the request, writes one line of JSON
and the pickled models as its answer, and ends. When standard input is closed it ends at once, with its children.

``REQUEST`` and ``ANSWER`` are numbers of open files that :class:`vigil.challenger.trainer.TrainerProcess` passes on.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading
import traceback
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]

from vigil.challenger.fit import Trainer, load_trainer
from vigil.challenger.project_code import by_value, code_digest
from vigil.challenger.search import Searched, fit_searched
from vigil.errors import TrainingFailed, TrainingOutcome, VigilError


def main(folder: Path, reference: str, request: int, answer: int) -> None:
    asked, code = threading.Event(), ""
    threading.Thread(target=_listen, args=(_taken_input(), asked), daemon=True).start()
    try:
        trainer = load_trainer(folder, reference)
        asked.wait()
        (models, searched), outcome, message = _fitted(trainer, folder, request), TrainingOutcome.TRAINED, ""
        code = code_digest(folder, reference)
    except TrainingFailed as error:
        traceback.print_exception(error.__cause__ or error)
        models, searched, outcome, message = b"", None, error.outcome, str(error)
    except VigilError as error:
        models, searched, outcome, message = b"", None, TrainingOutcome.UNUSABLE, str(error)
    except (SystemExit, KeyboardInterrupt) as error:  # let through, it would end the process without an answer
        models, searched, outcome = b"", None, TrainingOutcome.RAISED
        message = f"trainer {reference!r} raised {type(error).__name__}: {error}"
    with os.fdopen(answer, "wb") as file:
        found = None if searched is None else searched.to_json()
        said = {"outcome": outcome.value, "message": message, "searched": found, "code_digest": code}
        file.write(json.dumps(said).encode() + b"\n" + models)
    _leave()


def _fitted(trainer: Trainer, folder: Path, request: int) -> tuple[bytes, Searched | None]:
    os.lseek(request, 0, os.SEEK_SET)
    with os.fdopen(request, "rb") as file:
        spec, frames = pickle.load(file)  # noqa: S301 - written by the process that started this one
    models, searched = fit_searched(trainer, frames, spec)
    try:
        with by_value(folder):
            pickled: bytes = cloudpickle.dumps(models)
    except Exception as error:  # whatever the model's code raises while it is pickled
        raise TrainingFailed(f"{spec.model}: the fitted model cannot be saved: {type(error).__name__}: {error}") from error
    return pickled, searched


def _taken_input() -> int:
    """Take standard input and leave an empty one: a trainer that asks a question is told at once that nobody answers."""
    taken, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return taken


def _listen(to: int, asked: threading.Event) -> None:
    """Pass on the first line; at the end of the file, which is the end of the other process, end this one and its children."""
    with os.fdopen(to, "rb") as file:
        if file.readline():
            asked.set()
            file.read()
    os.killpg(0, signal.SIGKILL)


def _leave() -> None:
    """End, with whatever children the trainer has left, and without what its threads would wait for."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
