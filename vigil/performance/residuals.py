"""What a regression's error would be if errors were still made as they were: an *estimate* before labels come, blind to concept drift.

A small model of past losses says which rows are hard (direct loss estimation, as NannyML calls it; regression trees on the features and
the prediction), and in bands of what it says its level is set right by the losses that were really made there. It sees that a window
has harder rows. It does NOT see that the relation of features and label changed (concept drift), the most frequent kind, nor a bias that
no past label shows, so nothing is decided by it alone. Differs from :mod:`vigil.performance.label_free`, whose scores are probabilities
that say themselves how sure they are: a regression's prediction does not.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from vigil.errors import NotEnoughData
from vigil.measurement import Measurement
from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.performance.intervals import log_interval, skewed_interval
from vigil.performance.label_free import shown_estimate
from vigil.performance.metrics import Estimate, around, parts_of
from vigil.spec.model import Metric, ModelSpec, Scoring

FOLDS = 5  # each labelled row's loss is expected by a model that was not fitted on it; convention
BANDS = 10  # of the expected loss, each with its own level; fewer where one would have less than PER_BAND rows
PER_BAND = 20  # rows from which a mean loss is nearly normal; as the bins of the calibration error
LEAST = 0.1  # of the mean loss: what is expected at least of a row, so that no band expects nothing; the bands set the level right
TREE: dict[str, Any] = {"max_leaf_nodes": 16, "min_samples_leaf": 50, "random_state": 0}  # larger ones fit noise, which hides who is hard
ABOUT = (
    "an estimate from the features and predictions alone by a model of past errors, blind to concept drift; "
    "the interval is of the past labels and the sample only"
)


class Past(NamedTuple):
    """Labelled rows of earlier windows: features (n, columns), prediction, label and weight (one over the inclusion probability)."""

    features: Vector
    score: Vector
    label: Vector
    weight: Vector


def expected_loss(
    metric: Metric,
    features: Vector,
    score: Vector,
    past: Past,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    scoring: Scoring | None = None,
) -> Estimate:
    """Return the expected value of a regression's ``metric`` on rows without labels, with its interval; the same in any order of rows.

    With ``g`` the loss that a tree expects of a row, by the mean over folds, and a band b of it:

        value = sum over b of mean over rows of (g in b) * (mean past loss in b) / (mean past g in b)

    a past row's ``g`` being that of the fold that it was held out of; of the RMSE the root of it. The variance is linearised: that of the
    past losses within bands (:func:`vigil.performance.cores.stratified_jackknife`) and that of the rows' own mean. At 95 % it covers 93 to
    97 % in simulation with rows as they were, and about 93 % where rows are much harder, for a band does not know all that makes them so
    (tests/performance/test_residuals.py). Rows beyond all that was seen count as the nearest that was; past rows that do not count for
    the metric (MAPE: label 0) are left out.

    Args:
        features: shape (m, columns); categories as codes, the most frequent first; NaN is a value of its own, infinite numbers count as
            the largest.
        score: the predictions, shape (m,), finite; the tree sees them as one more feature.

    Raises:
        NotEnoughData: no row to estimate for, or fewer than two bands of past rows that count.
    """
    value_each, times = parts_of(metric, past.score, past.label, scoring or Scoring())
    x, loss, weight = _columns(past.features, past.score)[times > 0], value_each[times > 0], past.weight[times > 0]
    if len(score) == 0 or len(loss) < 2 * PER_BAND:
        raise NotEnoughData(
            f"the expected {metric} needs {2 * PER_BAND} past labels that count and a row, got {len(loss)} and {len(score)}"
        )
    order = np.lexsort((weight, loss, *x.T))
    x, loss, weight = x[order], loss[order], weight[order]
    if loss.max() == 0:
        return Estimate(0.0, 0.0, 0.0)
    now = _columns(features, score)
    now = now[np.lexsort(now.T)]
    expected, everywhere = _expected(x, loss, weight, now, rng)
    edges = _edges(expected)
    band, bands = np.searchsorted(edges, expected, side="right"), len(edges) + 1
    mass = np.bincount(band, weight * expected, bands)
    level = np.bincount(band, weight * loss, bands) / mass
    of = np.searchsorted(edges, everywhere, side="right")  # folds by rows
    value = float(np.mean(level[of] * everywhere))
    part = np.bincount(of.ravel(), everywhere.ravel(), bands) / everywhere.size
    falls = (part / mass)[band] * weight * (loss - level[band] * expected)
    of_labels, df = cores.stratified_jackknife(falls, band)
    variance = of_labels + float(np.var(np.mean(level[of] * everywhere, axis=0))) / len(now)
    if variance <= 0 or value <= 0:
        return Estimate(_unit(metric, value), _unit(metric, value), _unit(metric, value))
    df = df * (variance / of_labels) ** 2 if of_labels > 0 else math.inf
    if metric is Metric.RMSE:
        low, high = skewed_interval(value, variance, cores.skewness(falls), df, confidence)
        return around(_unit(metric, value), (_unit(metric, low), _unit(metric, high)))
    return around(value, log_interval(value, variance, df, confidence))


def residual_measurement(features: Vector, score: Vector, past: Past, spec: ModelSpec, *, version: str, seed: int) -> Measurement:
    """Measure the expected value of the specification's metric, shown and never judged; too few past labels are ``not_enough_data``."""
    performance, found = spec.performance, None
    if len(past.label) >= spec.labels.minimum:
        options: dict[str, Any] = {"confidence": performance.confidence, "scoring": performance.scoring, "rng": np.random.default_rng(seed)}
        with suppress(NotEnoughData):
            found = expected_loss(performance.metric, features, score, past, **options)
    return shown_estimate(performance.metric, found, len(score), version=version, about=ABOUT, calibrated_on=len(past.label))


def _columns(features: Vector, score: Vector) -> Vector:
    """The features and the prediction beside each other; infinite numbers count as the largest that the trees take."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(np.column_stack([features, score]), -largest, largest)


def _expected(x: Vector, loss: Vector, weight: Vector, now: Vector, rng: np.random.Generator) -> tuple[Vector, Vector]:
    """What is expected of each past row, by the fold without it, and of each row now by every fold (folds, rows)."""
    from sklearn.tree import DecisionTreeRegressor

    fold = rng.permutation(len(loss)) % FOLDS
    expected, everywhere = np.empty(len(loss)), np.empty((FOLDS, len(now)))
    least = LEAST * cores.weighted_mean(loss, weight)
    for k in range(FOLDS):
        made: Any = DecisionTreeRegressor
        tree = made(**TREE).fit(x[fold != k], loss[fold != k], sample_weight=weight[fold != k])
        expected[fold == k] = np.maximum(tree.predict(x[fold == k]), least)
        everywhere[k] = np.maximum(tree.predict(now), least)
    return expected, everywhere


def _edges(expected: Vector) -> Vector:
    """What parts the past rows into bands of about equal size; fewer where expectations are tied."""
    bands = min(BANDS, len(expected) // PER_BAND)
    inner = np.sort(expected)[[len(expected) * place // bands for place in range(1, bands)]]
    edges: Vector = np.unique(inner[inner > expected.min()])
    return edges


def _unit(metric: Metric, value: float) -> float:
    return math.sqrt(value) if metric is Metric.RMSE else value
