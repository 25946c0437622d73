"""Every version that any policy can train, fitted once: the losses of all policies at all costs come from the same predictions.

A version is named by the window at whose end it was trained and by the span of rows that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.policy.streams import WINDOWS, Stream, Vector
from vigil.spec.model import Task

FIRST = -1  # the window "at whose end" the first version was trained
TREES = 100  # as the library has it; fewer make tests faster
RECENT = 12  # windows: training.windows of a specification that leaves it at its default
MANY_ROWS = 20_000  # of a stream: with fewer, several threads wait for one another longer than they work


class Span(StrEnum):
    """Which of the labelled rows known by then are trained on."""

    RECENT = "recent"
    ALL = "all"


@dataclass(frozen=True)
class Version:
    cut: int
    span: Span = Span.ALL


class Versions:
    """Scores and losses of versions on the windows after their training, made when first asked for."""

    def __init__(self, stream: Stream, *, seed: int, windows: int = WINDOWS, trees: int = TREES) -> None:
        self.stream, self.seed, self.windows, self.trees = stream, seed, windows, trees
        self._scores: dict[Version, Vector] = {}
        self._losses: dict[Version, Vector] = {}
        self.fits = 0

    @cached_property
    def starts(self) -> list[int]:
        return [self.stream.rows_of(window).start for window in range(self.windows + 1)]

    def scores(self, version: Version) -> Vector:
        """The version's scores of all rows of later windows, in order of time."""
        if version not in self._scores:
            self._scores[version] = self._fitted(version)
        return self._scores[version]

    def of(self, version: Version, window: int) -> Vector:
        """The version's scores of one window, which is later than its training."""
        begin = self.starts[version.cut + 1]
        return self.scores(version)[self.starts[window] - begin : self.starts[window + 1] - begin]

    def losses(self, version: Version) -> Vector:
        """The version's mean loss over all rows of each window; NaN up to its training."""
        if version not in self._losses:
            found = np.full(self.windows, np.nan)
            for window in range(version.cut + 1, self.windows):
                found[window] = np.mean(self.row_losses(version, window))
            self._losses[version] = found
        return self._losses[version]

    def row_losses(self, version: Version, window: int) -> Vector:
        return row_losses(self.stream.task, self.of(version, window), self.stream.label[self.stream.rows_of(window)])

    def trained_on(self, version: Version) -> Vector:
        """The rows of a training, as a mask."""
        known = self.stream.known <= version.cut
        if version.span is Span.RECENT:
            known &= self.stream.window > version.cut - RECENT
        return known

    def _fitted(self, version: Version) -> Vector:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        stream, rows = self.stream, self.trained_on(version)
        binary = stream.task is Task.BINARY
        model = (HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor)(max_iter=self.trees, random_state=self.seed)
        features = stream.features.to_numpy()
        later = features[self.starts[version.cut + 1] :]
        with threadpool_limits(limits=None if len(features) > MANY_ROWS else 1):
            model.fit(features[rows], stream.label[rows])
            self.fits += 1
            if not len(later):
                return np.empty(0)
            return np.asarray(model.predict_proba(later)[:, 1] if binary else model.predict(later), dtype=np.float32)


def row_losses(task: Task, score: Vector, label: Vector) -> Vector:
    """Log loss of a probability, absolute error of a value."""
    if task is not Task.BINARY:
        return np.abs(score - label)
    p = np.clip(score.astype(np.float64), 1e-7, 1 - 1e-7)
    return -(label * np.log(p) + (1 - label) * np.log1p(-p))
