"""Where the servers that ``vigil up`` runs for a project can be reached: one small file, written by it, read by everybody else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vigil.project import Project

FILE = "state/up.json"  # {"pid": int, "prefect_api": str, "mlflow": str}


def state_file(project: Project) -> Path:
    """Return the path of the file; it exists only while ``vigil up`` runs, or after it was killed."""
    return project.path(FILE)


def running_api(project: Project) -> str | None:
    """Return the API address of the Prefect server that ``vigil up`` runs for this project; None where none runs."""
    try:
        state = json.loads(state_file(project).read_text())
        os.kill(int(state["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return str(state["prefect_api"])
