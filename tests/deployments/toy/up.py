"""What ``vigil up`` does, with the toy flow in place of the monitoring flows: ``python up.py PROJECT``."""

from __future__ import annotations

import sys
from pathlib import Path

from deployments.up import run
from vigil.errors import VigilError
from vigil.project import Project

if __name__ == "__main__":
    try:
        run(Project.open(sys.argv[1]), deployments=Path(__file__).parent / "prefect.yaml")
    except VigilError as error:
        sys.exit(f"{type(error).__name__}: {error}")
