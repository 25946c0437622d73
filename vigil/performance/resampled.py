"""A metric under many weightings of the same rows at once, as a bootstrap needs it. No check, no interval.

Differs from :mod:`vigil.performance.metrics`, which measures one weighting, and gives the interval in closed form.
"""

from __future__ import annotations

import numpy as np

from vigil.performance.cores import Vector
from vigil.performance.metrics import parts_of
from vigil.spec.model import Metric, Scoring


def values_under(metric: Metric, scoring: Scoring, score: Vector, label: Vector, weights: Vector) -> Vector:
    """Return the metric under each row of ``weights``, shape ``(len(weights),)``; NaN where one has no value.

    Weights may be 0: such a row is not there.
    """
    if metric is Metric.ROC_AUC:
        return _aucs(score, label, weights)
    each, times = parts_of(metric, score, label, scoring)
    counted = weights @ times
    means = np.divide(weights @ (each * times), counted, out=np.full(len(weights), np.nan), where=counted > 0)
    return np.asarray(np.sqrt(means) if metric is Metric.RMSE else means)


def _aucs(score: Vector, label: Vector, weights: Vector) -> Vector:
    """:func:`vigil.performance.cores.auc` under each row of ``weights``; the scores are ranked once."""
    order = np.argsort(score, kind="stable")
    positive = label[order] == 1
    up, down = order[positive], order[~positive]
    below = np.zeros((len(weights), len(down) + 1))  # the weight of the negatives before each place among them
    np.cumsum(weights[:, down], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(score[down], score[up], side=side) for side in ("left", "right"))  # of equal scores half counts
    won = weights[:, up]
    pairs = won.sum(axis=1) * below[:, -1]
    won *= below[:, first] + below[:, last]
    return np.asarray(np.divide(won.sum(axis=1) / 2, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
