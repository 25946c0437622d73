"""What a version's performance is compared with: its baseline, and on how many windows that was measured.

Windows differ by themselves, so a baseline of two of them may have been luck, good or bad: the challenger that is promoted is the one that
looked best on them. Differs from :mod:`vigil.performance.measure`, which judges one window by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.spec.model import Metric, ModelSpec

BASELINE_WINDOWS = "baseline_windows"  # of a first version's lineage, and of a judged measurement's detail
UNBEATEN = "baseline_unbeaten"  # of a judged measurement's detail, where the version's own windows are in the baseline


@dataclass(frozen=True)
class Baseline:
    """A version's performance that its windows are compared with.

    Attributes:
        windows: on so many it was measured, at least 1; None: unknown, and it is taken as exact.
        unbeaten: whether the version's own windows are among them, because a challenger was no better.
    """

    value: float
    windows: float | None = None
    unbeaten: bool = False

    def over(self, values: Sequence[float], metric: Metric) -> Baseline:
        """Return the mean of the baseline and of later windows, each of which weighs as one of its own; itself where that is better.

        >>> Baseline(0.80, 2).over([0.70, 0.70], Metric.ROC_AUC)
        Baseline(value=0.75, windows=4, unbeaten=True)
        """
        if self.windows is None or not values:
            return self
        windows = self.windows + len(values)
        mean = (self.value * self.windows + float(np.sum(values))) / windows
        better = mean > self.value if metric.larger_is_better else mean < self.value
        return self if better else Baseline(mean, windows, unbeaten=True)


def windows_measured_on(lineage: Mapping[str, Any]) -> float | None:
    """Return on how many windows a version's baseline was measured, by its lineage; None where that does not say.

    A part of a window counts as one: it is one draw of what windows differ by.
    """
    if lineage.get("holdout"):
        return float(len(lineage["holdout"]))
    known = lineage.get(BASELINE_WINDOWS)
    return None if known is None else max(float(known), 1.0)


def unbeaten(comparison: Mapping[str, Any], spec: ModelSpec) -> bool:
    """Tell whether a champion was shown to lose less than is tolerated against a challenger that was trained on what it is harmed by.

    The whole interval of the challenger's gain has to lie below the tolerated loss (a test of equivalence, as Schuirmann 1987,
    doi:10.1007/BF01068419): a comparison of few rows shows nothing. Only where models are compared in the performance metric.
    """
    high, metric = comparison.get("high"), spec.performance.metric
    return high is not None and comparison.get("metric") == metric.value and float(high) < spec.performance.tolerated_loss
