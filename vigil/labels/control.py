"""What a plan's control says by itself: rows drawn from all alike, so that their labels count one by one whatever the plan expected.

The control bounds what a wrong guess of the spread can cost, and checks the planned estimate: the two are of one window, so where their
intervals lie apart something is wrong with the strata, the weights or the answers. Differs from :mod:`vigil.labels.design`, where the
control's labels count together with all others of their stratum.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from vigil.errors import NotEnoughData
from vigil.labels.plan import Plan
from vigil.performance.metrics import Estimate, estimate
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.window import Window

FEWEST = 20  # labels from which a mean is nearly normal; as of the bins of the calibration error


@dataclass(frozen=True)
class Control:
    """How many rows of a window its control asked for, how many of them have a label, and the metric of these alone, all counting alike.

    ``found`` is None with fewer than :data:`FEWEST` labels, and where the metric needs more of a class.
    """

    asked: int
    answered: int
    found: Estimate | None


def control_of(source: ModelSource, spec: ModelSpec, plans: Sequence[Plan], window: Window, as_of: datetime) -> Control | None:
    """Return what is known by ``as_of`` of the control of a window's first plan; None without a plan.

    The first: later ones draw from what it left, which is not like all rows any more. Where labels had come before it, it is of the rows
    without one, so these labels have to be a random sample themselves.
    """
    first = min((plan for plan in plans if plan.window == window), key=lambda plan: plan.made_at, default=None)
    if first is None or not first.control:
        return None
    rows = source.labelled([window], as_of)
    with source.reading_log():
        known = rows.filter(rows[spec.columns.id].isin(sorted(first.control))).select(
            score=rows[spec.columns.score].cast("float64"), label=rows["label"]
        )
        frame = known.to_pandas()
    found, usable = None, frame[np.isfinite(frame["score"])]
    if len(usable) >= FEWEST:
        with suppress(NotEnoughData):
            performance = spec.performance
            options = {"confidence": performance.confidence, "scoring": performance.scoring}
            found = estimate(performance.metric, usable["score"], usable["label"], **options)  # type: ignore[arg-type]
    return Control(len(first.control), len(frame), found)
