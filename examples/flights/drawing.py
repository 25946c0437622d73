"""Reports are drawn in a process of their own while the year is played on: on two cores that saves most of a minute.

The flow ``report`` runs there, against the same Prefect server.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager


class Drawing:
    """A process that draws one decision's reports after the other."""

    def __init__(self, pool: ProcessPoolExecutor, folder: str) -> None:
        self._pool, self._folder = pool, folder
        self._drawn: list[Future[None]] = []

    def of(self, decision_id: str) -> None:
        """Draw the reports of a decision's window, soon; what was drawn before stays."""
        self._drawn.append(self._pool.submit(_draw, self._folder, decision_id))

    def wait(self) -> None:
        """Wait for all of them.

        Raises:
            VigilError: one could not be drawn.
        """
        for drawn in self._drawn:
            drawn.result()


@contextmanager
def drawing(folder: str) -> Iterator[Drawing]:
    """Start the process; it talks to the Prefect server that the environment names."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        yield Drawing(pool, folder)
    finally:
        pool.shutdown(cancel_futures=True)


def _draw(folder: str, decision_id: str) -> None:
    from flows.settings import use_project, without_heartbeats
    from vigil.workspace import Workspace

    work, decision = Workspace.of_decision(folder, decision_id)
    use_project(work.project)
    from tasks.report import lacking

    if lacking(work, decision.evaluation_id):
        from flows.report import report

        with without_heartbeats():
            report(folder, decision_id)
