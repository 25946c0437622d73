"""Every error that vigil raises on purpose: one root, few flat subclasses that carry the identifiers.

A message says what was expected, what came, and what to do next. The library raises; command line, pages and flows
translate.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class VigilError(Exception):
    """Root of all errors raised on purpose by vigil."""


def sentence_of(error: Exception) -> str:
    """Say what went wrong; of an error that nobody foresaw, and that may say little, its type too.

    >>> sentence_of(VigilError("nothing is due")), sentence_of(KeyError("age"))
    ('nothing is due', "unexpected KeyError: 'age'")
    """
    return str(error) if isinstance(error, VigilError) else f"unexpected {type(error).__name__}: {error}"


class SpecError(VigilError):
    """A specification file is wrong. ``file``, ``line`` (1-based, None when unknown) and ``key`` say where.

    ``others`` are the file's further errors, by line; the message counts them.
    """

    def __init__(
        self, message: str, *, file: str, line: int | None = None, key: str | None = None, others: Sequence[SpecError] = ()
    ) -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {f'`{key}`: ' if key else ''}{message}")
        self.file, self.line, self.key, self.others = file, line, key, tuple(others)


class ProjectNotFound(VigilError):
    """No vigil.yaml was found where the project was looked for."""


class ModelNotFound(VigilError):
    """No model of this name is specified in the project."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        names = ", ".join(known) if known else "none yet: add models/NAME.yaml"
        super().__init__(f"no model {model!r} in this project; the models are: {names}")
        self.model, self.known = model, tuple(known)


class SourceError(VigilError):
    """Data cannot be read as the specification says: a file or column is missing, unreadable or of another type."""

    def __init__(self, message: str, *, source: str, column: str | None = None) -> None:
        super().__init__(f"{source}: {f'column `{column}`: ' if column else ''}{message}")
        self.source, self.column = source, column


class NotEnoughData(VigilError):
    """An operation that cannot be done with so few rows was asked for (measuring never raises this: it has a verdict)."""


class CheckCrashed(VigilError):
    """A data-quality check could not be computed. That is a defect of the check or the engine, not of the data."""


class RegistryError(VigilError):
    """The model registry cannot be reached or does not hold what was asked for."""


class OrchestratorError(VigilError):
    """Prefect's API cannot be reached."""


class TrainingOutcome(StrEnum):
    """How an attempt to train ended."""

    TRAINED = "trained"
    RAISED = "raised"  # the trainer raised, or cannot be imported
    UNUSABLE = "unusable"  # what it returned cannot score, or cannot be saved
    NOT_A_NUMBER = "not_a_number"  # a score or the metric is NaN or infinite
    CRASHED = "crashed"  # its process ended without an answer
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"


class TrainingFailed(VigilError):
    """The trainer raised, crashed, went over a limit, or returned something that cannot score. ``outcome`` says which."""

    def __init__(self, message: str, *, outcome: TrainingOutcome = TrainingOutcome.UNUSABLE) -> None:
        super().__init__(message)
        self.outcome = outcome


class ChannelError(VigilError):
    """A channel for alerts cannot be used as it is configured."""


class MetricFailed(VigilError):
    """A metric of the project's own cannot be imported, raised, or returned no finite number."""


class LabelError(VigilError):
    """A file of labels cannot be imported, and nothing of it was. ``row`` (1-based, None: the whole file) and ``column`` say where."""

    def __init__(self, message: str, *, file: str, row: int | None = None, column: str | None = None) -> None:
        where = file if row is None else f"{file}, row {row}"
        super().__init__(f"{where}: {f'column `{column}`: ' if column else ''}{message}")
        self.file, self.row, self.column = file, row, column


class StoreError(VigilError):
    """The monitoring database cannot be used as it is."""


class IncidentNotFound(StoreError):
    """No incident of this id is in the store."""


class ChampionNotFound(StoreError):
    """No version of the model is in service yet, or not the one that its predictions name."""


class Conflict(VigilError):
    """Somebody else was first: the row that this write expected has moved on. Read again, then decide again."""


class NotAllowed(VigilError):
    """The operation is not allowed in the state that things are in, or to the person who asked."""
