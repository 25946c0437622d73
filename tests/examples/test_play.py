"""The play: one version a span, labels a day after landing, and a second run that writes nothing."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from examples.flights.faults import FAULTS, as_they_arrive
from examples.flights.feed import FEATURES
from examples.flights.play import (
    FIRST,
    LABEL_DELAY,
    LABELLED_SHARE,
    Span,
    frozen_scores,
    is_sampled,
    play,
    served,
    served_scores,
    spans,
    write_reference,
)
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec


@pytest.fixture(scope="module")
def two_weeks(flights: pd.DataFrame) -> pd.DataFrame:
    return flights[(flights["event_time"] >= FIRST) & (flights["event_time"] < FIRST + timedelta(days=15))]


def play_all(folder: Path, flights: pd.DataFrame, chosen: tuple[Span, ...], model: Any) -> None:
    for span in chosen:
        play(folder, flights, span, "1", model, model)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*.parquet")}


def test_spans_follow_each_other_and_end_when_their_window_is_looked_at(spec: ModelSpec) -> None:
    year = spans(spec)
    assert len(year) == 43  # 1 March to 27 December: 301 days; the 44th week would end in January
    assert year[0].start == FIRST
    assert all(earlier.end == later.start for earlier, later in pairwise(year))
    assert all(span.end == span.window.end + timedelta(days=1) for span in year)


def test_a_second_play_writes_nothing_new(folder: Path, two_weeks: pd.DataFrame, spec: ModelSpec, model: Any) -> None:
    play_all(folder, two_weeks, spans(spec)[:2], model)
    first = contents(folder)
    play_all(folder, two_weeks, spans(spec)[:2], model)
    assert contents(folder) == first


@pytest.mark.parametrize("lost", ["predictions/2013-03-01.parquet", "labels/2013-03-09.parquet", "frozen/2013-03-09.parquet"])
def test_a_play_that_was_killed_before_a_file_goes_on_with_it(
    folder: Path, two_weeks: pd.DataFrame, spec: ModelSpec, model: Any, lost: str
) -> None:
    """The file is made as it would have been (but for the measured latency); the others are left as they are."""
    chosen = spans(spec)[:2]
    play_all(folder, two_weeks, chosen, model)
    first = contents(folder)
    path = folder / "data" / lost
    rows = pd.read_parquet(path)
    path.unlink()
    (path.parent / f".{path.name}.unfinished").write_bytes(b"PAR1 half a file")

    play_all(folder, two_weeks, chosen, model)

    timed = ["latency_ms"] if "predictions" in lost else []
    pd.testing.assert_frame_equal(pd.read_parquet(path).drop(columns=timed), rows.drop(columns=timed))
    untouched = f"data/{lost}"
    assert {k: v for k, v in contents(folder).items() if k != untouched} == {k: v for k, v in first.items() if k != untouched}


def test_every_flight_is_scored_once_by_the_version_of_its_span(folder: Path, two_weeks: pd.DataFrame, spec: ModelSpec, model: Any) -> None:
    first, second = spans(spec)[:2]
    play(folder, two_weeks, first, "1", model, model)
    play(folder, two_weeks, second, "2", model, model)
    log = served_scores(folder).set_index("prediction_id")["model_version"]
    assert log.index.is_unique
    assert set(log.index) == set(two_weeks["prediction_id"])
    by = two_weeks.set_index("prediction_id")["event_time"]
    assert (log[by[by < first.end].index] == "1").all()
    assert (log[by[by >= first.end].index] == "2").all()


def test_requests_of_an_hour_score_as_one_batch_would(two_weeks: pd.DataFrame, model: Any) -> None:
    rows = two_weeks.head(500)
    log = served(rows, "1", model)
    np.testing.assert_array_equal(log["score"], model.predict_proba(rows[list(FEATURES)])[:, 1])
    assert log.groupby(rows["event_time"].dt.floor("4h"))["latency_ms"].nunique().eq(1).all()
    assert (log["latency_ms"] > 0).all()
    assert log["error"].isna().all()


def test_a_category_that_training_did_not_see_is_scored_as_missing(two_weeks: pd.DataFrame, model: Any) -> None:
    rows = two_weeks.head(50)[list(FEATURES)]
    unseen = model.predict_proba(rows.assign(carrier="UAL"))
    missing = model.predict_proba(rows.assign(carrier=pd.Series(None, index=rows.index, dtype="str")))
    np.testing.assert_array_equal(unseen, missing)


def test_the_frozen_model_is_fed_what_the_served_one_is(folder: Path, flights: pd.DataFrame, spec: ModelSpec, model: Any) -> None:
    """In a faulty week too: both see the fault."""
    span = next(span for span in spans(spec) if span.window == FAULTS[1].week)
    play(folder, flights, span, "1", model, model)
    pd.testing.assert_frame_equal(served_scores(folder)[["prediction_id", "score"]], frozen_scores(folder))
    log = pd.read_parquet(folder / "data" / "predictions" / span.file)
    rows = flights[flights["prediction_id"].isin(log["prediction_id"])]
    pd.testing.assert_series_equal(log["temp"], as_they_arrive(rows)["temp"].reset_index(drop=True))


def test_a_label_arrives_a_day_after_landing_and_not_before(folder: Path, flights: pd.DataFrame, spec: ModelSpec, model: Any) -> None:
    landed = flights.set_index("prediction_id")["landed_at"]
    for span in spans(spec)[:2]:
        play(folder, flights[flights["event_time"] < span.end], span, "1", model, model)
        labels = pd.read_parquet(folder / "data" / "labels" / span.file)
        assert (labels["observed_at"] <= span.end).all()
        assert (labels["observed_at"] > span.start).all()
        assert (labels["observed_at"].array == (landed[labels["prediction_id"]] + LABEL_DELAY).array).all()


def test_a_random_fifth_of_what_landed_is_labelled_and_nothing_that_did_not(
    folder: Path, two_weeks: pd.DataFrame, spec: ModelSpec, model: Any
) -> None:
    """n flights, each with chance 0.2: the share lies within 4 standard errors, sqrt(0.16 / n)."""
    play_all(folder, two_weeks, spans(spec)[:2], model)
    labels = pd.concat(pd.read_parquet(path) for path in (folder / "data" / "labels").glob("*.parquet"))
    due = two_weeks[two_weeks["landed_at"] + LABEL_DELAY <= spans(spec)[1].end]
    assert labels["prediction_id"].is_unique
    assert set(labels["prediction_id"]) == set(due.loc[is_sampled(due["prediction_id"]), "prediction_id"])
    assert abs(len(labels) / len(due) - LABELLED_SHARE) < 4 * (0.16 / len(due)) ** 0.5
    assert (labels["inclusion_probability"] == LABELLED_SHARE).all()


def test_the_sample_does_not_depend_on_order_or_portion(two_weeks: pd.DataFrame) -> None:
    ids = two_weeks["prediction_id"]
    whole = pd.Series(is_sampled(ids), index=ids)
    shuffled = ids.sample(frac=0.5, random_state=1)
    np.testing.assert_array_equal(is_sampled(shuffled), whole[shuffled])


def test_the_sample_says_nothing_about_the_outcome(flights: pd.DataFrame) -> None:
    """The share of late flights in the sample is that of all, within 4 standard errors."""
    landed = flights[flights["label"].notna()]
    chosen = landed[is_sampled(landed["prediction_id"])]
    late = float(landed["label"].mean())
    assert abs(float(chosen["label"].mean()) - late) < 4 * (late * (1 - late) / len(chosen)) ** 0.5


def test_the_reference_is_every_labelled_flight_before_march_and_nothing_else(folder: Path, flights: pd.DataFrame, spec: ModelSpec) -> None:
    write_reference(folder, flights, spec)
    rows = pd.read_parquet(folder / str(spec.source.reference))
    assert rows["event_time"].max() < FIRST
    assert set(rows.columns) == {"prediction_id", "event_time", *FEATURES, "label"}
    assert len(rows) == ((flights["event_time"] < FIRST) & flights["label"].notna()).sum()


def test_what_is_played_is_what_the_specification_reads(folder: Path, two_weeks: pd.DataFrame, spec: ModelSpec, model: Any) -> None:
    """vigil's own source sees the window's flights, and as of its look only the labels that had arrived."""
    span = spans(spec)[0]
    play(folder, two_weeks, span, "1", model, model)
    source = ModelSource(folder, spec)
    week = two_weeks[two_weeks["event_time"] < span.window.end]
    assert source.predictions(span.window).count().to_pyarrow().as_py() == len(week)
    arrived = week[week["landed_at"] + LABEL_DELAY <= span.end]
    labelled = source.labelled([span.window], span.end).to_pandas()
    assert set(labelled["prediction_id"]) == set(arrived.loc[is_sampled(arrived["prediction_id"]), "prediction_id"])
