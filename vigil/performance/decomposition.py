"""How much of a fall in performance is due to what: cases that became harder, another relation, or a new population.

Differs from :mod:`vigil.drift.multivariate`, which asks whether the inputs changed: here it is asked what a change did to the metric.
Shared terms: ``metric`` any that is a functional of weighted rows (all but the calibration error); ``shared``, at least 0, turns a
side's rows into the population that both sides share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vigil.drift.multivariate import FOLDS
from vigil.performance.cores import Vector
from vigil.performance.metrics import Estimate, value_of
from vigil.performance.resampled import values_under
from vigil.spec.model import Metric, Scoring

OVERLAP = 0.9  # a row that is surer than this to be one of now is new: Crump et al. 2009, doi:10.1093/biomet/asn055, rule of thumb
RESAMPLES = 400  # of the bootstrap; the ends of a 95 % interval rest on ten of them a side


class Side(NamedTuple):
    """Labelled rows of one side: vectors of one length; ``shared`` as :func:`shared_before` and :func:`shared_after` give it."""

    score: Vector
    label: Vector
    w: Vector
    shared: Vector


@dataclass(frozen=True)
class Decomposition:
    """A fall in performance and its parts, in the metric's unit; positive = worse. The parts add up to ``total``.

    Attributes:
        harder: the shared population has more hard cases than before had: the relation is the old one.
        relation: in the shared population, the same inputs now lead to other labels.
        population: what came that the shared population does not hold.
        remaining: ``relation + population``: what harder cases do not explain.
    """

    total: Estimate
    harder: Estimate
    relation: Estimate
    population: Estimate
    remaining: Estimate


def shared_before(now: Vector) -> Vector:
    """Return the weights that turn the rows of before into the shared population; ``now``: each row's probability to be one of now.

    The shared population is that of now without what before hardly had: there the density is q, before's p, and ``q / p`` is
    ``now / (1 - now)``, at most 9 as ``now`` is at most :data:`OVERLAP`; beyond it 0.
    """
    return np.where(now <= OVERLAP, now / (1 - now), 0.0)


def shared_after(now: Vector) -> Vector:
    """Return the weights that turn the rows of now into the shared population: 1 for those that before had too, else 0."""
    return np.where(now <= OVERLAP, 1.0, 0.0)


def decompose(
    metric: Metric, before: Side, after: Side, rng: np.random.Generator, *, scoring: Scoring, confidence: float, resamples: int = RESAMPLES
) -> Decomposition:
    """Divide the fall of ``metric`` from ``before`` to ``after`` (DISDE: Cai, Namkoong & Yadlowsky 2023, arXiv 2303.02011).

    With T the metric, P and Q before and now, S the shared inputs: ``harder = T(S, relation of P) - T(P)``,
    ``relation = T(S, relation of Q) - T(S, relation of P)``, ``population = T(Q) - T(S, relation of Q)``, each with its sign turned
    where larger is better. The paper's T is a mean loss; the sum telescopes for any functional of the weighted rows, so an AUC is
    divided as well. Its S has the density ``p q / (p + q)``, with which cases that only became more frequent count half as harder and half
    as new; with S the population of now that before had too, they are harder cases, and new is only what before hardly had.

    Intervals are percentiles of a bootstrap of each side's rows. The classifier behind ``shared`` is not fitted again, so those of the
    parts are widened for it around their values, by the factor of :func:`vigil.drift.multivariate.domain_classifier` and for its reason;
    its rows must have been scored by folds that had not seen them. Simulated without a change (400 rows a side, log loss, 80 runs) they
    miss 0 in 5 (harder cases) and 1 (relation) at 95 %, unwidened in 13 and 8.

    Raises:
        NotEnoughData: a side, or its shared part, has no row that counts for the metric (of the AUC: of a class).
    """
    sign = -1.0 if metric.larger_is_better else 1.0
    values = [
        value_of(metric, side.score[w > 0], side.label[w > 0], w[w > 0], scoring=scoring)
        for side in (before, after)
        for w in (side.w, side.w * side.shared)
    ]
    found = sign * _parts(*(np.array([value]) for value in values))[:, 0]
    drawn = [values_under(metric, scoring, side.score, side.label, w) for side in (before, after) for w in _weights(side, rng, resamples)]
    tail = (1 - confidence) / 2
    ends = np.nanquantile(sign * _parts(*drawn), [tail, 1 - tail], axis=1)
    widened = np.array([1.0, *[math.sqrt(1 + FOLDS / (FOLDS - 1))] * 4])
    ends = found + (ends - found) * widened
    estimates = [Estimate(float(v) + 0.0, float(min(lo, v)) + 0.0, float(max(hi, v)) + 0.0) for v, lo, hi in zip(found, *ends, strict=True)]
    return Decomposition(*estimates)


def _parts(before: Vector, shared_then: Vector, after: Vector, shared_now: Vector) -> Vector:
    harder, relation, population = shared_then - before, shared_now - shared_then, after - shared_now
    return np.stack([after - before, harder, relation, population, relation + population])


def _weights(side: Side, rng: np.random.Generator, resamples: int) -> tuple[Vector, Vector]:
    """Each resample's weights of the rows, shape (resamples, rows): as they are, and shared."""
    n = len(side.score)
    times = rng.multinomial(n, np.full(n, 1 / n), size=resamples) * side.w
    return times, times * side.shared
