"""The JSON Schema that editors check specification files with."""

from __future__ import annotations

import jsonschema
import pytest

from vigil.spec.schema import json_schema

GOOD = {
    "model": "churn",
    "owner": "growth",
    "task": "binary",
    "source": {"predictions": "p", "labels": "l"},
    "features": {"age": "numeric", "country": {"type": "categorical"}},
    "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
    "training": {"trainer": "training:train"},
}


@pytest.mark.parametrize("kind", ["project", "model"])
def test_the_schema_is_a_valid_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_a_good_specification_is_valid_with_short_and_long_features() -> None:
    jsonschema.validate(GOOD, json_schema("model"))


@pytest.mark.parametrize(
    "change", [{"colums": {}}, {"task": "ranking"}, {"features": {"age": "numerc"}}, {"window": {"days": 0}}, {"owner": 12}]
)
def test_what_the_loader_refuses_is_invalid(change: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(GOOD | change, json_schema("model"))


def test_the_comment_beside_a_field_is_its_description() -> None:
    labels = json_schema("model")["$defs"]["Labels"]
    assert labels["description"].startswith("Ground truth:")
    assert labels["properties"]["delay_days"]["description"] == "a window is measured this long after its end"


def test_the_project_schema_describes_its_keys_too() -> None:
    schedule = json_schema("project")["$defs"]["PrefectSpec"]["properties"]["schedule"]
    assert schedule["description"] == "cron, UTC: when the fleet is monitored"
