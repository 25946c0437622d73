"""The three faults that are planted in the year, and nothing else that is not real. Each lasts one week.

A fault is applied to a week's features before they are scored, as it would come from upstream: the model scores what it is
fed, the log keeps what it was fed, and nothing tells vigil.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from examples.flights.feed import WEATHER
from vigil.window import Window


@dataclass(frozen=True)
class Fault:
    """What goes wrong upstream in one week; ``spoil`` returns the week's rows as they arrive."""

    week: Window
    what: str
    spoil: Callable[[pd.DataFrame], pd.DataFrame]


def send_carrier_under_new_code(rows: pd.DataFrame) -> pd.DataFrame:
    """United arrives under its three-letter code."""
    return rows.assign(carrier=rows["carrier"].replace("UA", "UAL"))


def send_celsius_from_newark(rows: pd.DataFrame) -> pd.DataFrame:
    """Newark's temperature arrives in °C; dew point and the other origins stay in °F."""
    return rows.assign(temp=rows["temp"].where(rows["origin"] != "EWR", (rows["temp"] - 32) * 5 / 9))


def lose_weather(rows: pd.DataFrame) -> pd.DataFrame:
    """No weather arrives, from any origin."""
    return rows.assign(**dict.fromkeys(WEATHER, float("nan")))


def _week_of(year: int, month: int, day: int) -> Window:
    start = datetime(year, month, day, tzinfo=UTC)
    return Window(start, start + timedelta(days=7))


FAULTS = (
    Fault(_week_of(2013, 5, 10), "the carrier code UA is renamed to UAL upstream", send_carrier_under_new_code),
    Fault(_week_of(2013, 7, 12), "Newark's temperature is sent in °C instead of °F", send_celsius_from_newark),
    Fault(_week_of(2013, 10, 18), "no weather arrives", lose_weather),
)


def as_they_arrive(rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` (any times, in order) with each fault applied to those of its week."""
    for fault in FAULTS:
        in_week = (rows["event_time"] >= fault.week.start) & (rows["event_time"] < fault.week.end)
        if in_week.any():
            rows = pd.concat([rows[~in_week], fault.spoil(rows[in_week])]).sort_index()
    return rows
