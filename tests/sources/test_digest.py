"""Digests follow content: not order, not layout, and every change of a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tests.sources.build import Open, labels, predictions
from vigil.sources.digest import rows_digest
from vigil.sources.tables import ModelSource
from vigil.window import Window

BOTH = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 3, tzinfo=UTC))
LATER = datetime(2013, 4, 1, tzinfo=UTC)


Digest = Callable[..., str]


@pytest.fixture
def digest(opened: Open) -> Digest:
    """Digest of a log that is these files and no others."""

    def of(*frames: pd.DataFrame, window: Window = BOTH) -> str:
        source = opened({f"{place}.parquet": frame for place, frame in enumerate(frames)})
        found = source.data_digest(window).sha256
        for file in (source.folder / "log").iterdir():
            file.unlink()
        return found

    return of


def test_it_is_64_hexadecimal_digits(digest: Digest) -> None:
    assert len(digest(predictions())) == 64
    assert int(digest(predictions()), 16) >= 0


def test_row_order_column_order_and_file_layout_do_not_matter(digest: Digest) -> None:
    rows = predictions()
    whole = digest(rows)
    assert digest(rows[::-1]) == whole
    assert digest(rows[rows.columns[::-1]]) == whole
    assert digest(rows[:1], rows[3:], rows[1:3]) == whole


def test_writing_integers_wider_does_not_matter(digest: Digest) -> None:
    assert digest(predictions(x=np.array([1, 2, 3, 4], dtype="int64"))) == digest(predictions(x=np.array([1, 2, 3, 4], dtype="int16")))


def test_a_column_that_comes_with_a_later_file_leaves_earlier_windows_alone(digest: Digest) -> None:
    first = Window(BOTH.start, datetime(2013, 3, 2, tzinfo=UTC))
    rows, wider = predictions(), predictions(extra=[1] * 4)
    assert digest(rows[:2], wider[2:], window=first) == digest(rows, window=first)


def test_rows_outside_the_window_do_not_matter(digest: Digest) -> None:
    first = Window(BOTH.start, datetime(2013, 3, 2, tzinfo=UTC))
    assert digest(predictions()[:2], window=first) == digest(predictions(), window=first)


@pytest.mark.parametrize("column", ["prediction_id", "event_time", "model_version", "score", "latency_ms", "error", "x", "origin"])
def test_a_change_in_any_column_of_one_row_is_seen(digest: Digest, column: str) -> None:
    changed = predictions()
    other = {"event_time": pd.Timestamp("2013-03-01 00:00:01"), "score": 0.11, "latency_ms": 10.5, "x": 1.5}.get(column, "other")
    changed.loc[0, column] = other
    assert digest(changed) != digest(predictions())


def test_a_value_that_becomes_null_is_seen(digest: Digest) -> None:
    assert digest(predictions(x=[1.0, 2.0, 3.0, None])) != digest(predictions())


def test_an_added_a_removed_and_a_doubled_row_are_seen(digest: Digest) -> None:
    rows = predictions()
    seen = [digest(rows), digest(rows[:3]), digest(rows, rows[:1]), digest(rows, rows[:1], rows[:1]), digest(rows, rows)]
    assert len(set(seen)) == 5


def test_two_rows_that_swap_a_value_are_seen(digest: Digest) -> None:
    """Each column holds the same values as before; only which belongs to which row has changed."""
    assert digest(predictions(score=[0.2, 0.1, 0.3, 0.4])) != digest(predictions())


def test_two_columns_that_swap_their_values_are_seen(digest: Digest) -> None:
    rows = predictions()
    assert digest(rows.assign(x=rows["score"], score=rows["x"])) != digest(rows)


def test_an_empty_window_has_a_digest_of_its_own(digest: Digest) -> None:
    empty = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    assert digest(predictions(), window=empty) == digest(predictions()[:2], window=empty) != digest(predictions())


def test_rows_that_differ_in_the_last_bit_of_one_number_are_told_apart(opened: Open) -> None:
    """Thirty neighbouring floats, one row each: thirty digests."""
    scores = (np.float64(0.5).view(np.int64) + np.arange(30)).view(np.float64)
    times = pd.Timestamp("2013-03-01") + pd.to_timedelta(np.arange(30), unit="D")
    log = pd.concat([predictions()[:1]] * 30, ignore_index=True).assign(score=scores, event_time=times)
    source = opened({"1.parquet": log})
    rows = source.predictions().drop("event_time")
    assert len({rows_digest(source.backend, rows.filter(rows.score == score)) for score in scores}) == 30


class TestLabelsDigest:
    def digest(self, opened: Open, *frames: pd.DataFrame, as_of: datetime = LATER) -> str:
        source: ModelSource = opened(truth={f"{place}.parquet": frame for place, frame in enumerate(frames)})
        found = source.labels_digest(BOTH, as_of).sha256
        for file in (source.folder / "labels").iterdir():
            file.unlink()
        return found

    def test_a_second_copy_another_order_and_a_later_same_observation_change_nothing(self, opened: Open) -> None:
        once = self.digest(opened, labels())
        assert self.digest(opened, labels(), labels()) == once
        assert self.digest(opened, labels()[::-1]) == once
        assert self.digest(opened, labels(), labels(observed_at=pd.to_datetime(["2013-03-20"] * 3))) == once

    def test_a_label_for_a_prediction_outside_the_window_changes_nothing(self, opened: Open) -> None:
        other = labels(prediction_id=["x", "y", "z"])
        assert self.digest(opened, labels(), other) == self.digest(opened, labels())

    def test_a_correction_a_new_label_a_withdrawal_and_another_probability_are_seen(self, opened: Open) -> None:
        late = {"observed_at": pd.to_datetime(["2013-03-20"])}
        seen = [
            self.digest(opened, labels()),
            self.digest(opened, labels(), labels()[:1].assign(label=1, **late)),
            self.digest(opened, labels(), labels()[:1].assign(prediction_id="d", **late)),
            self.digest(opened, labels(), labels()[:1].assign(label=pd.array([None], dtype="Int64"), **late)),
            self.digest(opened, labels(inclusion_probability=[0.5, 0.5, 0.6])),
        ]
        assert len(set(seen)) == 5

    def test_what_is_observed_later_is_not_seen(self, opened: Open) -> None:
        late = labels(label=[1, 0, 0], observed_at=pd.to_datetime(["2013-03-20"] * 3))
        moment = datetime(2013, 3, 10, tzinfo=UTC)
        assert self.digest(opened, labels(), late, as_of=moment) == self.digest(opened, labels(), as_of=moment)
        assert self.digest(opened, labels(), late) != self.digest(opened, labels())

    def test_no_label_has_a_digest(self, opened: Open) -> None:
        assert len(self.digest(opened)) == 64
