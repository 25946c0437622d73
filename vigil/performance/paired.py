"""How much better one model is than another on the same rows, with a standard error and no resampling.

Differs from :mod:`vigil.challenger.compare`, whose bootstrap interval is of all rows: groups are many, and what is held over many of
them is judged far out in the tails, where a thousand resamples have nothing to say.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtr

from vigil.errors import NotEnoughData
from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.performance.intervals import Interval, quantile
from vigil.performance.metrics import parts_of, value_of
from vigil.spec.model import Metric, Scoring


class Paired(NamedTuple):
    """Two values and their difference, positive where the challenger is better, with its standard error and degrees of freedom."""

    champion: float
    challenger: float
    difference: float
    error: float
    df: float

    def interval(self, confidence: float) -> Interval:
        half = quantile(confidence, self.df) * self.error
        return self.difference - half, self.difference + half

    def p_value(self, margin: float) -> float:
        """Return the one-sided p-value of "the challenger is worse by ``margin`` or more" (Student's t); small says that it is not."""
        lead = self.difference + margin
        if self.error == 0:
            return 0.0 if lead > 0 else 1.0
        return float(stdtr(max(self.df, 1.0), -lead / self.error))


def paired(metric: Metric, champion: Vector, challenger: Vector, label: Vector, w: Vector, scoring: Scoring) -> Paired:
    """Compare two models' scores of the same rows by ``metric``; weights as in :mod:`vigil.performance.metrics`.

    The variance is the delete-one jackknife's of the difference: of a mean of losses that is the paired t-test's, with equal weights; of
    the AUC that of DeLong, DeLong & Clarke-Pearson (1988, doi:10.2307/2531595) for two correlated curves; of the RMSE by the delta method.

    >>> found = paired(Metric.MAE, np.array([1.0, 2.0]), np.array([0.0, 0.0]), np.zeros(2), np.ones(2), Scoring())
    >>> found.difference, found.error  # gains 1 and 2: mean 1.5, standard deviation 0.707 over the root of 2
    (1.5, 0.5)

    Raises:
        NotEnoughData: fewer than two rows of a class for the AUC, or than two that count for the metric under either model.
    """
    old_value, new_value = (value_of(metric, score, label, w, scoring=scoring) for score in (champion, challenger))
    sign = 1.0 if metric.larger_is_better else -1.0
    if metric is Metric.ROC_AUC:
        old, new = (cores.placements(score, label, w) for score in (champion, challenger))
        sides = (label == 1, label != 1)
        _require_two(metric, min(int(side.sum()) for side in sides))
        falls = [cores.leave_one_out(there - here, w[side]) for there, here, side in zip(new, old, sides, strict=True)]
    else:
        new_falls = _falls(metric, challenger, label, w, scoring, new_value)
        falls = [new_falls - _falls(metric, champion, label, w, scoring, old_value)]
    variance, df = cores.jackknife(*falls)
    return Paired(old_value, new_value, sign * (new_value - old_value) + 0.0, math.sqrt(variance), df)


def paired_mean(champion: Vector, challenger: Vector, w: Vector) -> Paired:
    """Compare the weighted means of what each row is worth under two models; larger is better."""
    variance, df = cores.jackknife(cores.leave_one_out(challenger - champion, w))
    means = cores.weighted_mean(champion, w), cores.weighted_mean(challenger, w)
    return Paired(*means, means[1] - means[0] + 0.0, math.sqrt(variance), df)


def exact_accuracy_interval(champion: Vector, challenger: Vector, label: Vector, confidence: float, scoring: Scoring) -> Interval:
    """Return the interval of the challenger's accuracy less the champion's, of rows that all count alike, exact at any number of rows.

    Given the ``m`` of ``n`` rows of which one model alone is right, the number of those of which it is the challenger is binomial: with
    the Clopper-Pearson interval (1934, doi:10.1093/biomet/26.4.404) of its chance ``p`` the ends are ``(2 * p - 1) * m / n``. They leave
    0 out where, and only where, the exact test of McNemar (1947, doi:10.1007/BF02295996) rejects. Where both models are right of the same
    rows they are ``(0, 0)``.

    >>> score = np.array([0.9] * 10)
    >>> low, high = exact_accuracy_interval(1 - score, score, np.ones(10), 0.95, Scoring())
    >>> round(low, 4), high  # 10 of 10: p is from 0.025**(1 / 10) = 0.6915 on
    (0.383, 1.0)
    """
    old, new = (parts_of(Metric.ACCURACY, score, label, scoring)[0] for score in (champion, challenger))
    won, lost, tail = int((new > old).sum()), int((new < old).sum()), (1 - confidence) / 2
    low = betaincinv(won, lost + 1, tail) if won else 0.0
    high = betaincinv(won + 1, lost, 1 - tail) if lost else 1.0
    apart = (won + lost) / len(label)
    return float((2 * low - 1) * apart) + 0.0, float((2 * high - 1) * apart) + 0.0


def _falls(metric: Metric, score: Vector, label: Vector, w: Vector, scoring: Scoring, value: float) -> Vector:
    """How much the metric falls where a row is left out; 0 for rows that do not count for it."""
    each, times = parts_of(metric, score, label, scoring)
    counted, found = times > 0, np.zeros(len(score))
    _require_two(metric, int(counted.sum()))
    found[counted] = cores.leave_one_out(each[counted], (w * times)[counted])
    if metric is Metric.RMSE:
        return found / (2 * value) if value > 0 else found
    return found


def _require_two(metric: Metric, rows: int) -> None:
    if rows < 2:
        raise NotEnoughData(f"a difference of {metric} has an error from two rows that count for it on, got {rows}")
