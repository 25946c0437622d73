"""A normal run says nothing: no progress bar, log line, warning, or complaint at the end of the process, and no file beside the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RUN = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO)
import prefect  # it logs to the screen
from tests.expectations.build import changed, check
check(Path(sys.argv[1]), changed("temp", {0: 999.0}))

from tasks.registry import Registry
from tests.tasks.build import SPEC, candidate, project
registry = Registry(project(Path(sys.argv[1])))
registry.register(SPEC, candidate())
registry.reconcile_alias(SPEC.model, "1")
registry.load_model(SPEC.model, "1")
"""


def test_validating_and_registering_print_nothing_and_leave_no_file(tmp_path: Path) -> None:
    """In a fresh process, from an empty registry; Great Expectations, MLflow and DuckDB are in it."""
    here = tmp_path / "here"
    here.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(here)}
    command = [sys.executable, "-c", RUN, str(tmp_path / "project")]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(here.iterdir()) == []
