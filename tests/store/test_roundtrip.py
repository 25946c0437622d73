"""What goes in comes out: times in any zone, floats bit for bit, text and JSON, on both engines. What could not is refused."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.store.build import MODEL, NOW, WEEK, a_decision, a_measurement, a_version, an_evaluation, save_decided, save_spec
from vigil.measurement import Verdict
from vigil.store.records import PromotionKind
from vigil.store.sql import SqlStore
from vigil.window import Window

ids = count()

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
zones = st.one_of(st.just(UTC), offsets, st.timezones())
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001 - the zone is drawn
utc_moments = moments.map(lambda moment: moment.astimezone(UTC))
numbers = st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keep_the_store = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(store: SqlStore) -> SqlStore:
    save_spec(store)
    return store


@keep_the_store
@given(as_of=moments, start=utc_moments, length=st.timedeltas(timedelta(microseconds=1), timedelta(days=365)))
def test_times_come_back_as_the_same_moment_in_utc(store: SqlStore, as_of: datetime, start: datetime, length: timedelta) -> None:
    written = an_evaluation(f"e-{next(ids)}", as_of=as_of, window=Window(start, start + length))
    store.record_evaluation(written, [])
    read = store.evaluation(written.evaluation_id)
    assert read is not None
    assert read == replace(written, as_of=as_of.astimezone(UTC))  # times in a zone's repeated hour equal no time of another zone
    assert read.as_of.tzinfo is UTC
    assert read.window.start.tzinfo is UTC


@keep_the_store
@given(before=moments, after=moments)
def test_the_order_of_times_is_the_order_of_moments(store: SqlStore, before: datetime, after: datetime) -> None:
    """Whatever their zones, the earlier look is not the latest, and the later one is not seen as of the earlier."""
    before, after = sorted((before, after))
    model = f"m-{next(ids)}"
    for name, as_of in (("before", before), ("after", after)):
        store.record_evaluation(an_evaluation(f"{name}-{model}", model=model, as_of=as_of), [])
    assert [found.evaluation_id for found in store.evaluations(model)] == [f"after-{model}"]
    expected = f"before-{model}" if before < after else f"after-{model}"
    assert [found.evaluation_id for found in store.evaluations(model, as_of=before)] == [expected]


@keep_the_store
@example(value=-0.0, low=5e-324, high=math.inf, threshold=0.1 + 0.2)
@given(value=numbers, low=numbers | st.none(), high=numbers | st.none(), threshold=numbers | st.none())
def test_floats_come_back_bit_for_bit(
    store: SqlStore, value: float, low: float | None, high: float | None, threshold: float | None
) -> None:
    evaluation = an_evaluation(f"e-{next(ids)}")
    store.record_evaluation(evaluation, [a_measurement(value=value, low=low, high=high, threshold=threshold)])
    (read,) = store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id]
    for written, found in ((value, read.value), (low, read.low), (high, read.high), (threshold, read.threshold)):
        assert _bits(found) == _bits(0.0 if written == 0 else written)


@keep_the_store
@given(detail=st.dictionaries(st.text(), plain, max_size=3))
def test_json_comes_back_equal(store: SqlStore, detail: dict[str, Any]) -> None:
    evaluation = an_evaluation(f"e-{next(ids)}")
    store.record_evaluation(evaluation, [a_measurement(detail=detail)])
    (read,) = store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id]
    assert read.detail == detail
    assert repr(_sorted(read.detail)) == repr(_sorted(detail))  # 1, 1.0 and True are three things, and so are 0.0 and -0.0


@keep_the_store
@given(subject=texts, metric=texts)
def test_text_comes_back_equal_and_writing_it_again_changes_nothing(store: SqlStore, subject: str, metric: str) -> None:
    evaluation = an_evaluation(f"e-{next(ids)}")
    some = [a_measurement(metric, subject=subject)]
    assert store.record_evaluation(evaluation, some)
    assert not store.record_evaluation(evaluation, some)
    assert store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id] == tuple(some)


@keep_the_store
@given(subjects=st.lists(texts, unique=True, max_size=6))
def test_measurements_come_in_the_same_order_on_both_engines(store: SqlStore, subjects: list[str]) -> None:
    evaluation = an_evaluation(f"e-{next(ids)}")
    store.record_evaluation(evaluation, [a_measurement(subject=subject) for subject in subjects])
    assert [read.subject for read in store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id]] == sorted(subjects)


def test_numpy_numbers_come_back_as_pythons(store: SqlStore) -> None:
    """SQLite's driver would keep a numpy integer as bytes."""
    measurement = a_measurement(value=np.float32(0.5), low=np.float64(0.25), n=np.int64(2**40))
    store.record_evaluation(an_evaluation(rows=np.int32(7), quality_passed=np.bool_(True)), [measurement])
    (read,) = store.measurements(["e1"])["e1"]
    assert (read.value, read.low, read.n) == (0.5, 0.25, 2**40)
    assert store.evaluation("e1") == an_evaluation(rows=7)


