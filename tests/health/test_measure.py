"""Health from the log: counted and ranked by hand, judged against the specification."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from vigil.health.measure import measure_health
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec


def make_spec(**changes: Any) -> ModelSpec:
    whole: dict[str, Any] = {
        "model": "m",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
        "features": {"x": "numeric"},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:fit", "include_reference": False},
    }
    return ModelSpec.model_validate(whole | changes)


def log(**changes: Any) -> ibis.Table:
    """101 rows of version 1 with latencies 0 to 100 ms and one error, then 9 of version 2 with 1000 ms and an error each."""
    frame = {
        "model_version": ["1"] * 101 + ["2"] * 9,
        "latency_ms": np.r_[np.arange(101.0), np.full(9, 1000.0)],
        "error": pd.Series(["timeout"] + [None] * 100 + ["timeout"] * 9, dtype="string"),
    }
    return ibis.memtable(pd.DataFrame(frame | changes))


def measured(rows: ibis.Table, spec: ModelSpec, version: str = "1") -> dict[str, Measurement]:
    found = measure_health(rows, spec, version=version, logged=rows.count().execute())
    assert {(m.layer, m.subject, m.version, m.low, m.high) for m in found} == {(Layer.SYSTEM, WHOLE, version, None, None)}
    return {m.metric: m for m in found}


def test_the_rows_of_the_version_are_counted_ranked_and_their_errors_shared() -> None:
    found = measured(log(), make_spec())
    assert {name: m.value for name, m in found.items()} == {
        "rows": 110.0,
        "latency_p50_ms": 50.0,
        "latency_p95_ms": 95.0,
        "latency_p99_ms": 99.0,
        "error_rate": 1 / 101,
    }
    assert {m.n for name, m in found.items() if name != "rows"} == {101}
    assert found["error_rate"].detail == {"errors": 1}


def test_what_another_version_takes_over_is_no_lost_volume() -> None:
    """Of 110 rows a canary serves 9, then 40: the model is asked as often as before."""
    half = ["1"] * 70 + ["2"] * 40
    assert [measured(rows, make_spec())["rows"].value for rows in (log(), log(model_version=half))] == [110.0, 110.0]


def test_a_boolean_error_that_is_false_is_none() -> None:
    """Two of version 1's rows: one says true, of one nothing is known, all others say false."""
    failed = pd.Series([True, None] + [False] * 108, dtype="boolean")
    assert measured(log(error=failed), make_spec())["error_rate"].value == 1 / 101


def test_all_versions_count_where_asked_for() -> None:
    """110 rows; rank .95 * 109 = 103.55 lies among the nine of 1000 ms."""
    found = measured(log(), make_spec(), WHOLE)
    assert (found["rows"].value, found["latency_p95_ms"].value, found["error_rate"].value) == (110.0, 1000.0, 10 / 110)


def test_a_version_logged_as_a_number_is_the_version_of_that_name() -> None:
    assert measured(log(model_version=[1] * 101 + [2] * 9), make_spec(), "2")["error_rate"].n == 9


def test_quantiles_are_numpys() -> None:
    latency = np.random.default_rng(1).lognormal(3, 1, 110)
    found = measured(log(latency_ms=latency), make_spec(), WHOLE)
    for metric, share in (("latency_p50_ms", 0.5), ("latency_p95_ms", 0.95), ("latency_p99_ms", 0.99)):
        assert found[metric].value == pytest.approx(np.quantile(latency, share), rel=1e-12)


@pytest.mark.parametrize(("limit", "verdict"), [(94.9, Verdict.BREACH), (95.0, Verdict.OK), (None, Verdict.OK)])
def test_p95_above_the_limit_is_a_breach(limit: float | None, verdict: Verdict) -> None:
    found = measured(log(), make_spec(health={"latency_p95_ms": limit}))
    assert (found["latency_p95_ms"].verdict, found["latency_p95_ms"].threshold) == (verdict, limit)


@pytest.mark.parametrize(("limit", "verdict"), [(0.009, Verdict.BREACH), (1 / 101, Verdict.OK), (None, Verdict.OK)])
def test_an_error_rate_above_the_limit_is_a_breach(limit: float | None, verdict: Verdict) -> None:
    found = measured(log(), make_spec(health={"error_rate": limit}))
    assert (found["error_rate"].verdict, found["error_rate"].threshold) == (verdict, limit)


def test_what_has_no_limit_is_shown() -> None:
    found = measured(log(), make_spec(), "2")
    for metric in ("rows", "latency_p50_ms", "latency_p99_ms"):
        assert (found[metric].verdict, found[metric].threshold) == (Verdict.OK, None)


