"""A person's word on which version serves: approve a challenger that waits, reject it, or roll a release back, with a reason."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.promotion import approve_challenger, reject_challenger, roll_back
from tasks.publish import publish_retraining


@flow(name="approve", flow_run_name="approve {decision_id}")
def approve(project: str, decision_id: str, by: str, reason: str) -> dict[str, Any]:
    """Promote the challenger of ``decision_id``: one move of the champion in the store, then the MLflow alias.

    Approving again what is promoted changes nothing; a champion that moved since the comparison is a conflict.
    """
    approve_challenger(project, decision_id, by, reason)
    return publish_retraining(project, decision_id)


@flow(name="reject", flow_run_name="reject {decision_id}")
def reject(project: str, decision_id: str, by: str, reason: str) -> dict[str, Any]:
    """Keep the champion, and the word and reason of the person who said so."""
    reject_challenger(project, decision_id, by, reason)
    return publish_retraining(project, decision_id)


@flow(name="rollback", flow_run_name="rollback {model} to {version}")
def rollback(project: str, model: str, version: str, by: str, reason: str) -> dict[str, Any]:
    """Make an earlier version champion again: one move of the champion in the store, then the MLflow alias.

    Rolling back again to the version that serves changes nothing.
    """
    promotion = roll_back(project, model, version, by, reason)
    return {"model": model, "version": promotion.version, "replaced": promotion.replaced, "by": promotion.by, "reason": promotion.reason}
