"""Did a promotion pay? The promoted version against the one that it replaced, on the rows of the windows that it served over its horizon.

Differs from :mod:`vigil.challenger.compare`, whose rows come before the promotion: a challenger that was chosen because it was better
there looks better there than it is, and how long its gain lasts is not seen at all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from vigil.challenger.compare import compare
from vigil.challenger.fit import score
from vigil.challenger.make import labelled_in
from vigil.challenger.rows import LABEL, WEIGHT, labelled_rows
from vigil.decision.types import Decision
from vigil.spec.model import Economics, ModelSpec
from vigil.store.history import history_of
from vigil.store.records import Payoff, Retraining, RetrainingState
from vigil.window import Window
from vigil.workspace import Workspace

HORIZON_WINDOWS = Economics.model_fields["horizon_windows"].default  # where the specification has no economics
SCORED_ROWS = 50_000  # labelled rows at most, drawn with the specification's seed


def horizon(spec: ModelSpec, decision: Decision, retraining: Retraining) -> tuple[Window, ...]:
    """Return the windows over which a promotion's gain is believed to last: from the one in which it was made, after the decision's."""
    first = max(decision.window.shifted(1), spec.window.containing(retraining.updated_at))
    count = HORIZON_WINDOWS if spec.policy.economics is None else spec.policy.economics.horizon_windows
    return tuple(first.shifted(step) for step in range(count))


def due_payoffs(work: Workspace, now: datetime) -> tuple[tuple[Retraining, Decision], ...]:
    """Return the promotions whose horizon is over and whose gain is not measured yet, in the order they were requested."""
    measured = {payoff.decision_id for payoff in work.store.payoffs(work.spec.model)}
    found = []
    for retraining in work.store.retrainings(work.spec.model):
        if retraining.state is not RetrainingState.PROMOTED or retraining.decision_id in measured:
            continue
        decision = work.store.decision(retraining.decision_id)
        compared = retraining.comparison.get("difference") is not None
        if decision is not None and compared and work.spec.as_of(horizon(work.spec, decision, retraining)[-1]) <= now:
            found.append((retraining, decision))
    return tuple(found)


def measure_payoff(work: Workspace, retraining: Retraining, decision: Decision, replaced: Any, promoted: Any) -> Payoff:
    """Measure what a promotion brought, with the labels known when the horizon's last window was due.

    Rows are the labelled ones of the horizon's windows that the promoted version served, that passed quality and lie in no declared event;
    both models score them. A version that was soon replaced itself may have too few: then the gain is unknown.

    Raises:
        SourceError, TrainingFailed: the rows cannot be read, or a model cannot score them.
    """
    spec, windows = work.spec, horizon(work.spec, decision, retraining)
    due = spec.as_of(windows[-1])
    looks = history_of(work.store, spec, start=windows[0].start, end=windows[-1].end, as_of=due)
    served = tuple(
        look.window
        for look in looks
        if look.version == retraining.challenger
        and look.quality_passed
        and not any(anomaly.overlaps(look.window) for anomaly in spec.policy.anomalies)
    )
    rng = np.random.default_rng(spec.training.seed)
    unknown = Payoff(
        decision_id=decision.decision_id,
        model=spec.model,
        as_of=due,
        metric=spec.compared_on.value,
        predicted=float(retraining.comparison["difference"]),
        realised=None,
        low=None,
        high=None,
        n=0,
        windows=len(served),
    )
    if not served:
        return unknown
    rows = labelled_rows(labelled_in(work, served, replace(decision, as_of=due)), spec)
    if len(rows) > SCORED_ROWS:
        rows = rows.iloc[np.sort(rng.choice(len(rows), SCORED_ROWS, replace=False))].reset_index(drop=True)
    label, weight = rows[LABEL].to_numpy(), rows[WEIGHT].to_numpy()
    found = compare(score(replaced, rows, spec), score(promoted, rows, spec), label, weight, spec, rng)
    return replace(unknown, realised=found.difference, low=found.low, high=found.high, n=found.n)
