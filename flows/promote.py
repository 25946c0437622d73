"""A person's word on who serves: approve a challenger that waits or reject it, or bring an earlier champion back, with a reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import flow

from tasks.card import publish_card
from tasks.promotion import answer_challenger, roll_back_champion
from tasks.publish import publish_retraining


@flow(name="approve", flow_run_name="approve {decision_id}")
def approve(project: str, decision_id: str, by: str, reason: str, evidence: str | None = None) -> dict[str, Any]:
    """Promote the challenger of ``decision_id``: one move of the champion in the store, then the MLflow alias.

    The same person's approving again changes nothing; that somebody else answered, or the champion moved since the comparison, is a
    conflict.

    Args:
        evidence: the digest of what the person read (``vigil why``); another one is a conflict. None: not compared.
    """
    retraining = answer_challenger(project, decision_id, by, reason, approve=True, evidence=evidence)
    publish_card(project, retraining.model, retraining.challenger)
    return publish_retraining(project, decision_id)


@flow(name="reject", flow_run_name="reject {decision_id}")
def reject(project: str, decision_id: str, by: str, reason: str) -> dict[str, Any]:
    """Keep the champion, and the word and reason of the person who said so."""
    retraining = answer_challenger(project, decision_id, by, reason, approve=False)
    publish_card(project, retraining.model, retraining.challenger)
    return publish_retraining(project, decision_id)


@flow(name="rollback", flow_run_name="rollback {model}")
def rollback(project: str, model: str, by: str, reason: str, version: str | None = None) -> dict[str, Any]:
    """Make an earlier champion of ``model`` serve again: one move in the store, then the MLflow alias.

    Rolling back to the version that serves changes nothing. A challenger that was compared with the version that is gone is not
    promoted any more: its comparison no longer says anything about who serves.

    Args:
        version: default the one that the champion replaced.
    """
    return asdict(roll_back_champion(project, model, version, by, reason))
