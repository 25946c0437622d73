"""A specification becomes a suite: what is generated of which column, and what a person may add."""

from __future__ import annotations

from pathlib import Path

import pytest
from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.suite import KNOWN_SET_LIMIT, build_suite
from expectations.vocabulary import names
from tests.expectations.build import WINDOW, layout_of_good_rows, make_spec, with_expectation
from vigil.errors import SpecError
from vigil.profile.layout import Layout
from vigil.spec.model import ModelSpec


def made(spec: ModelSpec, layout: Layout | None = None) -> dict[tuple[str, str], GxExpectation]:
    return {(one.meta["metric"], one.meta["subject"]): one for one in build_suite(spec, layout, WINDOW).expectations}


def test_every_column_that_vigil_needs_has_to_exist() -> None:
    """Id, time, version, score and all features; a latency that is not logged is not a fault of the data."""
    suite = made(make_spec())
    columns = {subject for metric, subject in suite if metric == "expect_column_to_exist"}
    assert columns == {"prediction_id", "event_time", "model_version", "score", "temp", "dewp", "carrier"}


def test_the_tolerated_null_share_of_a_feature_replaces_that_of_the_model() -> None:
    """Of `mostly`, one minus the share."""
    features = {"temp": {"type": "numeric", "tolerated_null_share": 0.1}, "dewp": "numeric"}
    suite = made(make_spec(features=features, quality={"tolerated_null_share": 0.03}))
    assert suite["expect_column_values_to_not_be_null", "temp"].mostly == 0.9
    assert suite["expect_column_values_to_not_be_null", "dewp"].mostly == 0.97
    assert suite["expect_column_values_to_not_be_null", "prediction_id"].mostly == 1.0


def test_limits_are_checked_where_the_specification_gives_them() -> None:
    """One limit alone is enough; without any there is nothing to check."""
    features = {"a": {"type": "numeric", "minimum": 0}, "b": {"type": "numeric", "maximum": 9}, "c": "numeric"}
    suite = made(make_spec(features=features))
    assert (suite["expect_column_values_to_be_between", "a"].min_value, suite["expect_column_values_to_be_between", "a"].max_value) == (
        0,
        None,
    )
    assert (suite["expect_column_values_to_be_between", "b"].min_value, suite["expect_column_values_to_be_between", "b"].max_value) == (
        None,
        9,
    )
    assert ("expect_column_values_to_be_between", "c") not in suite


def test_the_score_of_a_binary_model_is_a_probability_and_that_of_a_regression_is_not() -> None:
    """The one difference between the two suites."""
    regression = make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 1})
    binary, other = made(make_spec()), made(regression)
    assert set(binary) - set(other) == {("expect_column_values_to_be_between", "score")}
    assert set(other) <= set(binary)


def test_categories_have_to_be_known_where_the_reference_lists_them_all(tmp_path: Path) -> None:
    """Without a layout nothing is known."""
    spec = make_spec()
    suite = made(spec, layout_of_good_rows(tmp_path, spec))
    assert sorted(suite["expect_column_values_to_be_in_set", "carrier"].value_set) == ["AA", "B6", "DL"]
    assert ("expect_column_values_to_be_in_set", "carrier") not in made(spec, None)


@pytest.mark.parametrize("tail", [None, tuple(f"t{i}" for i in range(KNOWN_SET_LIMIT))])
def test_no_category_is_refused_where_not_all_are_listed_or_too_many(tail: tuple[str, ...] | None) -> None:
    """`other` may hold any category; a list of thousands is the profile's matter (unseen_share)."""
    layout = Layout(numeric={}, categorical={"carrier": ("AA",)}, scales={}, tails={"carrier": tail})
    assert ("expect_column_values_to_be_in_set", "carrier") not in made(make_spec(), layout)


def test_an_expectation_of_the_specification_keeps_its_arguments_severity_and_reason() -> None:
    """In Great Expectations' own words."""
    spec = with_expectation(
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "temp", "column_B": "dewp", "or_equal": True, "mostly": 0.99},
        severity="warning",
        because="air cannot hold more water than that",
    )
    own = made(spec)["expect_column_pair_values_a_to_be_greater_than_b", "temp, dewp"]
    assert (own.column_A, own.column_B, own.or_equal, own.mostly) == ("temp", "dewp", True, 0.99)
    assert own.severity.value == "warning"
    assert (own.meta["because"], own.meta["origin"]) == ("air cannot hold more water than that", "spec")


def test_two_expectations_of_one_name_and_column_are_told_apart() -> None:
    """The generated limits of temp, and the specification's own."""
    suite = made(with_expectation("expect_column_values_to_be_between", {"column": "temp", "max_value": 100}))
    assert suite["expect_column_values_to_be_between", "temp"].max_value == 130
    assert suite["expect_column_values_to_be_between#2", "temp"].max_value == 100


def test_an_unknown_expectation_is_an_error_that_names_the_nearest() -> None:
    """With the file and the key where it stands."""
    with pytest.raises(SpecError, match="did you mean `expect_column_values_to_be_between`") as raised:
        made(with_expectation("expect_column_value_to_be_between", {"column": "temp"}))
    assert (raised.value.file, raised.value.key) == ("models/late.yaml", "quality.expectations[0].expectation")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"column": "temp", "min_valu": 0}, "did you mean `min_value`"),
        ({"column": "temp", "min_value": 0, "severity": "warning"}, "severity stands beside `arguments`"),
        ({"min_value": 0}, "column: field required"),
        ({"column": "temp"}, "min_value and max_value cannot both be None"),
        ({"column": "temp", "min_value": 0, "mostly": 1.5}, "mostly: "),
    ],
)
def test_wrong_arguments_are_an_error_that_says_which(arguments: dict[str, object], told: str) -> None:
    """An argument is never ignored."""
    with pytest.raises(SpecError, match=told) as raised:
        made(with_expectation("expect_column_values_to_be_between", arguments))
    assert raised.value.key == "quality.expectations[0].arguments"


def test_what_duckdb_cannot_check_is_an_error_that_says_what_can() -> None:
    """Rather than a crash at the first window."""
    with pytest.raises(SpecError, match="use expect_column_values_to_match_regex"):
        made(with_expectation("expect_column_values_to_match_like_pattern", {"column": "carrier", "like_pattern": "A%"}))
    assert "expect_column_values_to_match_like_pattern" not in names()
