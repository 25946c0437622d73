"""What is expected of a prediction before its label is known, learned from other rows' labels: the proxies of prediction-powered estimates.

Differs from :mod:`vigil.performance.label_free`, which shows such expectations as estimates of their own. Here they only make measured
values more certain, and may be wrong (:mod:`vigil.performance.powered`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from vigil.performance.calibration import calibrated
from vigil.performance.cores import Vector
from vigil.performance.metrics import parts_of
from vigil.spec.model import Metric, Scoring, Task

ALIKE = 10  # groups of scores whose errors count as alike
FEWEST = 10  # labels of each class, or of each group, that a proxy is learned from; below it is left as it is

Seen = tuple[Vector, Vector, Vector]  # score, label and weight of other labelled rows


class Proxy(Protocol):
    """Expected parts of a metric that is a ratio of means: per row the numerator's and the denominator's."""

    def parts(self, metric: Metric, score: Vector, scoring: Scoring) -> tuple[Vector, Vector]: ...


class Population(NamedTuple):
    """The scores of a window's predictions, labelled or not (all, or a random part of them), and what is expected at each."""

    score: Vector
    proxy: Proxy


@dataclass(frozen=True)
class ExpectedLabel:
    """Of a binary model: a row is positive with the probability ``chance(score)``."""

    chance: Callable[[Vector], Vector]

    def parts(self, metric: Metric, score: Vector, scoring: Scoring) -> tuple[Vector, Vector]:
        chance = self.chance(score)
        (value, times), (value_0, times_0) = (parts_of(metric, score, np.full(len(score), label), scoring) for label in (1.0, 0.0))
        return chance * value * times + (1 - chance) * value_0 * times_0, chance * times + (1 - chance) * times_0


@dataclass(frozen=True)
class ExpectedError:
    """Of a regression: a row has the mean parts of the tenth of ``seen`` whose scores are like its own."""

    seen: Seen

    def parts(self, metric: Metric, score: Vector, scoring: Scoring) -> tuple[Vector, Vector]:
        known, label, weight = self.seen
        value, times = parts_of(metric, known, label, scoring)
        edges = np.array([part[0] for part in np.array_split(known, ALIKE)[1:]])
        group, of = np.searchsorted(edges, known, side="right"), np.searchsorted(edges, score, side="right")
        mass = np.bincount(group, weight, ALIKE)
        sums = (np.bincount(group, weight * part, ALIKE) for part in (value * times, times))
        top, bottom = (np.divide(each, mass, out=np.zeros(ALIKE), where=mass > 0) for each in sums)
        return top[of], bottom[of]


def learn_proxy(task: Task, seen: Seen) -> Proxy | None:
    """Return the proxy that the labelled rows ``seen`` teach, the same in any order of them.

    Binary: the score, calibrated on them by isotonic regression; as it is where one of the classes has fewer than :data:`FEWEST` of them.
    Regression: the mean error at such scores; None where they are fewer than ten groups of :data:`FEWEST`.
    """
    order = np.lexsort(tuple(reversed(seen)))
    score, label, weight = (column[order] for column in seen)
    if task is Task.REGRESSION:
        return ExpectedError((score, label, weight)) if len(score) >= ALIKE * FEWEST else None
    positives = int(np.sum(label == 1))
    if min(positives, len(label) - positives) < FEWEST:
        return ExpectedLabel(lambda at: at)
    return ExpectedLabel(calibrated((score, label, weight)))
