"""Performance metrics of labelled predictions, weighted for sampled labels, each with a confidence interval.

Differs from :mod:`vigil.performance.cores` (the bare arithmetic) and :mod:`vigil.performance.measure` (what a value says
against the baseline). All functions share these terms:

- ``score``: binary, the probability of the positive class in [0, 1]; regression, the predicted value. Finite.
- ``label``: binary 0 or 1; regression the true value. Finite.
- ``weight``: one over the row's inclusion probability, positive; None where every row was certain to be labelled. The
  values are Hajek estimates: ratios of weighted sums (Hajek 1971; Sarndal, Swensson & Wretman 1992, 5.7).
- ``stratum``: an integer per row where the labels were drawn by strata, each row weighted by its stratum's rows over its labels;
  None where every row was drawn by itself. Only what differs within strata is chance then, so intervals are narrower.
- ``scoring``: the threshold from which a score says "positive", and the quantile that it predicts (:class:`~vigil.spec.model.Scoring`).
- no rows, or for the AUC one class only: :class:`~vigil.errors.NotEnoughData`. Values that do not fit: ValueError.

The intervals are for the model's performance in the process that the window is a sample of, not for the window's own
rows: with every row labelled they do not shrink to a point. Seen as a finite population, under Poisson sampling, each
squared term would be multiplied by one minus its inclusion probability; the intervals given are wider, by that factor.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.errors import NotEnoughData
from vigil.performance import cores
from vigil.performance.calibration import calibration_error
from vigil.performance.cores import Vector
from vigil.performance.intervals import Interval, log_interval, logit_interval, skewed_interval, wilson_interval
from vigil.spec.model import Metric, Scoring, Task

DEFAULT_SCORING = Scoring()


class Estimate(NamedTuple):
    """A metric's value with the ends of its confidence interval; ``low <= value <= high``."""

    value: float
    low: float
    high: float


