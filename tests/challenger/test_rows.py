"""The rows that trainers and comparisons are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.rows import labelled_rows, model_features, rows_digest, training_rows
from vigil.errors import NotEnoughData, SourceError

SPEC = spec_of()


def log(rows: int = 12) -> pd.DataFrame:
    """Rows as the log has them: two a day, ids against the order of time within a day."""
    return pd.DataFrame(
        {
            "prediction_id": [f"p{number ^ 1:02d}" for number in range(rows)],
            "event_time": pd.Timestamp("2013-03-04", tz="UTC") + pd.to_timedelta(np.arange(rows) // 2, unit="D"),
            "wind": np.arange(rows, dtype=float),
            "carrier": ["UA", "DL"] * (rows // 2),
            "score": 0.5,
            "label": [0.0, 1.0] * (rows // 2),
            "inclusion_probability": [0.2, 1.0] * (rows // 2),
        }
    )


def test_rows_are_ordered_by_time_then_id() -> None:
    """In the log the second row of a day has the smaller id."""
    assert labelled_rows(log(4), SPEC)["wind"].tolist() == [1.0, 0.0, 3.0, 2.0]


def test_the_same_rows_in_another_order_give_the_same_frame_and_digest() -> None:
    """Ids or none, times or none: content settles what they do not."""
    for without in ([], ["prediction_id"], ["prediction_id", "event_time"]):
        rows = log().drop(columns=without)
        there, back = labelled_rows(rows, SPEC), labelled_rows(rows.sample(frac=1, random_state=3), SPEC)
        pd.testing.assert_frame_equal(there, back)
        assert rows_digest(there) == rows_digest(back)


def test_the_weight_is_one_over_the_inclusion_probability() -> None:
    """1 / 0.2 = 5 and 1 / 1 = 1; in order of id the second of a day comes first."""
    assert labelled_rows(log(4), SPEC)["weight"].tolist() == [1.0, 5.0, 1.0, 5.0]


def test_without_an_inclusion_probability_every_row_weighs_one() -> None:
    """Where the column is not there, and where the specification names none."""
    assert set(labelled_rows(log().drop(columns="inclusion_probability"), SPEC)["weight"]) == {1.0}
    assert set(labelled_rows(log(), spec_of(columns={"inclusion_probability": None}))["weight"]) == {1.0}


def test_labels_and_probabilities_are_found_under_the_logs_own_names() -> None:
    """The trainer is given ``label`` and ``weight`` whatever the log calls them."""
    spec = spec_of(columns={"label": "late", "inclusion_probability": "drawn"})
    renamed = log().rename(columns={"label": "late", "inclusion_probability": "drawn"})
    pd.testing.assert_frame_equal(labelled_rows(renamed, spec), labelled_rows(log(), SPEC))


def test_rows_without_a_label_are_left_out() -> None:
    """Three of four labels are known."""
    rows = log(4)
    rows.loc[2, "label"] = None
    assert labelled_rows(rows, SPEC)["wind"].tolist() == [1.0, 0.0, 3.0]


def test_features_have_the_same_types_whatever_the_engine_gave() -> None:
    """Integers, nulls of every kind and pandas strings come out as float64 and as objects with NaN, in the spec's order."""
    given = pd.DataFrame({"carrier": pd.array(["UA", None], dtype="string"), "wind": pd.array([3, None], dtype="Int64"), "more": [1, 2]})
    features = model_features(given, SPEC)
    assert list(features) == ["wind", "carrier"]
    assert [str(dtype) for dtype in features.dtypes] == ["float64", "object"]
    assert features["carrier"].iloc[0] == "UA"
    assert np.isnan(features["carrier"].iloc[1])
    assert np.isnan(features["wind"].iloc[1])


def test_a_missing_feature_is_named() -> None:
    """The error names the column and those that are there."""
    with pytest.raises(SourceError, match=r"column `carrier`: missing among the columns wind"):
        model_features(pd.DataFrame({"wind": [1.0]}), SPEC)


