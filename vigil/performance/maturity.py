"""Label maturity: the share of a window's expected labels that are here. Early labels are often not like the late ones.

Differs from :mod:`vigil.performance.measure`, which measures what the labels say; here only how many of them there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.intervals import quantile
from vigil.spec.model import ModelSpec

LABEL_MATURITY = "label_maturity"


@dataclass(frozen=True)
class Maturity:
    """How many predictions the labels that are here stand for, of how many there are.

    Each label stands for one over its inclusion probability predictions, so ``represented`` estimates how many of the predictions that
    were chosen for labelling, or would have been, have a label by now (Horvitz & Thompson 1952): with every label of a sample here it is
    the number of rows, however small the sample.

    Attributes:
        rows: predictions of the window and version.
        labels: those with a label.
        represented: the sum of one over their inclusion probabilities.
        variance: its variance under Poisson sampling, the sum of ``(1 - p) / p^2``.
    """

    rows: int
    labels: int
    represented: float
    variance: float

    @property
    def value(self) -> float | None:
        """The share in [0, 1]; None without rows. Sampling noise can carry the raw share above 1, which is held at 1.

        >>> Maturity(rows=1000, labels=80, represented=400.0, variance=1600.0).value
        0.4
        """
        return min(self.represented / self.rows, 1.0) if self.rows else None

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """The normal interval of the share, held in [0, 1]."""
        if self.value is None:
            return None
        half = quantile(confidence, 1e9) * math.sqrt(self.variance) / self.rows
        return max(self.value - half, 0.0), min(self.represented / self.rows + half, 1.0)

    def immature(self, spec: ModelSpec) -> bool:
        """Tell whether too few labels are here to decide by: even the interval's high end lies below ``labels.maturity``."""
        interval = self.interval(spec.performance.confidence)
        return spec.labels.maturity is not None and (interval is None or interval[1] < spec.labels.maturity)

    def measurement(self, spec: ModelSpec, version: str) -> Measurement:
        """Return it as a measurement: a warning where it is immature, without rows ``not_enough_data``."""
        interval = self.interval(spec.performance.confidence)
        verdict = Verdict.WARNING if self.immature(spec) else Verdict.OK
        return Measurement(
            Layer.PERFORMANCE,
            LABEL_MATURITY,
            self.value,
            Verdict.NOT_ENOUGH_DATA if self.value is None else verdict,
            self.labels,
            version=version,
            low=None if interval is None else interval[0],
            high=None if interval is None else interval[1],
            threshold=spec.labels.maturity,
            detail={"rows": self.rows, "represented": self.represented},
        )
