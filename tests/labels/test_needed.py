"""How many labels more decide whether the limit is kept."""

from __future__ import annotations

import pytest

from tests.performance.test_measure import make_spec
from vigil.labels.plan import labels_needed
from vigil.measurement import Layer, Measurement, Verdict


def measured(value: float | None, low: float | None, high: float | None, *, n: int = 100, threshold: float | None = 0.7) -> Measurement:
    return Measurement(Layer.PERFORMANCE, "roc_auc", value, Verdict.OK, n, low=low, high=high, threshold=threshold)


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (measured(0.72, 0.68, 0.76), 300),  # half width .04, gap .02: four times the labels
        (measured(0.69, 0.66, 0.72), 800),  # below the limit its upper half counts: .03 to .01, nine times
        (measured(0.80, 0.75, 0.85), 0),  # decided
        (measured(0.70, 0.66, 0.74), None),  # the value is the limit
        (measured(None, None, None, n=30), 70),  # labels.minimum is 100
        (measured(0.80, 0.75, 0.85, threshold=None), 0),
    ],
)
def test_the_half_width_falls_with_the_root_of_the_labels(found: Measurement, needed: int | None) -> None:
    assert labels_needed(found, make_spec()) == pytest.approx(needed, abs=1)
