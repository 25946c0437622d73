"""On how many windows a first version's baseline was measured."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.make import windows_long


@pytest.mark.parametrize(
    ("times", "windows"),
    [
        (pd.to_datetime(["2024-01-01", None, "2024-01-15"], utc=True), 2.0),
        (pd.to_datetime(["2024-01-01"], utc=True), 0.0),
        (pd.to_datetime([None, None], utc=True), None),
        ([None, None], None),
        ([], None),
    ],
)
def test_a_reference_without_times_says_nothing_of_windows(times: object, windows: float | None) -> None:
    spec = spec_of(window={"days": 7})
    assert windows_long(pd.DataFrame({spec.columns.time: times}), spec) == windows
