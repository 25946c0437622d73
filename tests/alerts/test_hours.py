"""When a message may be sent: in the hours of its channel, across time zones, week-ends, holidays and changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vigil.alerts.hours import next_open, sent_at
from vigil.spec.alerts import Tier
from vigil.spec.channels import AlertSettings
from vigil.spec.hours import Hours, Weekday

ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo")
moments = st.datetimes(datetime(2011, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - made aware by timezones
clocks = st.times().map(lambda time: f"{time:%H:%M}")
hours = st.builds(
    Hours,
    time_zone=st.sampled_from(ZONES),
    start=clocks,
    end=clocks,
    days=st.lists(st.sampled_from(Weekday), min_size=1, unique=True).map(tuple),
)


def oslo(**changes: Any) -> Hours:
    return Hours.model_validate({"time_zone": "Europe/Oslo", "start": "08:00", "end": "16:00", **changes})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-01-03T09:00+01:00", "2024-01-03T09:00+01:00"),  # a Wednesday, in hours
        ("2024-01-03T06:00+01:00", "2024-01-03T08:00+01:00"),
        ("2024-01-03T16:00+01:00", "2024-01-04T08:00+01:00"),  # the end is not in them
        ("2024-01-05T17:00+01:00", "2024-01-08T08:00+01:00"),  # Friday evening: Monday
        ("2024-03-29T17:00+01:00", "2024-04-01T08:00+02:00"),  # over the night in which summer time begins
        ("2024-10-25T17:00+02:00", "2024-10-28T08:00+01:00"),  # and ends
    ],
)
def test_it_waits_for_the_next_hours_by_the_clock_on_the_wall(moment: str, expected: str) -> None:
    assert next_open(oslo(), at(moment)) == at(expected)


def test_a_holiday_is_no_business_day() -> None:
    assert next_open(oslo(holidays=["2024-05-17"]), at("2024-05-16T20:00+02:00")) == at("2024-05-20T08:00+02:00")


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    night = oslo(start="22:00", end="06:00", days=["friday"])
    saturday = at("2024-01-06T03:00+01:00")
    assert next_open(night, saturday) == saturday
    assert next_open(night, at("2024-01-06T06:00+01:00")) == at("2024-01-12T22:00+01:00")


def test_a_start_that_the_clocks_skip_counts_by_the_offset_before() -> None:
    """On 31 March 2024 Oslo's clocks go from 2:00 to 3:00: 2:30 is 1:30 UTC by winter's offset, 3:30 on the wall."""
    sunday = oslo(start="02:30", end="05:00", days=["sunday"])
    assert next_open(sunday, at("2024-03-31T00:00+01:00")) == at("2024-03-31T03:30+02:00")


def test_an_end_that_comes_twice_is_the_second() -> None:
    """On 27 October 2024 Oslo's clocks strike 2:30 at 0:30 and at 1:30 UTC."""
    sunday = oslo(start="01:00", end="02:30", days=["sunday"])
    between = at("2024-10-27T01:00+00:00")
    assert next_open(sunday, between) == between


@given(hours, moments)
def test_the_moment_found_is_open_never_earlier_and_the_same_when_asked_again(hours: Hours, moment: datetime) -> None:
    found = next_open(hours, moment)
    assert found >= moment
    assert next_open(hours, found) == found


@given(hours, moments, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_later_asked_is_never_earlier_sent(hours: Hours, moment: datetime, later: timedelta) -> None:
    assert next_open(hours, moment) <= next_open(hours, moment + later)


@given(hours, moments)
def test_what_is_sent_at_once_reads_a_clock_in_the_hours(hours: Hours, moment: datetime) -> None:
    """By the wall's clock alone, on days on which no clock is changed."""
    local = moment.astimezone(ZoneInfo(hours.time_zone))
    offsets = {(local + timedelta(days=days)).replace(hour=12).utcoffset() for days in (-2, -1, 0, 1, 2)}
    if len(offsets) > 1:
        return
    clock, today, names = f"{local:%H:%M}", local.weekday(), list(Weekday)
    if hours.start < hours.end:
        is_open = names[today] in hours.days and hours.start <= clock < hours.end
    else:
        is_open = (names[today] in hours.days and clock >= hours.start) or (names[today - 1] in hours.days and clock < hours.end)
    assert (next_open(hours, moment) == moment) is is_open


NIGHT = at("2024-01-03T03:00+01:00")
SETTINGS = AlertSettings.model_validate(
    {
        "channels": {"team": {"kind": "webhook", "url": "https://example.org", "hours": "office"}},
        "hours": {"office": {"time_zone": "Europe/Oslo"}},
    }
)


@pytest.mark.parametrize(("tier", "expected"), [(Tier.P0, NIGHT), (Tier.P1, at("2024-01-03T08:00+01:00"))])
def test_what_is_most_urgent_does_not_wait(tier: Tier, expected: datetime) -> None:
    assert sent_at(SETTINGS, "team", tier, NIGHT) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hours": {"office": {"time_zone": "Oslo"}}}, "Europe/Oslo or UTC"),
        ({"hours": {"office": {"time_zone": "UTC", "start": "8:00"}}}, "pattern"),
        ({"hours": {"office": {"time_zone": "UTC", "days": []}}}, "at least 1"),
        ({"channels": {"team": {"kind": "webhook", "url": "https://example.org", "hours": "office"}}}, "alerts.hours has: none"),
    ],
)
def test_hours_that_could_not_be_kept_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AlertSettings.model_validate(settings)
