"""What a retraining can be expected to bring, from what the model's own retrainings brought. Pure.

Differs from :mod:`vigil.challenger.compare`, which measures one challenger when it is there. The gain of a retraining is how much better
the promoted challenger was on rows that neither had seen, 0 where the champion stayed. What it cannot see: how long a gain lasts (the
specification says), and that the next cause of harm may be another one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from scipy.special import stdtrit

from vigil.decision.types import PastGain
from vigil.spec.model import Economics


def expected_gain(gains: Sequence[float], terms: Economics | None) -> dict[str, Any] | None:
    """Return the mean of past gains, the lower quantile of that mean and what it is worth; None where nothing is to be weighed.

    The quantile is Student's, ``mean + t(n - 1, q) s / sqrt(n)`` with q below one half. With fewer gains than
    ``terms.minimum_retrainings`` everything is None: unknown is neither worth it nor not.

    >>> found = expected_gain([0.01, 0.02, 0.03], Economics(cost=1, value=100))
    >>> round(found["mean"], 4), round(found["low"], 4), round(found["worth"], 2)
    (0.02, 0.0139, 16.67)
    """
    if terms is None:
        return None
    found: dict[str, Any] = {
        "retrainings": len(gains),
        "needed": terms.minimum_retrainings,
        "mean": None,
        "low": None,
        "worth": None,
        "cost": terms.cost,
        "quantile": terms.quantile,
        "horizon_windows": terms.horizon_windows,
    }
    if len(gains) < terms.minimum_retrainings:
        return found
    mean, spread = float(np.mean(gains)), float(np.std(gains, ddof=1))
    low = mean + float(stdtrit(len(gains) - 1, terms.quantile)) * spread / math.sqrt(len(gains))
    return {**found, "mean": mean, "low": low, "worth": low * terms.value * terms.horizon_windows}


def in_vain(gains: Sequence[PastGain], last: str | None) -> int:
    """Count the model's last retrainings in a row that brought nothing; 0 where how the very last one ended is not known.

    Args:
        gains: oldest first.
        last: the id of the last decision for a retraining.

    >>> in_vain([PastGain("a", 0.0), PastGain("b", 0.1), PastGain("c", -0.2), PastGain("d", 0.0)], "d")
    2
    """
    if not gains or gains[-1].decision_id != last:
        return 0
    return sum(1 for _ in takewhile(lambda past: past.gain <= 0, reversed(gains)))
