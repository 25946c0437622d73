"""Look at all models: every window that is due, and every retraining that a killed run left unfinished."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.monitor import monitor
from flows.retrain import retrain
from tasks.alert import drain_outbox
from tasks.look import list_models, list_windows
from tasks.promotion import expire_approvals, follow_registry
from tasks.retraining import hand_over, list_unfinished
from tasks.watch import fail_turns, turn_of, watch_runs
from vigil.errors import VigilError, sentence_of


@flow(name="monitor_fleet")
def monitor_fleet(project: str, as_of: str | None = None) -> list[dict[str, Any]]:
    """Run ``monitor`` for every due window of every model of the project, oldest first.

    Before, the registry's alias follows the store's champion, or, where somebody moved it past vigil, that is recorded. After, approvals
    that nobody gave in time end, and people are told what is new about incidents.

    A model that fails, or whose specification is wrong, does not keep the others from being looked at; the run fails at its end and names
    those that failed.
    Writes that each model's turn was begun and how it ended, and what turns that failed say to incidents (the store); nothing else
    itself: a second run finds what the first one wrote.
    """
    summaries: list[dict[str, Any]] = []
    models, refused = list_models(project)
    failures = list(refused)
    for model in models:
        try:
            with turn_of(project, model):
                follow_registry(project, model, as_of)
                for decision in list_unfinished(project, model):
                    if not hand_over(project, decision):
                        retrain(project, decision.decision_id, as_of)
                summaries += [monitor(project, model, start, as_of) for start in list_windows(project, model, as_of)]
                expire_approvals(project, model)
        except Exception as error:  # what nobody foresaw about one model is no reason to leave the others alone
            failures.append(f"{model}: {sentence_of(error)}")
    fail_turns(project)
    watch_runs(project)
    drain_outbox(project, patience_seconds=0.0)
    if failures:
        raise VigilError(f"{len(failures)} of the models could not be looked at; " + "; ".join(failures))
    return summaries
