"""KPIs: the mean of what came of predictions, such as revenue, for the window, its version and its segments.

Differs from :mod:`vigil.business.value`, which makes money of right and wrong: here the outcome is the number itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vigil.business.value import judged, mean_of, subjects_of
from vigil.measurement import WHOLE, Layer, Measurement
from vigil.spec.model import Kpi, ModelSpec


def measure_kpis(outcomes: pd.DataFrame, spec: ModelSpec, *, version: str) -> tuple[Measurement, ...]:
    """Measure each of ``spec.business.kpis`` of the whole window and of each segment value: its mean over predictions.

    In the column's unit, with the interval of a mean (Student's t, the predictions as a sample of the process). A prediction without an
    outcome is left out, or counts 0, as the KPI's ``absent`` says; fewer than ``labels.minimum`` that count are ``not_enough_data``. The
    whole window's mean is judged against ``minimum`` (a whole interval below it is a breach), segments are shown. ``detail["known"]`` is
    the share of predictions whose outcome is known: what is late is not zero.

    Args:
        outcomes: the predictions of the window and version, a column a KPI (NaN where unknown) and the segment columns.
    """
    return tuple(measured for name, kpi in sorted(spec.business.kpis.items()) for measured in _measured(outcomes, name, kpi, spec, version))


def _measured(outcomes: pd.DataFrame, name: str, kpi: Kpi, spec: ModelSpec, version: str) -> list[Measurement]:
    value = outcomes[name].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(value)  # what is no number is no outcome
    counting, value = (known, value) if kpi.absent == "unknown" else (np.ones(len(value), dtype=bool), np.where(known, value, 0.0))
    found = []
    for subject, inside in subjects_of(outcomes, spec):
        of = inside & counting
        n, limit = int(of.sum()), kpi.minimum if subject == WHOLE else None
        measured = mean_of(value[of], np.ones(n), spec.performance.confidence) if n >= spec.labels.minimum else None
        mean, low, high = measured or (None, None, None)
        detail: Mapping[str, object] = {"known": float(np.mean(known[inside])) if inside.any() else None}
        verdict = judged(measured, limit)
        found.append(
            Measurement(
                Layer.BUSINESS, name, mean, verdict, n, subject=subject, version=version, low=low, high=high, threshold=limit, detail=detail
            )
        )
    return found
