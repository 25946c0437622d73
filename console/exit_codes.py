"""Exit codes of the ``vigil`` command, and the one place that maps errors to them."""

from __future__ import annotations

from enum import IntEnum

from vigil import errors


class ExitCode(IntEnum):
    """What a script can tell apart. They do not change between releases."""

    OK = 0
    FAILED = 1  # the operation failed, or something unexpected happened
    USAGE = 2  # wrong arguments, no such project, model or decision, or a wrong specification
    DATA = 3  # the data is not as specified, or too little
    UNREACHABLE = 4  # store, registry or orchestrator cannot be used
    CONFLICT = 5  # somebody else was first, or the operation is not allowed now
    NOT_READ = 141  # whoever read the output left before its end, as of any command in a pipe (128 + SIGPIPE)


class UsageError(errors.VigilError):
    """What the command was asked about does not exist, or the arguments do not fit together."""


CODES: dict[type[BaseException], ExitCode] = {
    UsageError: ExitCode.USAGE,
    errors.SpecError: ExitCode.USAGE,
    errors.ProjectNotFound: ExitCode.USAGE,
    errors.ModelNotFound: ExitCode.USAGE,
    errors.IncidentNotFound: ExitCode.USAGE,
    errors.ChampionNotFound: ExitCode.USAGE,
    errors.SourceError: ExitCode.DATA,
    errors.NotEnoughData: ExitCode.DATA,
    errors.LabelError: ExitCode.DATA,
    errors.RegistryError: ExitCode.UNREACHABLE,
    errors.StoreError: ExitCode.UNREACHABLE,
    errors.OrchestratorError: ExitCode.UNREACHABLE,
    errors.ChannelError: ExitCode.UNREACHABLE,
    errors.Conflict: ExitCode.CONFLICT,
    errors.NotAllowed: ExitCode.CONFLICT,
    errors.CheckCrashed: ExitCode.FAILED,
    errors.TrainingFailed: ExitCode.FAILED,
    errors.MetricFailed: ExitCode.FAILED,
    errors.VigilError: ExitCode.FAILED,
}


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the code of the nearest class of ``error`` that has one; any other error is a failure.

    >>> exit_code_of(errors.Conflict("moved on")).name
    'CONFLICT'
    """
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), ExitCode.FAILED)