def test_a_column_that_is_not_logged_is_not_measured() -> None:
    without = log().drop("latency_ms", "error")
    assert set(measured(without, make_spec(columns={"latency_ms": None, "error": None}))) == {"rows"}
    assert set(measured(log(), make_spec(columns={"latency_ms": None}))) == {"rows", "error_rate"}
    assert set(measured(log(), make_spec(columns={"error": None}))) == {
        "rows",
        "latency_p50_ms",
        "latency_p95_ms",
        "latency_p99_ms",
    }


@pytest.mark.parametrize("version", ["3", WHOLE])
def test_no_rows_are_not_enough_data(version: str) -> None:
    found = measured(log().filter(ibis.literal(False)), make_spec(), version)
    assert len(found) == 5
    assert {(m.value, m.verdict, m.n) for m in found.values()} == {(None, Verdict.NOT_ENOUGH_DATA, 0)}


def test_a_version_without_rows_has_not_enough_data_of_its_own() -> None:
    found = measured(log(), make_spec(), "3")
    assert {(m.value, m.verdict, m.n) for name, m in found.items() if name != "rows"} == {(None, Verdict.NOT_ENOUGH_DATA, 0)}


def test_rows_without_a_latency_are_left_out_of_its_quantiles() -> None:
    """Of 0 to 100 ms 0 to 24 are null and 25 to 49 NaN: the median of 50 to 100 is 75."""
    known = ibis.ifelse(ibis._.latency_ms < 50, float("nan"), ibis._.latency_ms)
    rows = log().mutate(latency_ms=ibis.ifelse(ibis._.latency_ms < 25, ibis.null("float64"), known))
    found = measured(rows, make_spec())
    assert (found["latency_p50_ms"].value, found["latency_p50_ms"].n, found["error_rate"].n) == (75.0, 51, 101)


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_no_latency_in_any_row_is_not_enough_data(unknown: float | None) -> None:
    rows = log().mutate(latency_ms=ibis.literal(unknown, type="float64"))
    found = measured(rows, make_spec())
    assert (found["latency_p95_ms"].value, found["latency_p95_ms"].verdict, found["latency_p95_ms"].n) == (None, Verdict.NOT_ENOUGH_DATA, 0)
    assert found["error_rate"].n == 101


def test_whole_number_latencies_are_measured() -> None:
    assert measured(log(latency_ms=np.r_[np.arange(101), np.full(9, 1000)]), make_spec())["latency_p95_ms"].value == 95.0


class TestServiceLevel:
    def test_time_outs_are_the_errors_that_say_so_in_any_case(self) -> None:
        """Of 110 rows two timed out; `refused` is an error and no time-out."""
        rows = log(error=pd.Series(["Read TIMEOUT", "request timed out", "refused"] + [None] * 107, dtype="string"))
        found = measured(rows, make_spec(health={"timeout_rate": 0.01}), WHOLE)
        assert (found["timeout_rate"].value, found["timeout_rate"].verdict) == (2 / 110, Verdict.BREACH)
        assert found["error_rate"].value == 3 / 110
        named = measured(rows, make_spec(health={"timeout_rate": 0.01, "timeouts": ["Refused"]}), WHOLE)
        assert (named["timeout_rate"].value, named["timeout_rate"].verdict) == (1 / 110, Verdict.OK)

    @pytest.mark.parametrize(("least", "verdict"), [(101 / 86_400, Verdict.OK), (102 / 86_400, Verdict.BREACH)])
    def test_the_throughput_is_rows_a_second_of_the_window_and_breaches_below(self, least: float, verdict: Verdict) -> None:
        found = measured(log(), make_spec(health={"throughput_per_s": least}))["throughput_per_s"]
        assert (found.value, found.verdict, found.threshold) == (101 / 86_400, verdict, least)

    def test_no_rows_are_no_throughput(self) -> None:
        found = measured(log(), make_spec(health={"throughput_per_s": 1.0, "timeout_rate": 0.1}), version="9")
        assert (found["throughput_per_s"].value, found["throughput_per_s"].verdict) == (0.0, Verdict.BREACH)
        assert found["timeout_rate"].verdict is Verdict.NOT_ENOUGH_DATA

    def test_who_asks_for_neither_has_neither_and_keeps_the_hash(self) -> None:
        assert not {"throughput_per_s", "timeout_rate"} & set(measured(log(), make_spec()))
        assert make_spec().hash == make_spec(health={"timeouts": ["timeout", "timed out", "deadline"]}).hash
