"""What would have told earlier, by how much and at what price: leads and false alarms by hand; and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.alerts.build import MONDAY, a_look, a_spec, day, latency, psi, quality
from tests.alerts.fleet import ONE_CHANNEL, all_of, keep_look, see
from vigil.alerts.alerting import acknowledge
from vigil.alerts.delivery import Attempt, drain
from vigil.alerts.incident import Incident, State
from vigil.alerts.postmortem import AT_ONCE, LEARNT, Earlier, earlier, postmortem
from vigil.errors import NotAllowed
from vigil.measurement import Measurement
from vigil.spec.alerts import Tier
from vigil.store.sql import SqlStore

BAD = quality(breach=True)


def found(values: Sequence[float | None], *others: Incident, weekly: bool = False) -> dict[str, Earlier]:
    """Of latencies, None where nothing was measured; the last opened the incident. Weeks have no weekday that a band is learnt by."""
    spec = a_spec(window={"days": 7 if weekly else 1})
    looks = [a_look(number, [] if value is None else [latency(value)], spec) for number, value in enumerate(values)]
    return {one.how: one for one in earlier(looks, others, spec)}


def held(first: int, last: int) -> Incident:
    start, end = ((MONDAY + timedelta(days=number)).isoformat() for number in (first, last))
    return Incident("i-0", "churn", State.RESOLVED, Tier.P1, "", MONDAY, MONDAY, start, end, start, {}, 1)


class TestAtOnce:
    def test_the_lead_is_from_the_first_window_of_those_without_a_gap(self) -> None:
        one = found([100, 100, 300, 300, 300])[AT_ONCE]
        assert (one.window, one.lead, one.false_alarms, one.windows) == (day(2).start, timedelta(days=2), 0, 2)

    def test_a_window_in_bounds_ends_it(self) -> None:
        assert found([300, 100, 300, 300])[AT_ONCE].lead == timedelta(days=1)

    def test_a_window_that_was_not_measured_does_not(self) -> None:
        assert found([100, 300, None, 300])[AT_ONCE].lead == timedelta(days=2)

    def test_what_fires_elsewhere_is_a_false_alarm_once_for_each_time(self) -> None:
        one = found([300, 300, 100, 300, 100, 300, 300])[AT_ONCE]
        assert (one.false_alarms, one.windows) == (2, 5)

    def test_what_another_incident_holds_is_none(self) -> None:
        one = found([300, 300, 100, 300, 100, 300, 300], held(0, 1))[AT_ONCE]
        assert (one.false_alarms, one.windows) == (1, 3)

    def test_what_fired_only_in_the_last_window_is_not_earlier(self) -> None:
        assert found([100, 100, 300]) == {}


class TestLearnt:
    usual = tuple(100.0 + number % 3 for number in range(12))

    def test_what_is_unusual_long_before_its_limit_would_have_told(self) -> None:
        """Twelve of 100 to 102; two of 150, which is below the limit of 200; then two of 300."""
        one = found([*self.usual, 150, 150, 300, 300], weekly=True)[LEARNT]
        assert (one.window, one.lead, one.false_alarms) == (day(12).start, timedelta(days=3), 0)

    def test_an_unusual_one_of_the_history_is_its_price(self) -> None:
        assert found([*self.usual[:9], 150, *self.usual[:3], 150, 300, 300], weekly=True)[LEARNT].false_alarms == 1


def test_the_fewest_false_alarms_come_first() -> None:
    spec = a_spec()
    looks = [
        a_look(number, [latency(300 if number in (0, 4, 5) else 100), psi("age", 0.3 if number >= 3 else 0.1)], spec) for number in range(6)
    ]
    assert [(one.signal.metric, one.false_alarms) for one in earlier(looks, [], spec)] == [("psi", 0), ("latency_p95_ms", 1)]


def test_the_timeline_is_in_order_with_who_was_told(store: SqlStore) -> None:
    see(store, 0, [BAD])
    drain(store, ONE_CHANNEL, lambda *_: Attempt(True, "HTTP 200"), lambda: day(0).end + timedelta(minutes=1))
    (incident,) = all_of(store)
    acknowledge(store, ONE_CHANNEL, incident.incident_id, by="ann", reason="on it", at=day(0).end + timedelta(minutes=5))
    see(store, 1, [BAD, quality(breach=True, subject="plan")])
    happened: list[tuple[datetime, str]] = [(each.at, each.what) for each in postmortem(store, a_spec(), incident.incident_id).timeline]
    assert [(at - day(0).end, what) for at, what in happened] == [
        (
            timedelta(0),
            "opened by vigil: churn: data at fault (age); "
            "expect_column_values_to_not_be_null of age out of bounds in the window of 2024-01-01",
        ),
        (timedelta(minutes=1), "hook was told: P1 churn: data at fault (age)"),
        (timedelta(minutes=5), "acknowledged by ann: on it"),
        (
            timedelta(days=1),
            "observed by vigil: expect_column_values_to_not_be_null of plan out of bounds in the window of 2024-01-02",
        ),
    ]


def test_only_what_was_known_when_it_was_opened_counts(store: SqlStore) -> None:
    keep_look(store, 0, [latency(300)], a_spec())
    see(store, 1, [latency(300)])
    see(store, 2, [latency(100)])
    (one,) = postmortem(store, a_spec(), all_of(store)[0].incident_id).earlier
    assert (one.how, one.lead) == (AT_ONCE, timedelta(days=1))


def test_of_a_fleet_incident_its_members_are_looked_back_on(store: SqlStore) -> None:
    for number in range(3):
        measured: list[Measurement] = [BAD]
        see(store, 0, measured, spec=a_spec(f"m{number}"))
    (fleet,) = [each for each in all_of(store) if each.model == "fleet"]
    with pytest.raises(NotAllowed, match="shared by 3 incidents; look back on one: i-"):
        postmortem(store, a_spec(), fleet.incident_id)
