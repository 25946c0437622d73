"""The label rule against a plain oracle: the latest observation known at a moment wins, in any order of arrival."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.sources.labels import latest, observed_by
from vigil.spec.model import Columns

START = datetime(2013, 3, 1, tzinfo=UTC)
COLUMNS = Columns()


class Observation(NamedTuple):
    row: int
    minute: int
    label: float | None
    probability: float


def oracle(observations: list[Observation], as_of: int) -> dict[int, tuple[float, float]]:
    """Walk through the observations one by one and keep the best seen: later, then larger label, then larger probability."""
    kept: dict[int, Observation] = {}
    for seen in observations:
        if seen.minute > as_of:
            continue
        rival = kept.get(seen.row)
        if rival is None or _rank(seen) > _rank(rival):
            kept[seen.row] = seen
    return {row: (seen.label, seen.probability) for row, seen in kept.items() if seen.label is not None}


def _rank(seen: Observation) -> tuple[int, float, float]:
    return (seen.minute, float("-inf") if seen.label is None else seen.label, seen.probability)


def answer(observations: list[Observation], as_of: int) -> dict[int, tuple[float, float]]:
    frame = pd.DataFrame(
        {
            "prediction_id": pd.Series([seen.row for seen in observations], dtype="int64"),
            "observed_at": pd.Series([START + timedelta(minutes=seen.minute) for seen in observations], dtype="datetime64[us, UTC]"),
            "label": pd.Series([seen.label for seen in observations], dtype="Float64"),
            "inclusion_probability": pd.Series([seen.probability for seen in observations], dtype="float64"),
        }
    )
    known = observed_by(ibis.memtable(frame), COLUMNS, START + timedelta(minutes=as_of))
    rows = latest(known, COLUMNS).execute()
    assert rows["prediction_id"].is_unique
    return {row.prediction_id: (row.label, row.inclusion_probability) for row in rows.itertuples()}


STREAMS = st.lists(
    st.builds(
        Observation,
        row=st.integers(0, 3),
        minute=st.integers(0, 4),
        label=st.sampled_from([0.0, 1.0, None]),
        probability=st.sampled_from([0.2, 0.5, 1.0]),
    ),
    max_size=14,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(stream=STREAMS, as_of=st.integers(-1, 5), order=st.randoms(use_true_random=False), copies=st.integers(1, 3))
def test_any_stream_in_any_order_with_any_duplicates_gives_what_the_oracle_gives(
    stream: list[Observation], as_of: int, order: object, copies: int
) -> None:
    arrived = stream * copies
    order.shuffle(arrived)  # type: ignore[attr-defined]
    assert answer(arrived, as_of) == oracle(stream, as_of)


def test_ten_thousand_streams_at_once_give_what_the_oracle_gives() -> None:
    """Each prediction id is one stream of up to 8 observations; all are answered by one query."""
    rng = np.random.default_rng(20130301)
    stream = [
        Observation(row, int(rng.integers(5)), [0.0, 1.0, None][rng.integers(3)], [0.2, 0.5, 1.0][rng.integers(3)])
        for row in range(10_000)
        for _ in range(rng.integers(1, 9))
    ]
    rng.shuffle(stream)  # type: ignore[arg-type]
    stream = [Observation(int(r), int(m), label, float(p)) for r, m, label, p in stream]
    expected = oracle(stream, 3)
    assert 5_000 < len(expected) < 9_900  # some streams begin later, some end withdrawn
    assert answer(stream, 3) == expected


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        pytest.param([(1, 0, 0.0, 0.5), (1, 2, 1.0, 0.5)], {1: (1.0, 0.5)}, id="a correction replaces"),
        pytest.param([(1, 0, 0.0, 0.5), (1, 9, 1.0, 0.5)], {1: (0.0, 0.5)}, id="a later correction is not known yet"),
        pytest.param([(1, 0, 1.0, 0.5), (1, 2, None, 0.5)], {}, id="a null withdraws"),
        pytest.param([(1, 0, None, 0.5), (1, 2, 1.0, 0.5)], {1: (1.0, 0.5)}, id="a label after a null counts"),
        pytest.param([(1, 2, None, 0.5), (1, 2, 0.0, 0.5)], {1: (0.0, 0.5)}, id="at one moment a label wins over none"),
        pytest.param([(1, 2, 0.0, 1.0), (1, 2, 1.0, 0.5)], {1: (1.0, 0.5)}, id="at one moment the larger label wins"),
        pytest.param([(1, 2, 1.0, 0.2), (1, 2, 1.0, 0.5)], {1: (1.0, 0.5)}, id="then the larger probability"),
    ],
)
def test_the_rule_case_by_case(observations: list[tuple[int, int, float | None, float]], expected: dict[int, tuple[float, float]]) -> None:
    stream = [Observation(*values) for values in observations]
    assert answer(stream, 3) == answer(stream[::-1], 3) == expected
