"""When a message may be sent: at once, or when the hours of its channel begin. Pure functions of times, across zones and clock changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vigil.spec.alerts import Tier
from vigil.spec.channels import AlertSettings
from vigil.spec.hours import Hours, Weekday

FARTHEST = 400  # days that are looked ahead: a calendar without a business day in so long is a mistake, and must hold back nothing


def sent_at(settings: AlertSettings, channel: str, tier: Tier, moment: datetime) -> datetime:
    """Return when a message made at ``moment`` is sent: at once where it is P0, or its channel has no hours or is in them."""
    found = settings.channels.get(channel)
    if tier is Tier.P0 or found is None or found.hours is None:
        return moment
    return next_open(settings.hours[found.hours], moment)


def next_open(hours: Hours, moment: datetime) -> datetime:
    """Return the first moment at or after ``moment`` that lies in the hours, as UTC.

    A start that the clocks skip counts by the offset before they do; one that they strike twice is the first of the two, and such
    an end the second (PEP 495).
    """
    for start, end in _spans(hours, moment):
        if moment < end:
            return max(moment, start).astimezone(UTC)
    return moment.astimezone(UTC)


def _spans(hours: Hours, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the hours as half-open intervals of UTC, from those that began the day before."""
    zone = ZoneInfo(hours.time_zone)
    weekdays, start, end = list(Weekday), time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    first = moment.astimezone(zone).date() - timedelta(days=1)
    for day in (first + timedelta(days=ahead) for ahead in range(FARTHEST)):
        if weekdays[day.weekday()] in hours.days and day not in hours.holidays:
            last = day if end > start else day + timedelta(days=1)
            yield _utc(day, start, zone, fold=0), _utc(last, end, zone, fold=1)


def _utc(day: date, clock: time, zone: ZoneInfo, *, fold: int) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).replace(fold=fold).astimezone(UTC)
