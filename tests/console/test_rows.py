"""Which measurement stands for a window in a table."""

from __future__ import annotations

from console.rows import find
from vigil.measurement import Layer, Measurement, Verdict


def test_the_windows_drift_is_the_one_against_training() -> None:
    """Though others sort before it, as the store gives them."""
    measured = [
        Measurement(Layer.DRIFT, "drift_share", value, Verdict.OK, 100, version="1", reference=reference)
        for reference, value in (("previous", 0.1), ("rolling", 0.2), ("training", 0.7))
    ]
    found = find(measured, Layer.DRIFT, "drift_share")
    assert found is not None
    assert found.value == 0.7
    assert find(measured[:2], Layer.DRIFT, "drift_share") is None
