"""``incidents``, ``incident``, ``ack``, ``mute``, ``resolve``, ``channels``, ``digest``, ``metrics``: for people and for machines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.exit_codes import ExitCode
from tests.console.shop import MODEL, answer, call, fill_store, make_shop
from tests.tasks.servers import receiver
from vigil.alerts.alerting import alert
from vigil.project import Project


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two weeks of drift in the store, alerted on the second; the policy of this shop takes two."""
    folder = make_shop(tmp_path / "shop")
    file = folder / "models" / "churn.yaml"
    file.write_text(file.read_text() + "policy: {drift: {k: 1, n: 1}}\nalerts: {playbook: 'https://wiki.example.org/{kind}'}\n")
    fill_store(folder)
    return folder


def alerted(folder: Path) -> str:
    """Alert on the last evaluation, and return the id of its incident."""
    project = Project.open(folder)
    with project.store() as store:
        (found,) = alert(store, project.model(MODEL), project.spec.alerts, "e2", datetime.now(UTC))
    return found.incident_id


def with_channel(folder: Path, url: str) -> None:
    (folder / "vigil.yaml").write_text(
        f"project: shop\nalerts:\n  channels: {{hook: {{kind: webhook, url: '{url}'}}}}\n"
        "  private_networks: [127.0.0.0/8]\n  stale_days: 100000\n  timeout_seconds: 2\n"
    )


def test_an_incident_is_listed_and_shown(shop: Path) -> None:
    name = alerted(shop)
    (row,) = answer(shop, "incidents")
    assert (row["incident_id"], row["tier"], row["state"], row["model"], row["owner"]) == (name, "P1", "open", "churn", "growth team")
    assert "churn: inputs have drifted" in call(shop, "incidents", MODEL).stdout
    shown = call(shop, "incident", name).stdout
    assert "cause 1   covariate" in shown
    assert "playbook  https://wiki.example.org/covariate" in shown
    assert "decided   RETRAIN" in shown
    assert "opened by vigil" in shown


def test_a_shop_without_incidents_says_so(shop: Path) -> None:
    assert answer(shop, "incidents") == []
    assert "vigil incidents --all" in call(shop, "incidents").stdout


def test_ack_mute_and_resolve_stand_in_the_incident_with_who_and_why(shop: Path) -> None:
    name = alerted(shop)
    assert answer(shop, "ack", name, "--by", "ann", "--reason", "mine")[0]["state"] == "acknowledged"
    assert answer(shop, "mute", name, "--by", "ann", "--reason", "known", "--until", "2999-01-01")[0]["muted_until"].startswith("2999")
    assert answer(shop, "resolve", name, "--by", "bob", "--reason", "fixed")[0]["state"] == "resolved"
    (row,) = answer(shop, "incident", name)
    assert [(e["kind"], e["by"], e["reason"]) for e in row["events"][1:]] == [
        ("acknowledged", "ann", "mine"),
        ("muted", "ann", "known"),
        ("resolved", "bob", "fixed"),
    ]
    assert answer(shop, "incidents") == []
    assert [r["state"] for r in answer(shop, "incidents", "--all")] == ["resolved"]


def test_what_is_resolved_cannot_be_acknowledged(shop: Path) -> None:
    name = alerted(shop)
    call(shop, "resolve", name, "--reason", "fixed")
    result = call(shop, "ack", name)
    assert result.exit_code == 5
    assert "can only become reopened" in result.stderr


def test_an_incident_that_is_not_there_is_answered_with_where_to_look(shop: Path) -> None:
    """It is a wrong argument, not a store that cannot be used."""
    result = call(shop, "incident", "i-none")
    assert result.exit_code == ExitCode.USAGE
    assert "vigil incidents --all" in result.stderr


def test_channels_are_tested_and_a_failure_is_an_exit_code(shop: Path) -> None:
    with receiver() as server:
        with_channel(shop, server.url)
        assert answer(shop, "channels", "test") == [{"channel": "hook", "delivered": True, "detail": "HTTP 200"}]
        assert server.got[0][2]["headline"] == "P2 vigil: this is a test"
        server.answer = 500
        result = call(shop, "channels", "test", "hook")
    assert result.exit_code == 4
    assert "HTTP 500" in result.stdout


def test_a_channel_that_is_not_there_is_answered_with_those_that_are(shop: Path) -> None:
    result = call(shop, "channels", "test", "pager")
    assert result.exit_code == 2
    assert "the channels are: none" in result.stderr


def test_acting_sends_what_waits_and_the_list_shows_how_it_went(shop: Path) -> None:
    with receiver(500) as server:
        with_channel(shop, server.url)
        name = alerted(shop)
        assert "could not be sent" in call(shop, "ack", name).stderr
        (row,) = answer(shop, "channels", "list")
    assert (row["pending"], row["delivered"], row["dead"]) == (1, 0, 0)
    assert row["last_failure"].endswith("HTTP 500")


def test_the_digest_is_of_a_week(shop: Path) -> None:
    alerted(shop)
    (model,) = answer(shop, "digest", "--to", "2024-01-20")
    assert (model["model"], model["urgent"]) == ("churn", 1)
    assert "The week from 2024-01-13 to 2024-01-20" in call(shop, "digest", "--to", "2024-01-20").stdout


def test_metrics_are_openmetrics_text(shop: Path) -> None:
    alerted(shop)
    text = call(shop, "metrics").stdout
    assert 'vigil_incidents{model="churn",tier="P1",state="open"} 1.0' in text
    assert text.endswith("# EOF\n")


def test_metrics_replace_a_file_in_one_step(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "vigil.prom"
    file.write_text("old")
    assert call(shop, "metrics", "--to", str(file)).stdout == ""
    assert file.read_text() == call(shop, "metrics").stdout
    assert [each.name for each in tmp_path.glob("vigil.prom*")] == ["vigil.prom"]


def test_metrics_to_a_folder_that_is_not_there_is_said(shop: Path, tmp_path: Path) -> None:
    result = call(shop, "metrics", "--to", str(tmp_path / "none" / "vigil.prom"))
    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr


def test_a_postmortem_tells_what_happened_and_what_would_have_told_earlier(shop: Path) -> None:
    """This shop takes one week of drift, so that its share is alerted at once; its features wait for the digest."""
    name = alerted(shop)
    call(shop, "ack", name, "--by", "ann", "--reason", "mine")
    (row,) = answer(shop, "postmortem", name)
    assert [happened["what"].partition(" by ")[0] for happened in row["timeline"]] == ["opened", "acknowledged"]
    assert [(each["signal"], each["how"], each["lead"], each["false_alarms"]) for each in row["earlier"]] == [
        ("psi of age", "at its first breach", 7.0, 0)
    ]
    shown = call(shop, "postmortem", name).stdout
    assert "acknowledged by ann: mine" in shown
    assert "psi of age" in shown
