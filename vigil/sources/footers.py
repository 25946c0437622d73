"""When the rows of a Parquet file happened, by the statistics in its footer: which files a window has to read.

Differs from :mod:`vigil.sources.files`, which opens files: here no row is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vigil.window import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_UNIT = {"milliseconds": (1000, 1), "microseconds": (1, 1), "nanoseconds": (1, 1000)}  # microseconds: times, divided by
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Span:
    """The first and the last moment of a file, in microseconds since 1970; None where its footer does not tell."""

    first: int | None
    last: int | None

    def meets(self, window: Window) -> bool:
        """Tell whether the file may hold a moment of ``window``."""
        if self.first is None or self.last is None:
            return True
        return self.first < microseconds(window.end) and microseconds(window.start) <= self.last


UNTOLD = Span(None, None)


def span_of(file: Path, column: str) -> Span:
    """Return the span of ``column`` in ``file``. A file that cannot be read so (older Spark writes no statistics) tells nothing.

    A file without any moment has an empty span, which meets no window.
    """
    try:
        footer = pq.read_metadata(file)
        # by its path: a name alone may also be that of a field inside a nested column
        index = [footer.schema.column(number).path for number in range(footer.num_columns)].index(column)
        groups = [footer.row_group(number).column(index) for number in range(footer.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError):
        return UNTOLD
    ends: list[tuple[int, int]] = []
    for group in groups:
        found = group.statistics
        if found is not None and found.has_null_count and found.null_count == group.num_values:
            continue
        if found is None or not found.has_min_max:
            return UNTOLD
        low, high = (_microseconds(raw, found.logical_type) for raw in (found.min_raw, found.max_raw))
        if low is None or high is None:
            return UNTOLD
        ends.append((low, high))
    return Span(min((low for low, _ in ends), default=1), max((high for _, high in ends), default=0))


def microseconds(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _microseconds(raw: Any, logical_type: Any) -> int | None:
    kind = json.loads(logical_type.to_json())
    if not isinstance(raw, int):
        return None
    if kind["Type"] == "Date":
        return raw * _DAY
    if kind["Type"] != "Timestamp" or kind.get("timeUnit") not in _PER_UNIT:
        return None
    times, divided_by = _PER_UNIT[kind["timeUnit"]]
    return raw * times // divided_by
