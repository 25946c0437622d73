"""What a retraining could recover of a window's loss, measured where the policy has a price for a retraining.

Differs from :mod:`vigil.performance.recoverable` (the statistic, of rows) and from :mod:`vigil.decision.break_even`, which reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import pandas as pd

from vigil.decision.break_even import RECOVERABLE, measures_recoverable
from vigil.decision.evidence import past_window
from vigil.decision.types import PastWindow
from vigil.errors import NotEnoughData
from vigil.evaluation.kind import labelled_sample
from vigil.evaluation.look import Look, evaluation_of
from vigil.evaluation.multivariate import encoded
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.recoverable import recoverable_loss
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, ModelSpec, Task
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import Evaluation
from vigil.window import Window

PROBE_WINDOWS = 12  # the latest; as many as a retraining learns from by default


def recoverable_measurements(
    source: ModelSource, store: Store, spec: ModelSpec, look: Look, found: Sequence[Measurement]
) -> tuple[Measurement, ...]:
    """Measure ``recoverable_loss`` on labelled rows of the version's own sound windows, the latest :data:`PROBE_WINDOWS`.

    Nothing where the policy has no price that it would be weighed against, or where this window's performance could not be measured.

    Args:
        found: the look's own measurements of performance.
    """
    limit = measures_recoverable(spec)
    current = past_window(spec, evaluation_of(look, quality_passed=True), found)
    if limit is None or current.performance is None or current.performance.value is None:
        return ()
    first = look.window.shifted(1 - PROBE_WINDOWS).start
    before = history_of(store, spec, start=first, end=look.window.start, as_of=look.as_of)
    windows = probed_windows(look.window, look.version, tuple(reversed(before)))
    rows = labelled_sample(source, spec, windows, look, limit).sort_values("moment", kind="stable", ignore_index=True)
    return (measure_recoverable(rows, spec, version=look.version),)


def probed_windows(window: Window, version: str, before: Sequence[Evaluation | PastWindow]) -> list[Window]:
    """Return the window and those before it whose rows teach what can be learned: the version's latest, of sound data, newest first.

    Args:
        before: looks at windows before it, newest first.
    """
    first = window.shifted(1 - PROBE_WINDOWS).start
    own = takewhile(lambda past: past.version == version, before)
    return [window, *(past.window for past in own if past.quality_passed and past.window.start >= first)]


def measure_recoverable(rows: pd.DataFrame, spec: ModelSpec, *, version: str) -> Measurement:
    """Measure ``recoverable_loss`` on rows as :func:`vigil.evaluation.kind.measure_kind` takes them, in order of time.

    Shown, not judged; ``not_enough_data`` with the reason where there are too few.
    """
    is_category = [feature.type is FeatureType.CATEGORICAL for feature in spec.features.values()]
    score, label, w = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "label", "w"))
    x = encoded(rows[[f"f{i}" for i in range(len(is_category))]], is_category)
    performance = spec.performance
    try:
        value, low, high = recoverable_loss(
            performance.metric,
            score,
            label,
            x,
            is_category,
            w,
            scoring=performance.scoring,
            binary=spec.task is Task.BINARY,
            confidence=performance.confidence,
        )
    except NotEnoughData as error:
        detail = {"because": str(error)}
        return Measurement(
            Layer.PERFORMANCE, RECOVERABLE, None, Verdict.NOT_ENOUGH_DATA, len(rows), subject=WHOLE, version=version, detail=detail
        )
    return Measurement(Layer.PERFORMANCE, RECOVERABLE, value, Verdict.OK, len(rows), subject=WHOLE, version=version, low=low, high=high)