def roc_auc(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the probability that a positive scores higher than a negative, ties half. In [0, 1], larger is better.

    Sees order only: scores that are all twice too large rank as well.

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return value_of(Metric.ROC_AUC, score, label, weight)


def log_loss(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of ``-log`` of the probability given to what happened, in nats. At least 0, smaller is better.

    Probabilities are clipped to [eps, 1 - eps], eps = 2.2e-16.

    >>> round(log_loss([0.5, 0.25], [1, 0]), 4)
    0.4904
    """
    return value_of(Metric.LOG_LOSS, score, label, weight)


def brier(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of ``(score - label)^2`` (Brier 1950). In [0, 1], smaller is better.

    >>> brier([0.5, 0.0], [1, 0])
    0.125
    """
    return value_of(Metric.BRIER, score, label, weight)


def accuracy(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the share of rows where ``score >= 0.5`` says what happened. In [0, 1], larger is better.

    >>> accuracy([0.5, 0.4, 0.9, 0.1], [1, 1, 0, 0])
    0.5
    """
    return value_of(Metric.ACCURACY, score, label, weight)


def mae(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the mean absolute error, in the label's unit. At least 0, smaller is better.

    >>> mae([1.0, 4.0], [2.0, 2.0])
    1.5
    """
    return value_of(Metric.MAE, score, label, weight)


def rmse(score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the root of the mean squared error, in the label's unit. At least 0, smaller is better.

    >>> rmse([1.0, 9.0], [2.0, 2.0])
    5.0
    """
    return value_of(Metric.RMSE, score, label, weight)


def value_of(
    metric: Metric,
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    scoring: Scoring = DEFAULT_SCORING,
) -> float:
    """Return the value of ``metric``, the same in any order of the rows, to the last bit."""
    return _value(metric, *checked(metric, score, label, weight)[:3], scoring)


def estimate(
    metric: Metric,
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    scoring: Scoring = DEFAULT_SCORING,
    stratum: npt.ArrayLike | None = None,
) -> Estimate:
    """Return the value of ``metric`` with its interval, the same in any order of the rows, to the last bit.

    Variances are the delete-one jackknife's, in closed form, so nothing is resampled (:func:`vigil.performance.cores.jackknife`,
    with its degrees of freedom), and each interval is made on the scale where it covers best:

    - log loss, Brier, MAE: the jackknife of a Hajek mean, with equal weights ``s^2/n``, on the log scale. In large samples
      equal to the linearised variance of Sarndal et al. 1992, 5.7.
    - RMSE: the root of Hall's skewness-corrected interval (1992, doi:10.1111/j.2517-6161.1992.tb01876.x) of the mean squared
      error, with the same variance.
    - MAPE, pinball loss: as the MAE; MAPE over the rows whose label is not 0.
    - precision, recall, F1: as accuracy, each being a weighted share: of the rows called positive, of the positives, and of both, where
      a row that is both counts twice (F1 = 2 TP / (2 TP + FP + FN)). Their n is the rows that count.
    - calibration error: see :func:`vigil.performance.calibration.calibration_error`.
    - accuracy: Wilson's interval at the effective size ``p (1 - p) / variance``, at most n (Korn & Graubard 1998); all right
      or all wrong: at Kish's effective size; with Kish's effective size less one as degrees of freedom.
    - AUC: the jackknife over positives plus that over negatives, with equal weights DeLong's variance (1988,
      doi:10.2307/2531595), on the logit scale (Pepe 2003, 5.2). An AUC of 0 or 1 has no such variance: Wilson's interval at
      the smaller of the classes' Kish effective sizes.

    Simulated with 300 labels, equal and unequal weights, they cover 93 to 97 % at 95 % (tests/performance/test_intervals.py).
    Squared errors without a variance are covered less: the RMSE where errors are as heavy-tailed as Student's t with 3 degrees
    of freedom in 87 % of the simulations.

    Raises:
        NotEnoughData: fewer than two rows, for the AUC of a class.

    With ``stratum`` every variance is :func:`vigil.performance.cores.stratified_jackknife` of the same influences.

    >>> estimate(Metric.BRIER, [0.5] * 100, [0, 1] * 50)
    Estimate(value=0.25, low=0.25, high=0.25)
    """
    s, y, w, strata = checked(metric, score, label, weight, stratum)
    if metric is Metric.ROC_AUC:
        return _auc_estimate(s, y, w, strata, confidence)
    if metric is Metric.CALIBRATION_ERROR:
        _require_two(metric, len(s))
        return around(*calibration_error(s, y, w, confidence=confidence))
    value_each, times = parts_of(metric, s, y, scoring)
    counted = times > 0
    if not counted.any():
        raise NotEnoughData(f"{metric} needs labelled rows that count for it ({COUNTED[metric]}), got none")
    _require_two(metric, int(counted.sum()))
    loss, share = value_each[counted], (w * times)[counted]
    value = cores.weighted_mean(loss, share)
    falls = cores.leave_one_out(loss, share)
    if strata is None:
        variance, df = cores.jackknife(falls)
    else:
        whole = np.zeros(len(s))
        whole[counted] = cores.influences(loss, share)
        variance, df = cores.stratified_jackknife(whole, strata)
    if metric in SHARES:
        kish = cores.effective_size(share)
        most = math.inf if strata is not None else float(len(loss))
        size = min(value * (1 - value) / variance, most) if 0 < value < 1 and variance > 0 else kish
        return around(value, wilson_interval(value, size, max(kish - 1, 1.0), confidence))
    if metric is Metric.RMSE:
        low, high = skewed_interval(value, variance, cores.skewness(falls), df, confidence)
        return around(math.sqrt(value), (math.sqrt(low), math.sqrt(high)))
    return around(value, log_interval(value, variance, df, confidence))


SHARES = (Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1)
COUNTED = {
    Metric.PRECISION: "score at or above the threshold",
    Metric.RECALL: "label 1",
    Metric.F1: "label 1, or score at or above the threshold",
    Metric.MAPE: "label other than 0",
}


def parts_of(metric: Metric, score: Vector, label: Vector, scoring: Scoring = DEFAULT_SCORING) -> tuple[Vector, Vector]:
    """Return what each row has and how often it counts: the metric (of the RMSE its square) is their weighted mean.

    Every metric has such parts but the AUC, which is of pairs, and the calibration error, which is of bins.
    """
    every = np.ones(len(score))
    match metric:
        case Metric.LOG_LOSS:
            return cores.log_losses(score, label), every
        case Metric.BRIER | Metric.RMSE:
            return cores.squared_errors(score, label), every
        case Metric.ACCURACY:
            return cores.hits(score, label, scoring.threshold), every
        case Metric.MAE:
            return cores.absolute_errors(score, label), every
        case Metric.MAPE:
            return cores.percentage_errors(score, label), (label != 0).astype(np.float64)
        case Metric.PINBALL:
            return cores.pinball_losses(score, label, scoring.quantile), every
    called = (score >= scoring.threshold).astype(np.float64)
    match metric:
        case Metric.PRECISION:
            return label, called
        case Metric.RECALL:
            return called, label
        case Metric.F1:
            return called * label, called + label
    raise ValueError(f"{metric} is no weighted mean over rows")


def _value(metric: Metric, score: Vector, label: Vector, w: Vector, scoring: Scoring) -> float:
    if metric is Metric.ROC_AUC:
        return cores.auc(score, label, w)
    if metric is Metric.CALIBRATION_ERROR:
        return calibration_error(score, label, w)[0]
    each, times = parts_of(metric, score, label, scoring)
    if not times.any():
        raise NotEnoughData(f"{metric} needs labelled rows that count for it ({COUNTED[metric]}), got none")
    mean = cores.weighted_mean(each, w * times)
    return math.sqrt(mean) if metric is Metric.RMSE else mean


def _auc_estimate(score: Vector, label: Vector, w: Vector, strata: npt.NDArray[np.int64] | None, confidence: float) -> Estimate:
    positive = label == 1
    up, down = w[positive], w[~positive]
    if min(len(up), len(down)) < 2:
        raise NotEnoughData("an interval of roc_auc needs at least two labelled rows of each class")
    below, above = cores.placements(score, label, w)
    value = cores.weighted_mean(below, up)
    if value in (0.0, 1.0):
        size = min(cores.effective_size(up), cores.effective_size(down))
        return around(value, wilson_interval(value, size, size - 1, confidence))
    if strata is None:
        variance, df = cores.jackknife(cores.leave_one_out(below, up), cores.leave_one_out(above, down))
    else:
        whole = np.zeros(len(score))
        whole[positive], whole[~positive] = cores.influences(below, up), cores.influences(above, down)
        variance, df = cores.stratified_jackknife(whole, strata)
    return around(value, logit_interval(value, variance, df, confidence))


def _require_two(metric: Metric, rows: int) -> None:
    if rows < 2:
        raise NotEnoughData(f"an interval of {metric} needs at least two labelled rows, got one")


def around(value: float, interval: Interval) -> Estimate:
    """Hold the value inside its interval where rounding would put it a last bit outside."""
    return Estimate(value, min(interval[0], value), max(interval[1], value))


def checked(
    metric: Metric, score: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike | None, stratum: npt.ArrayLike | None = None
) -> tuple[Vector, Vector, Vector, npt.NDArray[np.int64] | None]:
    s, y = np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.float64)
    w = np.ones(len(s)) if weight is None else np.asarray(weight, dtype=np.float64)
    if s.ndim != 1 or not s.shape == y.shape == w.shape:
        raise ValueError(f"score, label and weight are vectors of one length, got shapes {s.shape}, {y.shape} and {w.shape}")
    if len(s) == 0:
        raise NotEnoughData(f"{metric} needs labelled rows, got none")
    if not (np.isfinite(s).all() and np.isfinite(y).all() and np.isfinite(w).all() and (w > 0).all()):
        raise ValueError("score and label are finite, weight is finite and positive; leave out failed predictions first")
    if Task.BINARY in metric.tasks:
        if not np.isin(y, (0.0, 1.0)).all():
            raise ValueError("a binary label is 0 or 1")
        if metric is not Metric.ROC_AUC and not ((s >= 0) & (s <= 1)).all():
            raise ValueError(f"{metric} needs probabilities in [0, 1]")
        if metric is Metric.ROC_AUC and len(np.unique(y)) < 2:
            raise NotEnoughData(f"roc_auc needs both classes, got only label {y[0]:g}")
    order = np.lexsort(
        (w, y, s) if stratum is None else (np.asarray(stratum), w, y, s)
    )  # sums round in one order, whatever the order of the rows
    if stratum is None:
        return s[order], y[order], w[order], None
    strata = np.asarray(stratum, dtype=np.int64)
    if strata.shape != s.shape:
        raise ValueError(f"stratum has one integer per row, got shape {strata.shape} for {s.shape}")
    return s[order], y[order], w[order], strata[order]
