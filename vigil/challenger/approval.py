"""Who may let a challenger serve, and what exactly it is that they are asked.

Differs from :mod:`vigil.store.approvals`, which keeps question and answer and sees to it that there is one of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from vigil.errors import NotAllowed
from vigil.spec.model import ModelSpec
from vigil.store.records import Approval, Champion, Retraining


def asked_of(retraining: Retraining, champion: Champion, comparison: Mapping[str, Any], spec: ModelSpec, now: datetime) -> Approval:
    """Return what a person is asked about a challenger that won, until ``comparison.approval_days`` from now.

    ``now`` is the clock on the wall, also where old windows are looked at: it is now that somebody is asked.

    Raises:
        NotAllowed: there is no challenger yet.
    """
    if retraining.challenger is None:
        raise NotAllowed(f"the retraining of {retraining.decision_id} has no challenger yet")
    bound = {
        "decision_id": retraining.decision_id,
        "challenger": retraining.challenger,
        "champion": champion.version,
        "token": champion.token,
        "comparison": dict(comparison),
    }
    return Approval(
        decision_id=retraining.decision_id,
        model=retraining.model,
        challenger=retraining.challenger,
        champion=champion.version,
        token=champion.token,
        evidence=hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest(),
        asked_at=now,
        expires_at=now + timedelta(days=spec.comparison.approval_days),
    )


def require_may_answer(spec: ModelSpec, by: str, reason: str) -> None:
    """Raise NotAllowed where ``by`` is not among ``comparison.approvers`` (empty: everybody is), or gives no reason."""
    approvers = spec.comparison.approvers
    if approvers and by not in approvers:
        raise NotAllowed(f"{by} may not approve or reject challengers of {spec.model}; comparison.approvers are: {', '.join(approvers)}")
    if not reason.strip():
        raise NotAllowed("an answer needs a reason, which will stand in the audit trail: --reason TEXT")
