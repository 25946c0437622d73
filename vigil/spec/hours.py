"""When people of a channel want to be told: hours of business days in their time zone. P0 keeps to none.

Differs from :mod:`vigil.alerts.hours`, which says what these hours mean for a moment.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from vigil.spec.base import SpecModel

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]  # 08:30


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Hours(SpecModel):
    """Hours of business days. Messages that come outside of them wait for the next."""

    time_zone: str  # of the IANA database: Europe/Oslo
    start: Clock = "08:00"
    end: Clock = "18:00"  # not after start: the next day's; the same as start: all day
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = tuple(Weekday)[:5]  # on which they begin
    holidays: tuple[date, ...] = ()  # local dates on which they do not begin

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone; expected a name of the IANA database such as Europe/Oslo or UTC") from None
        return name
