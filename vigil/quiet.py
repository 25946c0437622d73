"""Telemetry and chatter of the libraries that vigil uses, switched off in one place.

Differs from a setting in each room: the packages ``tasks``, ``flows``, ``expectations`` and ``console`` call
:func:`be_quiet` in their ``__init__``, so it has run before any of those libraries is first imported.
"""

from __future__ import annotations

import logging
import os

QUIET_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",  # Prefect's client and server, Evidently and others honour it
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",  # MLflow looks for git
    "TQDM_DISABLE": "1",  # Great Expectations prints a bar for every validation
}


def be_quiet() -> None:
    """Switch telemetry off for this process and its children; what the user has set already is kept."""
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it reports each temporary folder
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs the addresses of channels, which are secrets
    for worker in ("EventsWorker", "APILogWorker"):  # Prefect's: at the end of a short run each warns that it still has work
        logging.getLogger(worker).setLevel(logging.ERROR)
