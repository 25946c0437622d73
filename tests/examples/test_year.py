"""What is said of the year: means over the weeks that were not refused, and the lineage searched for refused ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from examples.flights.faults import Fault
from examples.flights.feed import FEATURES, write_whole
from examples.flights.show import bar
from examples.flights.year import Week, contest, incidents_by_fault, refused_in_training, weekly_aucs
from vigil.alerts.incident import Incident, Seen, State
from vigil.alerts.reading import Signal
from vigil.decision.types import Action, Decision
from vigil.spec.alerts import Tier
from vigil.spec.model import ModelSpec
from vigil.store.records import Version
from vigil.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)


def window(number: int) -> Window:
    return Window(START + timedelta(days=7 * number), START + timedelta(days=7 * number + 7))


def week(number: int, action: Action, looped: float, frozen: float) -> Week:
    decision = Decision(f"d-{number}", "m", window(number), f"e-{number}", "1", window(number).end, action, "", (), "", "")
    return Week(window(number), "1", decision, None, (), None, None, looped, frozen)


def version(name: str, training: dict[str, Any]) -> Version:
    return Version("m", name, START, "", "roc_auc", 0.7, {}, training, "", "")


WEEKS = (
    week(0, Action.HOLD, 0.70, 0.70),
    week(1, Action.FIX_DATA, 0.10, 0.90),
    week(2, Action.RETRAIN, 0.80, 0.70),
    week(3, Action.HOLD, 0.60, 0.70),
)


def test_refused_weeks_do_not_count_in_the_contest() -> None:
    """Looped (0.7 + 0.8 + 0.6) / 3, frozen (0.7 + 0.7 + 0.7) / 3; they differ in two of three weeks, one of them better."""
    found = contest(WEEKS)
    assert (found.looped, found.frozen) == (pytest.approx(0.7), pytest.approx(0.7))
    assert (found.weeks, found.better, found.differing) == (3, 1, 2)


@pytest.mark.parametrize("part", ["trained_on", "holdout"])
def test_a_refused_week_in_a_lineage_is_found(part: str) -> None:
    clean, faulty = version("1", {"trained_on": [window(0).key]}), version("2", {part: [window(0).key, window(1).key]})
    assert refused_in_training(WEEKS, [clean]) == {}
    assert refused_in_training(WEEKS, [clean, faulty]) == {"2": ("2013-03-08/2013-03-15",)}


def test_weekly_auc_is_of_all_flights_that_landed_by_their_window(tmp_path: Path, spec: ModelSpec) -> None:
    """First week: of 2 x 1 pairs of late and punctual, served ranks one right (0.5), frozen both (1.0). Second week the other way."""
    times = [START + timedelta(days=day) for day in (0, 1, 6.9, 6.95, 7, 8)]
    flights = pd.DataFrame({"prediction_id": list("abcxde"), "event_time": times, "label": pd.array([1, 1, 0, None, 1, 0], dtype="Int8")})
    served = pd.DataFrame({"prediction_id": list("abcxde"), "score": [0.9, 0.1, 0.5, 0.5, 0.9, 0.1], "model_version": "1"})
    frozen = pd.DataFrame({"prediction_id": list("abcxde"), "score": [0.9, 0.6, 0.5, 0.5, 0.1, 0.9]})
    for name, rows in (("predictions", served), ("frozen", frozen)):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_whole(rows[:3], tmp_path / "data" / name / "2013-03-01.parquet")
        write_whole(rows[3:], tmp_path / "data" / name / "2013-03-07.parquet")
    found = weekly_aucs(tmp_path, flights, spec)
    assert found["looped"].tolist() == [0.5, 1.0]
    assert found["frozen"].tolist() == [1.0, 0.0]
    assert [start.to_pydatetime() for start in found.index] == [window(0).start, window(1).start]


def test_bars_span_the_scale() -> None:
    assert [bar(value, 0.0, 0.8) for value in (0.0, 0.15, 0.35, 0.8)] == ["▁", "▂", "▄", "█"]


def test_features_of_the_feed_hold_no_outcome() -> None:
    assert not {"label", "landed_at", "dep_delay", "arr_delay", "air_time", "dep_time"} & set(FEATURES)


def an_incident(name: str, *breaches: int) -> Incident:
    seen = Seen(Tier.P1, None, None, None, {window(number).start.isoformat(): True for number in breaches})
    first, last = (window(number).start.isoformat() for number in (breaches[0], breaches[-1]))
    signals = {Signal("drift", "psi", "temp"): seen}
    return Incident(name, "m", State.OPEN, Tier.P1, "", START, START, first, last, first, signals, 1)


def test_incidents_are_told_apart_by_the_fault_in_whose_week_they_were_in_breach() -> None:
    fault, quiet = (Fault(window(number), f"fault {number}", lambda rows: rows) for number in (3, 5))
    its, other = an_incident("i-1", 2, 3), an_incident("i-2", 7)
    assert incidents_by_fault([its, other], [fault, quiet]) == ({fault: (its,), quiet: ()}, (other,))
