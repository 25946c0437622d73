"""A measurement: one number with its interval, threshold and verdict. Everything decided, shown and alerted is made of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

WHOLE = "*"  # the subject of a measurement that is about the whole window, not one feature or segment
TRAINING = "training"  # the reference that decides: what the version was trained on
NOTHING = "none"  # the reference of what is compared with nothing


class Layer(StrEnum):
    """The layer of monitoring that a measurement belongs to."""

    DATA_QUALITY = "data_quality"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    SYSTEM = "system"
    BUSINESS = "business"


class Verdict(StrEnum):
    """What a value says against its threshold. Too little data is a result, not NaN and not an exception."""

    OK = "ok"
    WARNING = "warning"
    BREACH = "breach"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class Measurement:
    """One number about one window.

    Natural key within an evaluation: ``(layer, metric, subject, version, reference)``.

    Attributes:
        metric: the statistic or measure, in the field's term (``psi``, ``roc_auc``, ``latency_p95_ms``).
        subject: a feature name, ``column=value`` for a segment, or ``*`` for the whole window.
        version: the model's registry version, ``*`` where rows of all versions count.
        reference: what it was compared with (``training``, which decides; ``previous``, ``rolling``, ``same_season``), ``none`` where
            with nothing.
        value: None exactly when it could not be computed (verdict ``not_enough_data``); never NaN.
        low, high: the interval's ends at the spec's confidence, where the metric has one.
        n: rows that the value rests on.
        threshold: what the value was judged against, None where it is only shown.
        detail: plain JSON that explains the value (p-value, worst categories, failing ids); never needed to judge it.
    """

    layer: Layer
    metric: str
    value: float | None
    verdict: Verdict
    n: int
    subject: str = WHOLE
    version: str = WHOLE
    reference: str = NOTHING
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        return (self.layer.value, self.metric, self.subject, self.version, self.reference)
