"""The flow ``deliver`` sends what waits, on real Prefect and a real receiver; a second run finds nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.console.shop import MODEL, fill_store, make_shop
from tests.tasks.servers import receiver
from vigil.alerts.alerting import alert
from vigil.project import Project


def test_what_waits_is_sent_once(tmp_path: Path, prefect_server: str) -> None:
    from flows.deliver import deliver

    folder = make_shop(tmp_path / "shop")
    file = folder / "models" / "churn.yaml"
    file.write_text(file.read_text() + "policy: {drift: {k: 1, n: 1}}\n")
    with receiver() as server:
        (folder / "vigil.yaml").write_text(
            f"project: shop\nalerts:\n  channels: {{hook: {{kind: webhook, url: '{server.url}'}}}}\n"
            "  private_networks: [127.0.0.0/8]\n  stale_days: 100000\n"
        )
        fill_store(folder)
        project = Project.open(folder)
        with project.store() as store:
            (incident,) = alert(store, project.model(MODEL), project.spec.alerts, "e2", datetime.now(UTC))
        assert deliver(str(folder)) == {"delivered": 1, "failed": 0, "dead": 0}
        assert deliver(str(folder)) == {"delivered": 0, "failed": 0, "dead": 0}
    assert [body["incident"] for _, _, body in server.got] == [incident.incident_id]


def test_the_digest_of_a_week_is_sent_once(tmp_path: Path, prefect_server: str) -> None:
    from flows.digest import digest

    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    with receiver() as server:
        (folder / "vigil.yaml").write_text(
            f"project: shop\nalerts:\n  channels: {{hook: {{kind: webhook, url: '{server.url}', tiers: [P2]}}}}\n"
            "  private_networks: [127.0.0.0/8]\n"
        )
        for _ in range(2):
            assert digest(str(folder), end="2024-01-22") == ("digest-2024-01-22:hook",)
    assert [body["headline"] for _, _, body in server.got] == ["Digest: 0 trends, 0 minor incidents"]