@pytest.mark.parametrize("name", ["value", "low", "high", "threshold"])
def test_nan_is_refused_and_nothing_is_written(store: SqlStore, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is NaN.*metric='psi'"):
        store.record_evaluation(an_evaluation(), [a_measurement("ks"), a_measurement("psi", **{name: math.nan})])
    assert store.evaluation("e1") is None


def test_a_value_that_could_not_be_computed_is_none(store: SqlStore) -> None:
    measurement = a_measurement(value=None, low=None, high=None, threshold=None, verdict=Verdict.NOT_ENOUGH_DATA)
    store.record_evaluation(an_evaluation(), [measurement])
    assert store.measurements(["e1"]) == {"e1": (measurement,)}


@pytest.mark.parametrize("detail", [{"p": math.nan}, {"p": math.inf}, {"p": np.int64(1)}, {"p": NOW}, {"p": {1, 2}}], ids=repr)
def test_what_is_not_plain_json_is_refused(store: SqlStore, detail: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="`detail` has to be plain JSON"):
        store.record_evaluation(an_evaluation(), [a_measurement(detail=detail)])
    assert store.evaluation("e1") is None


@pytest.mark.parametrize("subject", ["origin=\0", "origin=\ud800"], ids=["NUL", "lone surrogate"])
def test_text_that_postgresql_cannot_hold_is_refused_on_both(store: SqlStore, subject: str) -> None:
    with pytest.raises(ValueError, match="`subject`"):
        store.record_evaluation(an_evaluation(), [a_measurement(subject=subject)])


def test_times_without_an_offset_are_refused_in_every_method(store: SqlStore) -> None:
    save_decided(store, 1)
    store.save_version(a_version())
    naive = NOW.replace(tzinfo=None)
    calls = (
        lambda: store.record_evaluation(an_evaluation("e2", as_of=naive), []),
        lambda: store.evaluations(MODEL, as_of=naive),
        lambda: store.evaluations(MODEL, start=naive),
        lambda: store.decisions(MODEL, end=naive),
        lambda: store.save_version(a_version("2", registered_at=naive)),
        lambda: store.record_decision(a_decision("d2", as_of=naive), {}),
        lambda: store.request_retraining("d1", model=MODEL, champion="1", at=naive),
        lambda: store.move_champion(MODEL, "1", expected_token=0, kind=PromotionKind.ADOPTED, by="ada", reason="", at=naive),
    )
    for call in calls:
        with pytest.raises(ValueError, match="timezone-aware"):
            call()


@pytest.mark.parametrize("body", ['{"b":1,  "a":1.0}', "ä\U0001f600\n\t"], ids=["spaces and order", "beyond ASCII"])
def test_a_profile_comes_back_byte_for_byte(store: SqlStore, body: str) -> None:
    store.save_profiles(MODEL, WEEK, "data", "layout", {("*", "*"): body})
    assert store.profiles(MODEL, WEEK, "data", "layout") == {("*", "*"): body}


def _bits(number: float | None) -> bytes | None:
    return None if number is None else struct.pack(">d", number)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _sorted(inner)) for key, inner in value.items())
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value
