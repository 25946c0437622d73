"""KPIs of outcomes: means by hand, what is not known, judged by a whole interval, and an interval that covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from tests.performance.test_measure import by_key, make_spec
from vigil.business.kpi import measure_kpis
from vigil.measurement import WHOLE, Layer, Verdict
from vigil.spec.model import ModelSpec


def spec_with(**kpi: Any) -> ModelSpec:
    source = {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "outcomes": "outcomes/*.parquet"}
    return make_spec(source=source, business={"kpis": {"revenue": {"column": "paid", **kpi}}}, labels={"minimum": 2})


def rows_of(*revenue: float | None) -> pd.DataFrame:
    return pd.DataFrame({"revenue": pd.Series(revenue, dtype="float64"), "origin": (["EWR", "JFK"] * len(revenue))[: len(revenue)]})


def test_it_is_the_mean_of_what_is_known_with_the_interval_of_a_mean() -> None:
    """4, 6 and 8: the mean is 6, its standard error 2 / sqrt 3, Student's t of 2 degrees of freedom 4.303."""
    found = by_key(measure_kpis(rows_of(4, 6, 8, None), spec_with(), version="7"))["revenue", WHOLE]
    assert (found.layer, found.value, found.n, found.verdict, found.threshold) == (Layer.BUSINESS, 6.0, 3, Verdict.OK, None)
    half = stats.t.ppf(0.975, 2) * 2 / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((6 - half, 6 + half))
    assert found.detail == {"known": 0.75}


def test_what_is_absent_may_count_as_zero() -> None:
    found = by_key(measure_kpis(rows_of(4, 6, 8, None), spec_with(absent="zero"), version="7"))["revenue", WHOLE]
    assert (found.value, found.n, found.detail["known"]) == (4.5, 4, 0.75)


def test_segments_are_shown_and_the_whole_is_judged_by_its_interval() -> None:
    rows = rows_of(*[4.0, 8.0] * 50)
    found = by_key(measure_kpis(rows, spec_with(minimum=7.0), version="7"))
    assert (found["revenue", WHOLE].verdict, found["revenue", WHOLE].threshold) == (Verdict.BREACH, 7.0)
    assert (found["revenue", "origin=EWR"].value, found["revenue", "origin=EWR"].threshold) == (4.0, None)
    assert by_key(measure_kpis(rows, spec_with(minimum=6.1), version="7"))["revenue", WHOLE].verdict is Verdict.WARNING
    assert by_key(measure_kpis(rows, spec_with(minimum=6.0), version="7"))["revenue", WHOLE].verdict is Verdict.OK


def test_no_order_of_rows_changes_a_bit() -> None:
    rows = rows_of(*np.random.default_rng(1).exponential(size=99))
    assert measure_kpis(rows, spec_with(), version="7") == measure_kpis(rows.sample(frac=1, random_state=2), spec_with(), version="7")


def test_too_few_and_none_are_results() -> None:
    for rows in (rows_of(4.0, None), rows_of()):
        assert by_key(measure_kpis(rows, spec_with(), version="7"))["revenue", WHOLE].verdict is Verdict.NOT_ENOUGH_DATA


def test_its_interval_covers() -> None:
    """Gamma with shape 4 and mean 1, 300 rows: 93 to 97 % of 600."""
    rng, hit = np.random.default_rng(3), 0
    spec = spec_with().model_copy(update={"segments": ()})
    for _ in range(600):
        (found,) = measure_kpis(pd.DataFrame({"revenue": rng.gamma(4, 0.25, 300)}), spec, version="7")
        hit += found.low <= 1 <= found.high  # type: ignore[operator]
    assert 0.93 <= hit / 600 <= 0.97


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"business": {"kpis": {"revenue": {"column": "paid"}}}}, "give both or neither"),
        ({"source": {"predictions": "a", "labels": "b", "outcomes": "c"}}, "give both or neither"),
        (
            {
                "source": {"predictions": "a", "labels": "b", "outcomes": "c"},
                "business": {"kpis": {"origin": {"column": "paid"}}},
            },
            "origin is the name of something else",
        ),
    ],
)
def test_kpis_that_could_not_be_measured_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_spec(**changes)


def test_who_asks_for_none_keeps_the_hash() -> None:
    assert make_spec().hash == make_spec(business={"kpis": {}}).hash
