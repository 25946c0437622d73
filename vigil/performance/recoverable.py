"""How much of a version's loss could be learned away: by how much small trees that learn from its errors improve its metric out of fold.

Differs from :mod:`.decomposition`, which divides a loss that came since the version was sound: whether a part of it comes back with a
retraining that cannot tell, for noise in the labels looks like a changed relation. A challenger learns the same from far more rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import logit
from threadpoolctl import threadpool_limits

from vigil.errors import NotEnoughData
from vigil.performance.binned import binned
from vigil.performance.cores import Vector
from vigil.performance.metrics import Estimate
from vigil.performance.paired import paired
from vigil.spec.model import Metric, Scoring

FOLDS = 5
FEWEST_ROWS = 100  # convention: four fifths are fitted on, and a leaf holds 20
BINS = 255  # that numbers are cut into: the most that the trees tell apart, so that nothing is lost that they would have seen
SUREST = 1e-6  # probabilities enter as log odds, no surer than this
_SMALL: dict[str, Any] = {"max_iter": 30, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 20, "early_stopping": False}


def recoverable_loss(
    metric: Metric,
    score: Vector,
    label: Vector,
    x: Vector,
    categorical: Sequence[bool],
    w: Vector,
    *,
    scoring: Scoring,
    binary: bool,
    confidence: float,
) -> Estimate:
    """Return by how much ``metric`` is better with what small gradient-boosted trees learn from the rows themselves, and its interval.

    In the metric's unit, positive = better: about what a retraining on rows like these would bring; where the loss is noise it is 0 or, for
    what the trees learn by chance, below. Binary: trees of the features and the score's log odds predict the label; regression: of the
    features and the score they predict the error, in the loss of the metric. They see the row's place in time too, so that what is true of
    the latest rows only is learned, and each row is scored by trees that were not fitted on it, of :data:`FOLDS` folds that take turns in
    time. Errors that last for some rows by themselves are therefore partly taken for learnable: it errs towards too much. The interval is
    the paired one of :func:`vigil.performance.paired.paired`: of the rows, the trees taken as given.

    Args:
        score, label, w: shape (n,), in order of time; ``w`` is one over the row's inclusion probability.
        x: shape (n, columns), the features; NaN is a value of its own.
        categorical: of each column, whether its values are codes 0, 1, ... and not numbers.

    Raises:
        NotEnoughData: fewer than :data:`FEWEST_ROWS` rows, one class only, or too few that count (:func:`.paired.paired`).
        ValueError: the metric is one of bins, not of rows (calibration error).
    """
    if metric is Metric.CALIBRATION_ERROR:
        raise ValueError("a calibration error is of bins, not of rows")
    if len(score) < FEWEST_ROWS or (binary and len(np.unique(label)) < 2):
        raise NotEnoughData(f"it needs {FEWEST_ROWS} labels{', of both classes' if binary else ''}, got {len(score)}")
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # takes seconds

    known = logit(np.clip(score, SUREST, 1 - SUREST)) if binary else score
    place = np.arange(len(score))
    kinds = [*categorical, False, False]
    seen = binned(np.column_stack([x, known, place]), kinds, BINS)
    better = score.astype(np.float64)
    trees: Any = HistGradientBoostingClassifier if binary else partial(HistGradientBoostingRegressor, **_loss_of(metric, scoring))
    with threadpool_limits(limits=1):  # on so few rows threads wait for each other, many times longer than they work
        for fold in range(FOLDS):
            there, here = place % FOLDS != fold, place % FOLDS == fold
            small = trees(**_SMALL, categorical_features=kinds, random_state=0)
            if not binary:
                better[here] += small.fit(seen[there], (label - score)[there], w[there]).predict(seen[here])
            elif len(np.unique(label[there])) == 2:
                better[here] = small.fit(seen[there], label[there], w[there]).predict_proba(seen[here])[:, 1]
    found = paired(metric, score, better, label, w, scoring)
    return Estimate(found.difference, *found.interval(confidence))


def _loss_of(metric: Metric, scoring: Scoring) -> dict[str, Any]:
    if metric is Metric.RMSE:
        return {"loss": "squared_error"}
    if metric is Metric.PINBALL:
        return {"loss": "quantile", "quantile": scoring.quantile}
    return {"loss": "absolute_error"}
