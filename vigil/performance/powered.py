"""Prediction-powered metrics: few labels and the scores of all predictions together, with an interval that does not trust the scores.

    estimate = mean over labels of (part - weight * expected part) + weight * mean over all predictions of (expected part)

It is right whatever the proxy expects, for what the proxy gets wrong is measured on the labels and taken out; it is narrower where the
proxy is good. Angelopoulos, Duchi & Zrnic 2023, PPI++, arXiv 2311.01453; of labels drawn with unequal probabilities Zrnic & Candes 2024,
arXiv 2403.03208, and by strata Fisch et al. 2024, arXiv 2406.04291; in survey sampling the difference estimator (Sarndal, Swensson &
Wretman 1992, 6.3). Differs from :mod:`vigil.performance.metrics`, which looks at labelled rows only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.performance.intervals import log_interval, logit_interval, skewed_interval, wilson_interval
from vigil.performance.metrics import DEFAULT_SCORING, SHARES, Estimate, around, checked, estimate, parts_of
from vigil.performance.proxy import ExpectedLabel, Population
from vigil.spec.model import Metric, Scoring

FOLDS = 5  # the proxy's weight for a row is tuned on the four fifths of the labels that it is not in; convention
SEED = 0  # of the folds
KNOWN = 1e9  # degrees of freedom of a variance that is known

Strata = npt.NDArray[np.int64] | None


class Powered(NamedTuple):
    """A prediction-powered value with its interval, the same from labels alone, and how far the proxy was believed (0: not at all)."""

    found: Estimate
    labels_alone: Estimate
    proxy_weight: float


@dataclass(frozen=True)
class _Problem:
    """A metric, linearised: what each label, each labelled row's expectation and each prediction's expectation do to its value.

    ``value`` gives the value for one weight of the proxy a labelled row; ``observed`` and ``expected`` are influences of labelled
    rows, ``everywhere`` those of the population; ``size`` is the effective number of labels that count.
    """

    value: Callable[[Vector, float], float]
    observed: Vector
    expected: Vector
    everywhere: Vector
    size: float


def supports(metric: Metric) -> bool:
    """Tell whether there is a prediction-powered estimate of ``metric``: of ratios of means and of the AUC, not of a norm over bins."""
    return metric is not Metric.CALIBRATION_ERROR


def prediction_powered(
    metric: Metric,
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    weight: npt.ArrayLike | None,
    population: Population,
    *,
    confidence: float = 0.95,
    scoring: Scoring = DEFAULT_SCORING,
    stratum: npt.ArrayLike | None = None,
) -> Powered:
    """Return the value of ``metric`` with its interval, the same in any order of the rows; arguments as of :func:`~.metrics.estimate`.

    Numerator and denominator of a ratio of means are estimated each as in the module's formula, with Hajek's means over the labels. The AUC
    is that of the estimated masses of positives and negatives, in which a prediction counts as a positive with its ``chance``. Variances
    are linearised: with ``u`` a label's influence and ``g`` its expectation, ``Var(u - weight g) / n`` by the jackknife of labelled rows,
    and that of the population's own mean, ``(weight^2 Var(g) + 2 weight Cov(g, u - weight g)) / m``; both within strata where there are.

    The weight is the slope of u on g, held in [0, 1]: nothing is believed of a proxy that is useless or points the wrong way. It is
    cross-fitted, a row's being tuned without it, so that the estimate is not biased by it and the interval not too narrow.

    The labels alone decide (weight 0) where the population has no more rows than there are labels, where the metric has no variance on
    them, and where the result would leave the metric's range.

    ``population.proxy`` must not be learned from these labels. What it cannot do: be narrower than what the proxy does not know allows.

    Raises:
        NotEnoughData: as :func:`~.metrics.estimate`.
        ValueError: there is none of ``metric`` (:func:`supports`), or of the AUC with a proxy that expects no label.
    """
    if not supports(metric):
        raise ValueError(f"{metric} has no prediction-powered estimate")
    alone = estimate(metric, score, label, weight, confidence=confidence, scoring=scoring, stratum=stratum)
    s, y, w, strata = checked(metric, score, label, weight, stratum)
    if len(population.score) <= len(s) or not alone.low < alone.high:
        return Powered(alone, alone, 0.0)
    problem = _of_auc(s, y, w, population) if metric is Metric.ROC_AUC else _of_means(metric, s, y, w, population, scoring)
    believed = _weights(problem, w, strata)
    whole = cores.weighted_mean(believed, w)
    if whole == 0:
        return Powered(alone, alone, 0.0)
    value = problem.value(believed, whole)
    rest = problem.observed - believed * (problem.expected - np.mean(problem.everywhere))
    falls = cores.leave_one_out(rest, w)
    of_labels, df = cores.jackknife(falls) if strata is None else cores.stratified_jackknife(cores.influences(rest, w), strata)
    spread = problem.expected - _means(problem.expected, w, strata)
    of_population = max(cores.weighted_mean(whole * spread * (whole * spread + 2 * rest), w), 0.0) / len(population.score)
    variance = of_labels + of_population
    bounded = metric is Metric.ROC_AUC or metric in SHARES
    if variance <= 0 or value <= 0 or (bounded and value >= 1):
        return Powered(alone, alone, 0.0)
    df = min(df * (variance / of_labels) ** 2, KNOWN) if of_labels > 0 else KNOWN  # Satterthwaite: the population's part is known
    if metric is Metric.ROC_AUC:
        found = around(value, logit_interval(value, variance, df, confidence))
    elif metric in SHARES:
        found = around(value, wilson_interval(value, value * (1 - value) / variance, max(problem.size - 1, 1.0), confidence))
    elif metric is Metric.RMSE:
        low, high = skewed_interval(value, variance, cores.skewness(falls), df, confidence)
        found = around(math.sqrt(value), (math.sqrt(low), math.sqrt(high)))
    else:
        found = around(value, log_interval(value, variance, df, confidence))
    return Powered(found, alone, whole)


def _of_means(metric: Metric, score: Vector, label: Vector, w: Vector, population: Population, scoring: Scoring) -> _Problem:
    value_each, times = parts_of(metric, score, label, scoring)
    above, below = value_each * times, times
    above_expected, below_expected = population.proxy.parts(metric, score, scoring)
    above_everywhere, below_everywhere = population.proxy.parts(metric, np.sort(population.score), scoring)
    scale = cores.weighted_mean(below, w)
    ratio = cores.weighted_mean(above, w) / scale

    def value(believed: Vector, whole: float) -> float:
        top = cores.weighted_mean(above - believed * above_expected, w) + whole * float(np.mean(above_everywhere))
        bottom = cores.weighted_mean(below - believed * below_expected, w) + whole * float(np.mean(below_everywhere))
        return top / bottom if bottom > 0 else -1.0  # out of range

    return _Problem(
        value,
        (above - ratio * below) / scale,
        (above_expected - ratio * below_expected) / scale,
        (above_everywhere - ratio * below_everywhere) / scale,
        cores.effective_size((w * times)[times > 0]),
    )


def _of_auc(score: Vector, label: Vector, w: Vector, population: Population) -> _Problem:
    if not isinstance(population.proxy, ExpectedLabel):
        raise ValueError("a prediction-powered AUC needs a proxy that expects labels")
    everyone = np.sort(population.score)
    chance, chance_everywhere = population.proxy.chance(score), population.proxy.chance(everyone)
    positive = label == 1
    share = cores.weighted_mean(label, w)
    auc = cores.auc(score, label, w)

    def influence(at: Vector, chance: Vector) -> Vector:
        below = cores.share_below(at, score[~positive], w[~positive])
        above = 1 - cores.share_below(at, score[positive], w[positive])
        return chance * (below - auc) / share + (1 - chance) * (above - auc) / (1 - share)

    def value(believed: Vector, whole: float) -> float:
        scores = np.concatenate([score, score, score, everyone, everyone])
        labels = np.repeat([1.0, 0.0, 1.0, 0.0], [len(score), len(score), len(everyone), len(everyone)])
        labels = np.concatenate([label, labels])
        of_label, of_score = w / np.sum(w), np.full(len(everyone), whole / len(everyone))
        taken = -of_label * believed
        masses = (of_label, taken * chance, taken * (1 - chance), of_score * chance_everywhere, of_score * (1 - chance_everywhere))
        mass = np.concatenate(masses)
        if min(np.sum(mass[labels == 1]), np.sum(mass[labels == 0])) <= 0:
            return -1.0  # out of range
        return cores.auc(scores, labels, mass)

    return _Problem(value, influence(score, label), influence(score, chance), influence(everyone, chance_everywhere), float(len(score)))


def _weights(problem: _Problem, w: Vector, strata: Strata) -> Vector:
    """Return how far the proxy is believed of each labelled row, tuned on the rows of the other folds."""
    fold = np.random.default_rng(SEED).permutation(len(w)) % min(FOLDS, len(w))
    found = np.empty(len(w))
    for number in np.unique(fold):
        kept = fold != number
        found[~kept] = _slope(problem.observed[kept], problem.expected[kept], w[kept], None if strata is None else strata[kept])
    return found


def _means(value: Vector, w: Vector, strata: Strata) -> Vector:
    """Return each row's weighted mean of ``value`` over its stratum; over all rows where there are no strata."""
    place = np.zeros(len(w), dtype=np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    means: Vector = np.bincount(place, w * value) / np.bincount(place, w)
    return means[place]


def _slope(observed: Vector, expected: Vector, w: Vector, strata: Strata) -> float:
    """The weight with the least variance, ``sum(d_u d_g) / sum(d_g^2)`` of centred weighted influences, in [0, 1]."""
    one, other = cores.influences(observed, w), cores.influences(expected, w)
    if strata is not None:
        one, other = (each - _means(each, np.ones(len(w)), strata) for each in (one, other))
    square = float(np.sum(other**2))
    return min(max(float(np.sum(one * other)) / square, 0.0), 1.0) if square > 0 else 0.0
