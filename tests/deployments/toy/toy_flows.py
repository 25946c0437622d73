"""A flow that can be killed half-way: it says that it began, and ends once it is allowed to."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect import flow


@flow(name="look")
def look(project: str) -> str:
    """Write one line to PROJECT/began, then wait until PROJECT/go exists."""
    folder = Path(project)
    with (folder / "began").open("a") as file:
        file.write(f"{os.getpid()}\n")
    deadline = time.monotonic() + 120
    while not (folder / "go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody allowed the toy flow to end")
        time.sleep(0.1)
    return "looked"
