"""Each planted fault changes what it says in its week, and nothing else; and physics can tell."""

import pandas as pd
import pytest

from examples.flights.faults import FAULTS, Fault, as_they_arrive
from examples.flights.feed import FEATURES, WEATHER
from examples.flights.play import FIRST, spans
from vigil.spec.model import ModelSpec

CARRIER, UNITS, LOST = FAULTS


def week_of(flights: pd.DataFrame, fault: Fault) -> pd.DataFrame:
    return flights[(flights["event_time"] >= fault.week.start) & (flights["event_time"] < fault.week.end)]


def changed_columns(before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    assert list(before.index) == list(after.index)
    return {name for name in before.columns if not before[name].equals(after[name])}


@pytest.mark.parametrize(("fault", "columns"), [(CARRIER, {"carrier"}), (UNITS, {"temp"}), (LOST, set(WEATHER))])
def test_a_fault_changes_only_its_columns(flights: pd.DataFrame, fault: Fault, columns: set[str]) -> None:
    week = week_of(flights, fault)
    assert changed_columns(week, fault.spoil(week)) == columns


def test_united_alone_gets_another_code(flights: pd.DataFrame) -> None:
    week = week_of(flights, CARRIER)
    arrived = CARRIER.spoil(week)["carrier"]
    assert (arrived[week["carrier"] == "UA"] == "UAL").all()
    assert (arrived == week["carrier"])[week["carrier"] != "UA"].all()


def test_newark_alone_is_sent_in_celsius(flights: pd.DataFrame) -> None:
    """68 °F are 20 °C."""
    rows = pd.DataFrame({"origin": ["EWR", "JFK"], "temp": [68.0, 68.0]})
    assert UNITS.spoil(rows)["temp"].tolist() == [20.0, 68.0]
    assert (week_of(flights, UNITS)["origin"] == "EWR").mean() > 0.3


def test_outside_the_weeks_of_the_faults_everything_arrives_as_it_was(flights: pd.DataFrame) -> None:
    arrived = as_they_arrive(flights)
    faulty = pd.concat([week_of(flights, fault) for fault in FAULTS]).index
    pd.testing.assert_frame_equal(arrived.drop(faulty), flights.drop(faulty))
    for fault in FAULTS:
        week = week_of(flights, fault)
        pd.testing.assert_frame_equal(arrived.loc[week.index], fault.spoil(week))


def test_a_fault_lasts_one_window_of_the_model(spec: ModelSpec) -> None:
    played = {span.window for span in spans(spec)}
    assert len({fault.week for fault in FAULTS}) == 3
    assert all(fault.week in played for fault in FAULTS)


def test_air_is_colder_than_its_dew_point_only_where_the_unit_is_wrong(flights: pd.DataFrame, spec: ModelSpec) -> None:
    """The specification tolerates 1 %: no clean week has a single row, the faulty one has nearly all of Newark's."""
    own = next(e for e in spec.quality.expectations if e.expectation == "expect_column_pair_values_a_to_be_greater_than_b")
    played = flights[flights["event_time"] >= FIRST]
    assert not (played["temp"] < played["dewp"]).any()
    arrived = UNITS.spoil(week_of(flights, UNITS))
    assert (arrived["temp"] < arrived["dewp"]).mean() > 30 * (1 - own.arguments["mostly"])


def test_clean_weeks_keep_the_specifications_tolerances_with_room(flights: pd.DataFrame, spec: ModelSpec) -> None:
    """No week has half as many missing values or unknown categories as are tolerated; each fault is far over one of them."""
    reference = flights[flights["event_time"] < FIRST]
    known = {name: set(reference[name]) for name in ("carrier", "origin", "dest")}

    def worst(week: pd.DataFrame) -> tuple[float, float]:
        nulls = max(float(week[name].isna().mean()) for name in FEATURES)
        return nulls, max(float((~week[name].isin(levels)).mean()) for name, levels in known.items())

    for span in spans(spec):
        week = flights[(flights["event_time"] >= span.window.start) & (flights["event_time"] < span.window.end)]
        nulls, unseen = worst(week)
        assert nulls < spec.quality.tolerated_null_share / 2, span.window
        assert unseen < spec.quality.tolerated_unseen_share / 2, span.window
        assert len(week) > spec.quality.minimum_rows
    assert worst(CARRIER.spoil(week_of(flights, CARRIER)))[1] > 5 * spec.quality.tolerated_unseen_share
    assert worst(LOST.spoil(week_of(flights, LOST)))[0] == 1.0
