"""The best that could have been done: which version should have served each window, known only afterwards.

Differs from :mod:`vigil.challenger.backtest`, which plays policies that see no more than they could have. Arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def best_versions(value: npt.NDArray[np.float64], available: Sequence[int], cost: float) -> tuple[int, ...]:
    """Return the version that should have served each window, so that the sum of values less ``cost`` per change is largest.

    Dynamic programming over the windows, O(windows x versions). Of equally good ones a change comes as late, and to as small a version, as
    it may. A version once replaced does not come back.

    Args:
        value: versions x windows, larger is better; NaN where a window could not be measured: it counts for none of them.
        available: for each version the first window that it can serve, not falling; version 0 serves first.
        cost: of one change of version, in the unit of ``value``.

    >>> best_versions(np.array([[0.9, 0.5, 0.5], [0.0, 0.8, 0.8]]), (0, 1), cost=0.1)
    (0, 1, 1)
    >>> best_versions(np.array([[0.9, 0.5, 0.5], [0.0, 0.8, 0.8]]), (0, 1), cost=0.7)
    (0, 0, 0)
    """
    versions, windows = value.shape
    worth = np.nan_to_num(value, nan=0.0)
    best = np.full((versions, windows), -np.inf)
    came_from = np.zeros((versions, windows), dtype=int)
    best[0, 0] = worth[0, 0]
    for window in range(1, windows):
        for version in range(versions):
            if available[version] > window:
                continue
            found = best[: version + 1, window - 1] - cost * (np.arange(version + 1) < version)
            stays = found[version] >= found.max()
            came_from[version, window] = version if stays else int(np.argmax(found))
            best[version, window] = found[came_from[version, window]] + worth[version, window]
    path = [int(np.argmax(best[:, -1]))]
    for window in range(windows - 1, 0, -1):
        path.append(int(came_from[path[-1], window]))
    return tuple(reversed(path))
