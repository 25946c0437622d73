"""The feed: times in UTC, outcomes only of flights that landed, weather only as it was known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from examples.flights.feed import FEATURES, WEATHER, cached_flights, data_folder, read_flights
from vigil.errors import VigilError
from vigil.spec.model import ModelSpec


def of(flights: pd.DataFrame, prediction_id: str) -> pd.Series:
    found = flights[flights["prediction_id"] == prediction_id]
    assert len(found) == 1
    return found.iloc[0]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_every_flight_of_the_year_is_there_once_in_order_of_departure(flights: pd.DataFrame) -> None:
    assert len(flights) == 336_776  # as the package's documentation says
    assert flights["prediction_id"].is_unique
    assert flights["event_time"].is_monotonic_increasing


def test_scheduled_departure_is_local_time_in_utc_in_winter_and_in_summer(flights: pd.DataFrame) -> None:
    """5:15 in New York is 10:15 UTC in January (UTC-5); 5:45 is 9:45 UTC in July (UTC-4)."""
    assert of(flights, "20130101-UA1545-EWR")["event_time"] == utc("2013-01-01 10:15")
    summer = flights[(flights["event_time"] >= utc("2013-07-01")) & (flights["departure_hour"] == 5.75)].iloc[0]
    assert (summer["event_time"].hour, summer["event_time"].minute) == (9, 45)


@pytest.mark.parametrize(("day", "before", "after"), [("2013-03-10", 5, 4), ("2013-11-03", 4, 5)])
def test_the_clocks_change_on_the_days_they_did(flights: pd.DataFrame, day: str, before: int, after: int) -> None:
    """Summer time was from 10 March to 3 November 2013, each from 2 o'clock on, when no flight is scheduled."""

    def hours_behind(date: pd.Timestamp) -> set[float]:
        rows = flights[flights["prediction_id"].str.startswith(date.strftime("%Y%m%d"))]
        midnight = rows["event_time"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize().dt.tz_localize("UTC")
        behind = (rows["event_time"] - midnight).dt.total_seconds() / 3600 - rows["departure_hour"]
        return set(behind.round(6))

    assert hours_behind(pd.Timestamp(day) - pd.Timedelta(days=1)) == {float(before)}
    assert hours_behind(pd.Timestamp(day)) == {float(after)}


def test_late_is_more_than_fifteen_minutes(flights: pd.DataFrame) -> None:
    """From the published file: UA1545 landed 11 minutes late, UA1714 20, AA1141 33, on 1 January."""
    labels = [of(flights, i)["label"] for i in ("20130101-UA1545-EWR", "20130101-UA1714-LGA", "20130101-AA1141-JFK")]
    assert labels == [0, 1, 1]


def test_landing_is_departure_plus_delay_plus_time_in_the_air(flights: pd.DataFrame) -> None:
    """UA1545 was to leave at 10:15 UTC, left 2 minutes late and was 227 minutes in the air: 14:04."""
    assert of(flights, "20130101-UA1545-EWR")["landed_at"] == utc("2013-01-01 14:04")


def test_a_cancelled_or_diverted_flight_never_has_an_outcome(flights: pd.DataFrame) -> None:
    """EV4308 on 1 January was cancelled (no departure); UA1623... each row has both label and landing, or neither."""
    assert pd.isna(of(flights, "20130101-EV4308-EWR")["label"])
    assert (flights["label"].isna() == flights["landed_at"].isna()).all()
    published = pd.read_csv(data_folder() / "flights.csv.zip", usecols=["arr_delay"])
    assert flights["label"].isna().sum() == published["arr_delay"].isna().sum()


def test_weather_is_the_latest_observation_known_at_departure(flights: pd.DataFrame) -> None:
    """An observation named 9:00 UTC is complete by 10:00, so a flight at 10:15 sees that one and not the one named 10:00."""
    weather = pd.read_csv(data_folder() / "weather.csv").set_index(["origin", "time_hour"])["temp"]
    seen = of(flights, "20130101-UA1545-EWR")["temp"]
    assert seen == weather["EWR", "2013-01-01T09:00:00Z"] != weather["EWR", "2013-01-01T10:00:00Z"]


def test_weather_is_missing_where_the_last_observation_is_hours_old(flights: pd.DataFrame) -> None:
    """The published weather ends with the observation of 30 December, 23:00 UTC, known at midnight and stale from 03:00 on."""
    after = flights["event_time"] > utc("2013-12-31 03:00")
    assert flights.loc[after, list(WEATHER)].isna().all().all()
    assert flights.loc[~after & (flights["event_time"] >= utc("2013-12-30")), "temp"].notna().all()


def test_no_feature_is_known_later_than_the_scheduled_departure(flights: pd.DataFrame, tmp_path: Path) -> None:
    """Change everything that happens after scheduled departure, and later weather: no feature changes."""
    source = data_folder()
    changed = pd.read_csv(source / "flights.csv.zip").head(20_000)
    rng = np.random.default_rng(1)
    for column in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        changed[column] = rng.integers(0, 500, len(changed)).astype(float)
    weather = pd.read_csv(source / "weather.csv")
    cut = "2013-01-10T12:00:00Z"
    weather.loc[weather["time_hour"] >= cut, list(WEATHER)] = -999.0
    changed.to_csv(tmp_path / "flights.csv.zip", index=False)
    weather.to_csv(tmp_path / "weather.csv", index=False)

    altered = read_flights(tmp_path).set_index("prediction_id")

    known = flights[flights["prediction_id"].isin(altered.index) & (flights["event_time"] < utc("2013-01-10 13:00"))].set_index(
        "prediction_id"
    )
    assert len(known) > 5000
    pd.testing.assert_frame_equal(altered.loc[known.index, list(FEATURES)], known[list(FEATURES)])


def test_the_specification_names_the_feeds_features_and_no_other(spec: ModelSpec) -> None:
    assert tuple(spec.features) == FEATURES


def test_the_cache_gives_the_same_flights(flights: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "feed" / "flights.parquet"
    first = cached_flights(cache)
    monkeypatch.setattr("examples.flights.feed.data_folder", lambda: tmp_path / "nowhere")
    pd.testing.assert_frame_equal(cached_flights(cache), first)
    pd.testing.assert_frame_equal(first, flights)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VigilError, match=r"pip install 'vigil\[example\]'"):
        data_folder()
