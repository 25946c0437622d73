"""Windows: half-open intervals of event time, ``[start, end)``, timezone-aware UTC, on a grid fixed by an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, order=True)
class Window:
    """A half-open interval of event time.

    >>> week = Window.containing(datetime(2013, 3, 6, tzinfo=UTC), timedelta(days=7), datetime(2013, 3, 1, tzinfo=UTC))
    >>> week.key
    '2013-03-01/2013-03-08'
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            if moment.tzinfo is None or moment.utcoffset() != timedelta(0):
                raise ValueError(f"a window's ends are timezone-aware UTC, got {moment!r}")
        if self.end <= self.start:
            raise ValueError(f"a window ends after it starts, got [{self.start}, {self.end})")

    @classmethod
    def containing(cls, moment: datetime, length: timedelta, anchor: datetime) -> Window:
        """Return the window of the grid ``anchor + k * length`` that holds ``moment``."""
        steps = (moment - anchor) // length
        start = anchor + steps * length
        return cls(start, start + length)

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def key(self) -> str:
        """Both ends, as dates where they are midnights: the window's name in files, keys and messages."""
        return f"{_short(self.start)}/{_short(self.end)}"

    def shifted(self, steps: int) -> Window:
        """Return the window ``steps`` places later on the same grid (earlier where negative)."""
        return Window(self.start + steps * self.length, self.end + steps * self.length)

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.start < end and start < self.end


def windows_between(start: datetime, end: datetime, length: timedelta, anchor: datetime) -> tuple[Window, ...]:
    """Return the grid's windows that overlap ``[start, end)``, in order; empty where ``end <= start``."""
    found: list[Window] = []
    window = Window.containing(start, length, anchor)
    while window.start < end:
        found.append(window)
        window = window.shifted(1)
    return tuple(found)


def spans_of(windows: Sequence[Window]) -> tuple[Window, ...]:
    """Return the fewest windows that hold the same moments: adjacent and overlapping ones become one.

    >>> day = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    >>> [span.key for span in spans_of([day.shifted(3), day.shifted(1), day])]
    ['2024-01-01/2024-01-03', '2024-01-04/2024-01-05']
    """
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return tuple(found)


def parse_moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time; without an offset it is taken as UTC.

    >>> parse_moment("2013-03-01").isoformat()
    '2013-03-01T00:00:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected an ISO 8601 date or time such as 2013-03-01 or 2013-03-01T06:00, got {text!r}") from None
    return as_utc(moment)


def moment_or_now(text: str | None) -> datetime:
    """Parse a moment; None is the present one. For the edges (flows, commands), where a person may leave it out."""
    return datetime.now(UTC) if text is None else parse_moment(text)


def as_utc(moment: datetime | date) -> datetime:
    """Return ``moment`` as aware UTC; a date is its midnight, a naive time is taken as UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _short(moment: datetime) -> str:
    midnight = moment.hour == moment.minute == moment.second == moment.microsecond == 0
    return moment.date().isoformat() if midnight else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