def test_a_numeric_feature_that_holds_text_is_named() -> None:
    """It is refused, not turned into NaN."""
    with pytest.raises(SourceError, match=r"column `wind`: expected numbers"):
        model_features(pd.DataFrame({"wind": ["strong"], "carrier": ["UA"]}), SPEC)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("label", 2.0, r"`label`: expected 0 or 1, found \[2.0\]"), ("inclusion_probability", 0.0, r"lies in \(0, 1\]")],
)
def test_labels_and_probabilities_that_cannot_be_are_refused(column: str, value: float, message: str) -> None:
    """A binary label is 0 or 1, and a row that could not have been chosen was not."""
    rows = log()
    rows.loc[3, column] = value
    with pytest.raises(SourceError, match=message):
        labelled_rows(rows, SPEC)


def test_reference_rows_come_before_those_of_the_windows() -> None:
    """Both in canonical order; the reference has no id and no inclusion probability."""
    reference = pd.DataFrame({"wind": np.arange(-8.0, 0.0), "carrier": "AA", "label": [1.0, 0.0] * 4})
    frame = training_rows(log(4), reference, SPEC)
    assert frame["wind"].tolist()[8:] == [1.0, 0.0, 3.0, 2.0]
    assert sorted(frame["wind"].tolist()[:8]) == list(range(-8, 0))
    assert frame["event_time"].isna().tolist() == [True] * 8 + [False] * 4


def test_the_reference_alone_is_trained_on_where_no_window_is_given() -> None:
    """As for a first version, whose labelled rows are an empty frame without columns."""
    assert len(training_rows(pd.DataFrame(), log(), SPEC)) == 12


def test_too_few_rows_are_refused_with_both_numbers() -> None:
    """Ten are asked for; one of ten has no label."""
    rows = log(10)
    rows.loc[0, "label"] = None
    with pytest.raises(NotEnoughData, match="needs 10 labelled rows, found 9"):
        training_rows(rows, None, SPEC)


def test_one_class_is_refused() -> None:
    """No classifier can be fitted to it."""
    with pytest.raises(NotEnoughData, match="both classes, all 12 have label 1"):
        training_rows(log().assign(label=1.0), None, SPEC)


@pytest.mark.parametrize(
    "changed",
    [
        {"wind": np.arange(1.0, 13.0)},
        {"carrier": ["UA", "AA"] * 6},
        {"label": [1.0, 0.0] * 6},
        {"inclusion_probability": 0.5},
        {"event_time": pd.Timestamp("2013-03-05", tz="UTC")},
    ],
)
def test_the_digest_changes_with_any_content_that_is_trained_on(changed: dict[str, object]) -> None:
    """Features, label, weight and time all count."""
    assert rows_digest(labelled_rows(log().assign(**changed), SPEC)) != rows_digest(labelled_rows(log(), SPEC))


def test_the_digest_does_not_depend_on_types_that_mean_the_same() -> None:
    """Minus zero is zero, an integer is its float, nanoseconds are microseconds, a null is a null."""
    first = pd.DataFrame({"x": [0.0, 1.0], "t": pd.to_datetime(["2013-01-01", None], utc=True).as_unit("ns"), "c": ["a", None]})
    second = pd.DataFrame({"x": [-0.0, 1.0], "t": pd.to_datetime(["2013-01-01", None], utc=True).as_unit("us"), "c": ["a", np.nan]})
    assert rows_digest(first) == rows_digest(second.astype({"c": object}))
    assert rows_digest(pd.DataFrame({"x": [1, 2]})) == rows_digest(pd.DataFrame({"x": [1.0, 2.0]}))


def test_neighbouring_texts_cannot_be_confused() -> None:
    """``ab, c`` is not ``a, bc``."""
    assert rows_digest(pd.DataFrame({"c": ["ab", "c"]})) != rows_digest(pd.DataFrame({"c": ["a", "bc"]}))
