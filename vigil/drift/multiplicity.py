"""Many tests at once: p-values adjusted so that a share of false rejections, or the chance of any, is held, however many there are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def benjamini_hochberg(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the adjusted p-value of each name: reject where it is below q, and at most a share q of rejections is false on average.

    The i-th smallest of m becomes ``min over j >= i of m * p_j / j``. Holds for independent tests and for positively dependent
    ones; where nothing drifts, q is also the chance of any rejection. ``{}`` for no test. Computed by
    ``scipy.stats.false_discovery_control``. Source: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    >>> benjamini_hochberg({"a": 0.01, "b": 0.04, "c": 0.03})  # 3 * 0.01 / 1; then the smaller of 3 * 0.03 / 2 and 3 * 0.04 / 3
    {'a': 0.03, 'b': 0.04, 'c': 0.04}

    Raises:
        ValueError: a p-value is not in [0, 1].
    """
    from scipy.stats import false_discovery_control  # takes a second to import

    if not p_values:
        return {}
    adjusted = false_discovery_control(np.array(list(p_values.values()), dtype=np.float64), method="bh")
    return dict(zip(p_values, map(float, adjusted), strict=True))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the adjusted p-value of each name: reject where it is at most alpha, and the chance of any false rejection is at most alpha.

    The i-th smallest of m becomes ``max over j <= i of (m - j + 1) * p_j``, at most 1. Holds however the tests depend on each other.
    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6:65-70.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})  # 3 * 0.01; then the larger of 2 * 0.03 and 1 * 0.04
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        largest = max(largest, min((len(p_values) - rank) * p_values[name], 1.0))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
