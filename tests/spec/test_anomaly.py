"""Declared events: once, or every year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vigil.spec.base import Anomaly
from vigil.window import Window

CHRISTMAS = Anomaly(name="Christmas", start="2012-12-24", end="2013-01-02", yearly=True)


def week_of(year: int, month: int, day: int) -> Window:
    start = datetime(year, month, day, tzinfo=UTC)
    return Window(start, start + timedelta(days=7))


@pytest.mark.parametrize(
    ("week", "expected"),
    [
        (week_of(2024, 12, 20), True),
        (week_of(2025, 1, 1), True),  # the event of the year before has not ended
        (week_of(2025, 1, 2), False),  # its end is not in it
        (week_of(2024, 12, 17), False),  # nor is what ends as it begins
        (week_of(2009, 12, 25), True),  # before the year that it was written for
        (week_of(2024, 6, 1), False),
    ],
)
def test_an_event_of_every_year_comes_back(week: Window, *, expected: bool) -> None:
    assert CHRISTMAS.overlaps(week) is expected


def test_an_event_that_is_not_yearly_does_not_come_back() -> None:
    once = CHRISTMAS.model_copy(update={"yearly": False})
    assert once.overlaps(week_of(2012, 12, 24))
    assert not once.overlaps(week_of(2013, 12, 24))


def test_a_leap_day_is_the_day_before_where_there_is_none() -> None:
    leap = Anomaly(name="leap", start="2024-02-29", end="2024-03-01", yearly=True)
    day = Window(datetime(2025, 2, 28, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))
    assert leap.overlaps(day)
    assert not leap.overlaps(day.shifted(1))


def test_a_year_is_too_long_to_come_back_every_year() -> None:
    with pytest.raises(ValueError, match="lasts less than one"):
        Anomaly(name="x", start="2012-01-01", end="2013-01-01", yearly=True)
