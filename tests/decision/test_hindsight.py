"""The best sequence of versions, against trying all of them."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vigil.decision.hindsight import best_versions

VERSIONS, WINDOWS = 3, 5


def worth(path: tuple[int, ...], value: np.ndarray, cost: float) -> float:
    changes = sum(one != other for one, other in pairwise(path))
    return float(sum(np.nan_to_num(value)[version, window] for window, version in enumerate(path)) - cost * changes)


def allowed(path: tuple[int, ...], available: tuple[int, ...]) -> bool:
    starts = path[0] == 0
    return starts and list(path) == sorted(path) and all(available[version] <= window for window, version in enumerate(path))


@given(
    st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=VERSIONS * WINDOWS, max_size=VERSIONS * WINDOWS),
    st.tuples(st.just(0), st.integers(1, 3), st.integers(3, WINDOWS)),
    st.floats(0, 1),
)
def test_no_sequence_of_versions_is_better(values: list[float], available: tuple[int, ...], cost: float) -> None:
    """All 3^5 sequences, of those that keep to what was there and bring no version back."""
    value = np.array(values).reshape(VERSIONS, WINDOWS)
    found = best_versions(value, available, cost)
    assert allowed(found, available)
    every = [path for path in product(range(VERSIONS), repeat=WINDOWS) if allowed(path, available)]
    assert worth(found, value, cost) >= max(worth(path, value, cost) for path in every) - 1e-9


def test_without_a_reason_nothing_changes() -> None:
    """Equally good versions, and no cost: the first stays."""
    assert best_versions(np.ones((2, 3)), (0, 1), 0.0) == (0, 0, 0)
