"""Nothing leaves the machine: the loop runs where every connection but loopback is refused, and none was tried."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.loop.small_project import make_project
from vigil.project import Project

ROOT = Path(__file__).resolve().parents[2]
HOOK = Path(__file__).parent / "no_network"

LOOP = """
import sys
from pathlib import Path
from tests.loop.small_project import MODEL, as_of, play, week_start
from vigil.project import Project
from flows.settings import use_project

folder = Path(sys.argv[1])
spec = folder / "models" / "credit.yaml"
spec.write_text(spec.read_text().replace("when: never", "when: always"))
use_project(Project.open(folder))
from flows.adopt import adopt
from flows.monitor import monitor

adopt(str(folder), MODEL)
play(folder, 0)
print(monitor(str(folder), MODEL, week_start(0).isoformat(), as_of(0))["action"])
"""


def environment(log: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_", "GX_")) and k != "DO_NOT_TRACK"}
    return {**kept, "PYTHONPATH": f"{HOOK}{os.pathsep}{ROOT}", "VIGIL_TEST_NETWORK_LOG": str(log)}


def test_the_loop_opens_no_connection_that_leaves_the_machine(tmp_path: Path, prefect_home: Path) -> None:
    """Prefect with its server, Great Expectations, Evidently and MLflow, with no setting but vigil's own."""
    log = tmp_path / "network.log"
    folder = make_project(tmp_path / "project")
    home = Project.open(folder).path("state/prefect")
    home.mkdir(parents=True)
    shutil.copy(prefect_home / "prefect.db", home)
    done = subprocess.run(
        [sys.executable, "-c", LOOP, str(folder)],
        cwd=tmp_path,
        env=environment(log),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["HOLD"]
    assert not log.exists(), log.read_text()


def test_the_guard_refuses_and_records(tmp_path: Path) -> None:
    """The guard of the test above works: a connection to a documentation address is refused and written down."""
    log = tmp_path / "network.log"
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"  # TEST-NET-1, RFC 5737
    done = subprocess.run([sys.executable, "-c", code], env=environment(log), capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr
    assert "192.0.2.1" in log.read_text()
