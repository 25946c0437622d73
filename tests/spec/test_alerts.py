"""What may be written about alerts, and what is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.alerts.build import a_spec
from vigil.errors import SpecError
from vigil.spec.channels import AlertSettings, Channel
from vigil.spec.load import load_project


def test_a_specification_without_alerts_keeps_the_hash_that_it_had() -> None:
    assert "alerts" not in a_spec().canonical_json()
    assert a_spec().hash == a_spec(alerts={}).hash
    assert a_spec().hash != a_spec(alerts={"clear_windows": 3}).hash


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"above": 1.0, "dynamic": {}}, "either a dynamic threshold or above/below"),
        ({"of_baseline": True}, "multiples of"),
        ({"tier": None, "above": 1.0}, "never alerted"),
    ],
)
def test_parts_of_a_rule_that_contradict_each_other_are_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_spec(alerts={"rules": [{"layer": "system", "tier": "P1", **rule}]})


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ({"kind": "slack"}, "needs secret_url"),
        ({"kind": "slack", "token": "${TOKEN}"}, "token and conversation"),
        ({"kind": "slack", "secret_url": "${HOOK}", "conversation": "C012345"}, "token and conversation"),
        ({"kind": "slack", "secret_url": "https://hooks.example.org/T0/B0/x"}, "pattern"),
        ({"kind": "pagerduty", "routing_key": "0123456789"}, "pattern"),
        ({"kind": "slack", "secret_url": "${HOOK}", "host": "x"}, "has no host"),
        ({"kind": "webhook"}, "either url or secret_url"),
        ({"kind": "webhook", "url": "https://example.org/?token=abc"}, "would hold a secret"),
        ({"kind": "webhook", "url": "https://user:word@example.org/"}, "would hold a secret"),
        ({"kind": "webhook", "url": "ftp://example.org/"}, "http"),
        ({"kind": "email", "host": "h", "sender": "a@b", "to": ["c@d"], "username": "u"}, "username and password"),
        ({"kind": "email", "host": "h", "sender": "a@b\nBcc: e@f", "to": ["c@d"]}, "one line"),
    ],
)
def test_a_channel_that_could_not_work_or_would_hold_a_secret_is_refused(channel: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Channel.model_validate(channel)


@pytest.mark.parametrize("second", ["hook", "nobody"])
def test_a_second_channel_is_another_one_that_exists(second: str) -> None:
    with pytest.raises(ValidationError, match="the second channel of hook"):
        AlertSettings.model_validate({"channels": {"hook": {"kind": "webhook", "url": "https://example.org", "second": second}}})


def test_a_private_network_is_one() -> None:
    with pytest.raises(ValidationError, match="no network"):
        AlertSettings(private_networks=("intranet",))


def test_an_error_in_vigil_yaml_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "vigil.yaml"
    file.write_text("project: shop\nalerts:\n  channels:\n    team: {kind: slack, secret_url: abc}\n")
    with pytest.raises(SpecError, match=r"vigil.yaml:4: `alerts.channels.team.secret_url`"):
        load_project(file)
