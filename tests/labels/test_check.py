"""Labels that say something is wrong upstream are counted and named, and measured as the rule of labels says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.build import FIRST, SECOND, make_work
from vigil.errors import SourceError
from vigil.labels.check import Found, Oddity, check_labels
from vigil.measurement import Verdict
from vigil.workspace import Workspace, open_source

NOW = SECOND.end + timedelta(days=1)


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    return make_work(tmp_path / "p")


def more(work: Workspace, *rows: tuple[str, int, float]) -> None:
    """Write observations of labels: id, label and the days after the first window."""
    frame = pd.DataFrame(rows, columns=["prediction_id", "label", "days"])
    frame["observed_at"] = pd.Timestamp(FIRST.end).as_unit("us") + pd.to_timedelta(frame.pop("days"), unit="D").astype("timedelta64[us]")
    frame.assign(inclusion_probability=1.0).to_parquet(work.project.folder / "labels" / "more.parquet")


def found(work: Workspace) -> tuple[Found, ...]:
    return check_labels(open_source(work.project, work.spec), work.spec, NOW)


def test_sound_labels_have_nothing_odd(work: Workspace) -> None:
    assert found(work) == tuple(Found(oddity, 0, None) for oddity in Oddity)
    assert {each.verdict for each in found(work)} == {Verdict.OK}


def test_each_oddity_is_counted_by_prediction_and_named(work: Workspace) -> None:
    """A correction, at another moment, is none; nor is the same label twice at one."""
    more(
        work,
        ("x-1", 1, 0),
        ("x-1", 1, 1),
        ("x-0", 0, 0),
        ("0304-00007", 0, 0.5),
        ("0304-00007", 1, 0.5),
        ("0304-00008", 0, 0.5),
        ("0304-00008", 1, 0.6),
        ("0304-00009", 1, 0.5),
        ("0304-00009", 1, 0.5),
        ("0304-00010", 1, 30),
    )
    assert found(work) == (
        Found(Oddity.NO_PREDICTION, 2, "x-0"),
        Found(Oddity.CONFLICT, 1, "0304-00007"),
        Found(Oddity.FUTURE, 1, "0304-00010"),
    )
    assert {each.verdict for each in found(work)} == {Verdict.WARNING}


def test_what_cannot_be_used_is_an_error(work: Workspace) -> None:
    """Also where it will be known in the future only."""
    more(work, ("0304-00010", 7, 30))
    with pytest.raises(SourceError, match=r"more\.parquet.*not 0 or 1"):
        found(work)
