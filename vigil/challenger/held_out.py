"""What a new version measures on rows that it has not seen: every metric with its interval, by segment and group, and its calibration.

Differs from :mod:`vigil.performance`, which it asks: here it is of one version at its registration, kept with it as plain JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vigil.challenger.rows import LABEL, WEIGHT, groups_of
from vigil.measurement import Measurement
from vigil.performance.calibration import reliability
from vigil.performance.cores import Vector
from vigil.performance.fairness import Called, measure_fairness
from vigil.performance.measure import measure_performance
from vigil.spec.model import ModelSpec, Task

KEPT = ("metric", "subject", "value", "low", "high", "n")


def measured_on(held_out: pd.DataFrame, scores: Vector, spec: ModelSpec) -> dict[str, Any]:
    """Return ``measured`` (a list of metric, subject, value, low, high, n) and, of a binary model, ``calibration`` (a list of bins).

    Args:
        held_out: labelled rows (:func:`vigil.challenger.rows.labelled_rows`) with the protected columns that are known.
        scores: the version's score of each.
    """
    groups = groups_of(held_out, spec)
    known = spec.model_copy(
        update={"fairness": spec.fairness.model_copy(update={"protected": tuple(n for n in spec.fairness.protected if n in groups)})}
    )
    rows = groups.assign(score=scores, label=held_out[LABEL], inclusion_probability=1 / held_out[WEIGHT])
    found: tuple[Measurement, ...] = measure_performance(rows, known, version="", baseline=None)
    found += measure_fairness(rows, _called(groups, scores, known), known, version="")
    measured = [{name: getattr(each, name) for name in KEPT} for each in found]
    if spec.task is not Task.BINARY:
        return {"measured": measured}
    label, weight = (held_out[name].to_numpy(dtype=np.float64) for name in (LABEL, WEIGHT))
    return {"measured": measured, "calibration": [each._asdict() for each in reliability(scores, label, weight)]}


def _called(groups: pd.DataFrame, scores: Vector, spec: ModelSpec) -> Called:
    """How many of the held-out rows are in each protected group, and how many of them are called positive."""
    positive = pd.Series(scores >= spec.performance.decision_threshold, index=groups.index)
    found = {}
    for column in spec.fairness.protected:
        found[column] = {str(group): (len(called), int(called.sum())) for group, called in positive.groupby(groups[column])}
    return found
