"""What came of the year: one row a week from the store, and both models' AUC on the outcomes of ALL flights.

vigil itself sees a fifth of the outcomes. Here, after the fact, the looped model (whichever version served) and the frozen
one (version 1 all year) are compared on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from examples.flights.faults import Fault
from examples.flights.play import frozen_scores, served_scores
from vigil.alerts.incident import Incident
from vigil.decision.types import Action, Decision
from vigil.measurement import NOTHING, TRAINING, WHOLE, Layer, Measurement, Verdict
from vigil.performance.metrics import roc_auc
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Retraining, Version
from vigil.window import Window

Incidents = tuple[Incident, ...]


@dataclass(frozen=True)
class Week:
    """One week: what was measured and decided, and the AUC of both models on all its outcomes."""

    window: Window
    version: str
    decision: Decision
    retraining: Retraining | None
    failed: tuple[Measurement, ...]  # critical expectations that did not hold
    drift: Measurement | None
    performance: Measurement | None
    looped_auc: float
    frozen_auc: float

    @property
    def refused(self) -> bool:
        """Whether the week's data was found to be at fault: neither model is judged on it, and none is trained on it."""
        return self.decision.action is Action.FIX_DATA


@dataclass(frozen=True)
class Contest:
    """The looped model against the frozen one over the weeks that were not refused: means of weekly AUCs."""

    weeks: int
    looped: float
    frozen: float
    better: int  # weeks in which the served model differed from version 1 and was better
    differing: int


def weeks_of(folder: Path, flights: pd.DataFrame, spec: ModelSpec, store: Store) -> tuple[Week, ...]:
    """Return the weeks that were decided about, in order."""
    aucs = weekly_aucs(folder, flights, spec)
    decisions = {decision.evaluation_id: decision for decision in store.decisions(spec.model)}
    retrainings = {retraining.decision_id: retraining for retraining in store.retrainings(spec.model)}
    evaluations = [found for found in store.evaluations(spec.model) if found.evaluation_id in decisions]
    measured = store.measurements([found.evaluation_id for found in evaluations])
    weeks = []
    for found in evaluations:
        decision, all_of_it = decisions[found.evaluation_id], measured.get(found.evaluation_id, ())
        weeks.append(
            Week(
                window=found.window,
                version=found.version,
                decision=decision,
                retraining=retrainings.get(decision.decision_id),
                failed=tuple(m for m in all_of_it if m.layer is Layer.DATA_QUALITY and m.verdict is Verdict.BREACH),
                drift=_whole(all_of_it, Layer.DRIFT, "drift_share"),
                performance=_whole(all_of_it, Layer.PERFORMANCE, spec.performance.metric.value),
                looped_auc=float(aucs.loc[found.window.start, "looped"]),
                frozen_auc=float(aucs.loc[found.window.start, "frozen"]),
            )
        )
    return tuple(weeks)


def weekly_aucs(folder: Path, flights: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return the AUC of the served and of the frozen scores on all flights that landed, by the start of their window."""
    landed = flights.loc[flights["label"].notna(), ["prediction_id", "event_time", "label"]]
    rows = landed.merge(served_scores(folder), on="prediction_id").merge(
        frozen_scores(folder), on="prediction_id", suffixes=("", "_frozen")
    )
    starts = spec.window.anchor + (rows["event_time"] - spec.window.anchor) // spec.window.length * spec.window.length
    found = {
        start: (roc_auc(week["score"], week["label"].astype("float64")), roc_auc(week["score_frozen"], week["label"].astype("float64")))
        for start, week in rows.groupby(starts)
    }
    return pd.DataFrame.from_dict(found, orient="index", columns=["looped", "frozen"])


def incidents_by_fault(incidents: Sequence[Incident], faults: Sequence[Fault]) -> tuple[dict[Fault, Incidents], Incidents]:
    """Return fault -> the incidents that were in breach in its week, and the incidents that were in none of the faults' weeks."""
    found = {
        fault: tuple(each for each in incidents if any(fault.week.start.isoformat() in seen.breaches for seen in each.signals.values()))
        for fault in faults
    }
    explained = {each.incident_id for some in found.values() for each in some}
    return found, tuple(each for each in incidents if each.incident_id not in explained)


def contest(weeks: Sequence[Week]) -> Contest:
    """Compare the two models over the weeks that were not refused."""
    kept = [week for week in weeks if not week.refused]
    differing = [week for week in kept if week.looped_auc != week.frozen_auc]
    return Contest(
        weeks=len(kept),
        looped=float(np.mean([week.looped_auc for week in kept])) if kept else float("nan"),
        frozen=float(np.mean([week.frozen_auc for week in kept])) if kept else float("nan"),
        better=sum(week.looped_auc > week.frozen_auc for week in differing),
        differing=len(differing),
    )


def refused_in_training(weeks: Sequence[Week], versions: Sequence[Version]) -> dict[str, tuple[str, ...]]:
    """Return version -> refused weeks in its training or comparison, by its lineage; empty where there are none, as it should be."""
    refused = {week.window.key for week in weeks if week.refused}
    used = {v.version: (*v.training.get("trained_on", ()), *v.training.get("holdout", ())) for v in versions}
    return {version: tuple(key for key in keys if key in refused) for version, keys in used.items() if refused.intersection(keys)}


def _whole(measurements: Sequence[Measurement], layer: Layer, metric: str) -> Measurement | None:
    whole = (m for m in measurements if (m.layer, m.metric, m.subject) == (layer, metric, WHOLE))
    return next((m for m in whole if m.reference in (TRAINING, NOTHING)), None)
