"""The metrics' endpoint answers a real client on loopback, survives a store that cannot be read, and changes nothing."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from deployments.metrics import Answer, server_of
from deployments.up import Addresses, services
from tests.console.shop import fill_store, make_shop
from vigil.alerts.openmetrics import CONTENT_TYPE
from vigil.project import Project


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    return folder


def test_prometheus_own_parser_reads_what_is_answered(shop: Path) -> None:
    with serving(server_of(shop, 0)) as url, urllib.request.urlopen(f"{url}/metrics") as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert {"vigil_metric_value", "vigil_incidents", "vigil_window_length_seconds"} <= names


def test_anything_else_is_not_found(shop: Path) -> None:
    with serving(server_of(shop, 0)) as url:
        assert urllib.request.urlopen(f"{url}/health").read() == b"ok\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/models/churn.yaml")


def test_a_project_that_cannot_be_read_is_an_answer_too_and_tells_no_address(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (shop / "vigil.yaml").write_text("project: shop\nstore: {url: 'postgresql://u:secretword@127.0.0.1:1/none'}\n")
    with serving(server_of(shop, 0)) as url, pytest.raises(urllib.error.HTTPError, match="503") as failed:
        urllib.request.urlopen(f"{url}/metrics")
    assert "127.0.0.1" not in failed.value.read().decode()
    assert "secretword" not in capfd.readouterr().err


def test_the_store_is_read_again_only_after_a_while(shop: Path) -> None:
    answer = Answer(shop)
    first = answer.current()
    (shop / "vigil.yaml").write_text("no project\n")
    assert answer.current() is first


@pytest.mark.parametrize(("section", "runs"), [("", False), ("metrics: {port: 9470}\n", True)])
def test_vigil_up_runs_it_where_a_port_is_given(shop: Path, tmp_path: Path, section: str, runs: bool) -> None:
    (shop / "vigil.yaml").write_text(f"project: shop\n{section}")
    project = Project.open(shop)
    found = {service.name: service for service in services(project, Addresses.of(project), tmp_path)}
    assert ("metrics" in found) is runs
    if runs:
        assert found["metrics"].command[-3:] == ("deployments.metrics", str(project.folder), "9470")
        assert found["metrics"].health == "http://127.0.0.1:9470/health"
        assert "metrics" not in found["deployments"].after
