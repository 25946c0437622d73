"""A look sees the outcomes that were known by then: the latest row of each prediction, in any order; what comes later makes a new look."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.build import FIRST, MODEL, ROWS, day_of, examine, make_work
from tests.evaluation.test_batches import flip
from vigil.errors import SourceError
from vigil.measurement import Verdict
from vigil.sources.content import content_of
from vigil.workspace import Workspace

SOURCE = {
    "predictions": "log/*.parquet",
    "labels": "labels/*.parquet",
    "reference": "reference.parquet",
    "outcomes": "outcomes/*.parquet",
}
DAY_LATER = FIRST.end + timedelta(days=1)


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    kpis = {"revenue": {"column": "paid"}, "sold": {"column": "paid", "absent": "zero"}}
    made = make_work(tmp_path / "p", source=SOURCE, segments=["plan"], business={"kpis": kpis}, labels={"minimum": 50})
    (tmp_path / "p" / "outcomes").mkdir()
    return made


def pay(work: Workspace, name: str, first: int, last: int, amount: float, hours: float) -> None:
    """Outcomes of the first day's predictions from ``first`` to ``last``, known so many hours after the day."""
    ids = day_of(FIRST)["prediction_id"][first:last]
    known_at = pd.Timestamp(FIRST.end + timedelta(hours=hours)).as_unit("us")
    rows = pd.DataFrame({"prediction_id": ids, "paid": amount, "observed_at": known_at})
    rows.to_parquet(work.project.folder / "outcomes" / f"{name}.parquet")


def test_before_any_outcome_nothing_is_known(work: Workspace) -> None:
    found = examine(work)
    assert (found["revenue", "*"].verdict, found["revenue", "*"].detail["known"]) == (Verdict.NOT_ENOUGH_DATA, 0.0)


def test_the_latest_row_known_by_the_look_counts(work: Workspace) -> None:
    """Of 300: 200 paid 10, of which 100 turned out to be 4; that the rest paid 99 is known a week later only. (10 + 4) / 2 = 7."""
    pay(work, "a", 0, 100, 4.0, hours=5)
    pay(work, "b", 0, 200, 10.0, hours=2)
    pay(work, "c", 0, ROWS, 99.0, hours=24 * 7)
    found = examine(work, as_of=DAY_LATER)
    assert (found["revenue", "*"].value, found["revenue", "*"].n) == (7.0, 200)
    assert (found["sold", "*"].value, found["sold", "*"].n) == (pytest.approx(1400 / ROWS), ROWS)
    assert found["revenue", "*"].detail["known"] == pytest.approx(2 / 3)
    day = day_of(FIRST)[:200].assign(paid=[4.0] * 100 + [10.0] * 100)
    assert found["revenue", "plan=a"].value == pytest.approx(day[day["plan"] == "a"]["paid"].mean())


def test_what_comes_later_is_another_look_and_the_same_again_none(work: Workspace) -> None:
    pay(work, "a", 0, 200, 10.0, hours=2)
    first = examine(work, as_of=DAY_LATER)
    pay(work, "b", 0, 200, 10.0, hours=3)
    same = examine(work, as_of=DAY_LATER)
    assert (same.new, same.look.evaluation_id) == (False, first.look.evaluation_id)
    pay(work, "c", 0, 10, 11.0, hours=4)
    other = examine(work, as_of=DAY_LATER)
    assert other.new
    assert other["revenue", "*"].value == pytest.approx(10.05)
    earlier = work.store.measurements([first.look.evaluation_id], metrics=["revenue"], subject="*")[first.look.evaluation_id]
    assert [each.value for each in earlier] == [10.0]


def test_a_column_that_is_not_there_or_no_number_is_named(work: Workspace) -> None:
    pay(work, "a", 0, 200, 10.0, hours=2)
    path = work.project.folder / "outcomes" / "a.parquet"
    rows = pd.read_parquet(path)
    rows.drop(columns="paid").to_parquet(path)
    with pytest.raises(SourceError, match="column `paid`"):
        examine(work)
    rows.assign(paid="much").to_parquet(path)
    with pytest.raises(SourceError, match="column `paid`"):
        examine(work)


def test_ids_of_another_type_than_the_logs_are_refused(work: Workspace) -> None:
    pay(work, "a", 0, 200, 10.0, hours=2)
    path = work.project.folder / "outcomes" / "a.parquet"
    pd.read_parquet(path).assign(prediction_id=range(200)).to_parquet(path)
    with pytest.raises(SourceError, match="column `prediction_id`: expected string"):
        examine(work)


def test_a_folder_that_is_not_there_is_a_mistake(work: Workspace) -> None:
    (work.project.folder / "outcomes").rmdir()
    with pytest.raises(SourceError, match="outcomes"):
        examine(work)


def test_files_of_outcomes_are_on_record_and_a_rewritten_one_is_recorded_beside(work: Workspace) -> None:
    """Whoever asks what a look read finds every content that a file had, and when it was first seen."""
    pay(work, "a", 0, 200, 10.0, hours=2)
    examine(work, as_of=DAY_LATER)
    file = work.project.folder / "outcomes" / "a.parquet"
    (batch,) = (each for each in work.store.batches(MODEL) if each.kind == "outcomes")
    assert (batch.path, batch.sha256, batch.seen_at) == ("outcomes/a.parquet", content_of(file).sha256, DAY_LATER)
    pay(work, "a", 0, 200, 12.0, hours=2)
    assert examine(work, as_of=DAY_LATER + timedelta(hours=1)).new
    known = [each.sha256 for each in work.store.batches(MODEL) if each.kind == "outcomes"]
    assert known == [batch.sha256, content_of(file).sha256]


def test_a_damaged_file_of_outcomes_is_refused_by_name(work: Workspace) -> None:
    """A flipped bit that changes neither size nor time, as a failing disk does it; then a file that was cut in half."""
    pay(work, "a", 0, 200, 10.0, hours=2)
    examine(work, as_of=DAY_LATER)
    file = work.project.folder / "outcomes" / "a.parquet"
    flip(file, 8 * 1000)
    with pytest.raises(SourceError, match=r"a\.parquet: is damaged: .* seen at .* \(sha256"):
        examine(work, as_of=DAY_LATER)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"outcomes/a\.parquet"):
        examine(work, as_of=DAY_LATER)
