"""A command's own Prefect server: its name in the environment, its end with its parent, its failure as one typed error."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.server import OwnServer
from flows.settings import start_own_server, use_project
from tests.loop.small_project import make_project
from vigil.errors import OrchestratorError
from vigil.project import Project

PARENT = """
import sys
from pathlib import Path
from flows.settings import start_own_server, use_project
from vigil.project import Project

use_project(Project.open(Path(sys.argv[1])))
server = start_own_server()
server.wait()
print(server.api, flush=True)
sys.stdin.read()
"""


def listens(api: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(api).port or 0)) == 0


def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Its database lies where vigil.yaml says, and nothing of it runs on."""
    folder = make_project(tmp_path / "project")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as parent:
        assert parent.stdout is not None
        api = parent.stdout.readline().decode().strip()
        assert listens(api), api
        parent.kill()
        # The server holds the other end of its parent's output: the end of the file is the end of the server.
        assert parent.stdout.read() == b""
    assert not listens(api)
    assert [path.name for path in Project.open(folder).path("state/prefect").glob("*.db")] == ["prefect.db"]


def test_those_that_start_at_one_moment_all_answer(tmp_path: Path) -> None:
    """The first commands of a new project: one makes the database, the others wait for it. Without waiting, two of three pairs failed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    servers = [OwnServer({**kept, "PREFECT_HOME": str(tmp_path / "home")}) for _ in range(3)]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
    finally:
        for server in servers:
            server.stop()


def test_a_server_that_cannot_start_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Here its home is a file."""
    home = tmp_path / "file"
    home.write_text("")
    server = OwnServer({**os.environ, "PREFECT_HOME": str(home)})
    server.start()
    with pytest.raises(OrchestratorError, match=r"Prefect's server at .* did not start"):
        server.wait()
    assert "file" in capfd.readouterr().err


def test_a_server_that_was_not_started_is_stopped_without_harm() -> None:
    server = OwnServer()
    server.stop()
    assert not listens(server.api)


def test_none_is_started_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's word comes first."""
    monkeypatch.setenv("PREFECT_API_URL", "http://flows.example/api")
    use_project(Project.open(make_project(tmp_path / "project")))
    assert start_own_server() is None
    assert os.environ["PREFECT_API_URL"] == "http://flows.example/api"
