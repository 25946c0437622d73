"""What a metric would be if the relation of score and label were what it was: an *estimate* before labels come, blind to concept drift.

Confidence-based performance estimation (CBPE; Kivimäki et al. 2024, arXiv 2401.08348): the score is calibrated on labelled rows of earlier
windows; then each row of the window counts as a positive with its calibrated probability, and as a negative with the rest. It sees a change
of the population, for harder rows have other scores. It does NOT see a change of what a score means (concept drift), the most frequent
kind, so nothing is decided by it alone. Differs from :mod:`vigil.performance.metrics`, which needs the window's labels, and from
:mod:`vigil.performance.residuals`, which is of regressions.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from vigil.errors import NotEnoughData
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.calibration import calibrated
from vigil.performance.cores import Vector
from vigil.performance.metrics import Estimate, value_of
from vigil.spec.model import Metric, ModelSpec, Scoring

PREFIX = "estimated_"  # of the metric's name: an estimate is never taken for a measurement
RESAMPLES = 200  # of the labelled rows, for the interval
ABOUT = "an estimate from the scores alone, blind to concept drift; the interval is of the calibration and the sample only"


def expected(metric: Metric, score: Vector, chance: Vector, scoring: Scoring) -> float:
    """Return the value of ``metric`` where row i is positive with probability ``chance[i]``.

    >>> expected(Metric.ACCURACY, np.array([0.9, 0.2]), np.array([0.8, 0.3]), Scoring())
    0.75
    """
    twice, label, weight = np.tile(score, 2), np.repeat([1.0, 0.0], len(score)), np.concatenate([chance, 1 - chance])
    some = weight > 0
    return value_of(metric, twice[some], label[some], weight[some], scoring=scoring)


def estimate_label_free(
    metric: Metric,
    score: Vector,
    seen: tuple[Vector, Vector, Vector],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    scoring: Scoring | None = None,
) -> Estimate:
    """Return the expected value of ``metric`` on rows with ``score``, with a percentile bootstrap interval over both kinds of rows.

    Args:
        seen: score, label and weight of labelled rows that the score is calibrated on, by isotonic regression.

    Raises:
        NotEnoughData: nothing counts for the metric, in the rows or in half of the resamples.
    """
    scoring = scoring or Scoring()
    value = expected(metric, score, calibrated(seen)(score), scoring)
    found = []
    for _ in range(RESAMPLES):
        known, rows = rng.integers(len(seen[0]), size=len(seen[0])), rng.integers(len(score), size=len(score))
        drawn = (seen[0][known], seen[1][known], seen[2][known])
        if 0 < drawn[1].sum() < len(known):
            with suppress(NotEnoughData):  # none of these rows counts for the metric
                found.append(expected(metric, score[rows], calibrated(drawn)(score[rows]), scoring))
    if len(found) < RESAMPLES // 2:
        raise NotEnoughData(f"{metric} cannot be expected of these scores: too few of them count for it")
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(found, [tail, 1 - tail]))
    return Estimate(value, min(low, value), max(high, value))


def label_free_measurement(score: Vector, seen: tuple[Vector, Vector, Vector], spec: ModelSpec, *, version: str, seed: int) -> Measurement:
    """Measure the expected value of the specification's metric, shown and never judged; too few labelled rows is ``not_enough_data``."""
    metric = spec.performance.metric
    positives = int(seen[1].sum())
    enough = len(score) and len(seen[0]) >= spec.labels.minimum and min(positives, len(seen[0]) - positives) >= 10
    found = None
    if enough and metric is not Metric.CALIBRATION_ERROR:  # calibrated scores have none
        rng = np.random.default_rng(seed)
        order = [np.lexsort(tuple(seen)), np.argsort(score, kind="stable")]
        known = (seen[0][order[0]], seen[1][order[0]], seen[2][order[0]])
        confidence, scoring = spec.performance.confidence, spec.performance.scoring
        with suppress(NotEnoughData):  # nothing is expected to count, such as no score above the threshold
            found = estimate_label_free(metric, score[order[1]], known, rng=rng, confidence=confidence, scoring=scoring)
    return shown_estimate(metric, found, len(score), version=version, about=ABOUT, calibrated_on=len(seen[0]))


def shown_estimate(metric: Metric, found: Estimate | None, n: int, *, version: str, about: str, calibrated_on: int) -> Measurement:
    """Return an estimate without labels as a measurement of a name of its own, without a threshold; None is ``not_enough_data``."""
    return Measurement(
        Layer.PERFORMANCE,
        PREFIX + metric.value,
        found.value if found else None,
        Verdict.OK if found else Verdict.NOT_ENOUGH_DATA,
        n,
        version=version,
        low=found.low if found else None,
        high=found.high if found else None,
        detail={"estimate": about, "calibrated_on": calibrated_on},
    )
