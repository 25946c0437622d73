"""Make a challenger, as often as the specification says where the trainer fails; how each attempt ended is recorded.

Differs from :mod:`vigil.challenger.make`, which makes one and raises where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from vigil.challenger.make import Made, make_challenger
from vigil.challenger.trainer import TrainerHere, TrainerProcess
from vigil.decision.types import Action, Decision
from vigil.errors import TrainingFailed, TrainingOutcome
from vigil.store.records import TrainingAttempt
from vigil.workspace import Workspace


def make_recorded(
    work: Workspace, decision: Decision, at: datetime, champion: Any = None, meanwhile: Callable[[], None] | None = None
) -> Made:
    """Make the challenger that a decision asks for, with ``training.retries`` further attempts where the trainer fails.

    Attempts of an earlier run that was killed count; one that was killed itself did not come to an end and does not.

    A RECALIBRATE decision asks no trainer: its challenger is made around ``champion``, and that is no attempt.

    Args:
        meanwhile: as :class:`~vigil.challenger.trainer.TrainerProcess` takes it.

    Raises:
        TrainingFailed: the last attempt's failure.
        NotEnoughData, SourceError: as :func:`vigil.challenger.make.make_challenger`; that is no attempt, the trainer was not asked.
    """
    if decision.action is Action.RECALIBRATE:
        return make_challenger(work, decision, TrainerHere(work.project.folder, work.spec), champion)
    past = [attempt for attempt in work.store.training_attempts(work.spec.model) if attempt.decision_id == decision.decision_id]
    failed = [attempt for attempt in past if attempt.outcome is not TrainingOutcome.TRAINED]
    number = len(past)
    while len(failed) <= work.spec.training.retries:
        number += 1
        with TrainerProcess(work.project.folder, work.spec, meanwhile) as trainer:
            outcome, message = TrainingOutcome.TRAINED, ""
            try:
                made = make_challenger(work, decision, trainer)
            except TrainingFailed as error:
                outcome, message = error.outcome, str(error)
        attempt = TrainingAttempt(
            decision_id=decision.decision_id,
            number=number,
            model=work.spec.model,
            at=at,
            outcome=outcome,
            seconds=trainer.seconds,
            peak_mb=trainer.peak_mb,
            message=message,
            output=trainer.output,
        )
        work.store.record_training_attempt(attempt)
        if outcome is TrainingOutcome.TRAINED:
            return replace(made, output=trainer.output)
        failed.append(attempt)
    told = f" ({len(failed)} attempts failed)" if len(failed) > 1 else ""
    raise TrainingFailed(failed[-1].message + told, outcome=failed[-1].outcome)
