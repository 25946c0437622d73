"""From a RETRAIN decision to a registered challenger, compared with the champion, and promoted, kept back or waiting."""

from __future__ import annotations

from typing import Any

from prefect import State, flow

from tasks.card import publish_card
from tasks.promotion import settle
from tasks.publish import publish_retraining, retrain_run_name, state_of
from tasks.retraining import compare_challenger, open_retraining, train_challenger
from vigil.store.records import RetrainingState


@flow(name="retrain", flow_run_name=retrain_run_name("{decision_id}"))
def retrain(project: str, decision_id: str, as_of: str | None = None) -> State[dict[str, Any]]:
    """Carry out one retraining decision, from wherever an earlier run left it.

    Writes: one retraining row (the store); one version with its lineage (MLflow and the store), found again by its
    decision id and never registered twice; how each attempt to train it ended; one comparison; at most one move of
    the champion; the version's model card (MLflow). Each step looks first whether it was done, so a run that is killed
    anywhere is finished by the next.

    Its run ends in a state that is named by how the retraining stands, such as ``Waiting for approval``, and bears the tag
    ``waits-for-approval`` while that is so; called as a function it returns a summary.

    Args:
        project: the project's folder.
        as_of: ISO moment that the writes bear; default now. Labels count as of the decision, whenever this runs.
    """
    retraining = open_retraining(project, decision_id, as_of)
    if not retraining.state.final:
        train_challenger(project, decision_id, as_of)
        retraining = settle(project, decision_id, compare_challenger(project, decision_id), as_of)
        publish_card(project, retraining.model, retraining.challenger)
    summary = publish_retraining(project, decision_id)
    return state_of(RetrainingState(summary["state"]), decision_id, summary["reason"], data=summary)
