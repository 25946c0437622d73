"""The program that answers Prometheus; ``vigil up`` starts it where ``metrics.port`` of vigil.yaml is set.

``python -m deployments.metrics FOLDER PORT [HOST]`` serves ``/metrics`` (OpenMetrics text, read from the store) and ``/health``.
Nothing can be changed through it, and its labels name no feature, segment or person (:mod:`vigil.alerts.openmetrics`).
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from vigil.alerts.openmetrics import CONTENT_TYPE, openmetrics
from vigil.errors import VigilError
from vigil.project import Project

KEPT_SECONDS = 10.0  # convention: however many scrape it, the store is read no more often


class Answer:
    """The text of the project's state, read again when it is older than :data:`KEPT_SECONDS`. Threads may share one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.text, self.read_at = "", float("-inf")

    def current(self) -> str:
        """Return the state.

        Raises:
            VigilError: the project or its store cannot be read.
        """
        with self.lock:
            if time.monotonic() - self.read_at > KEPT_SECONDS:
                project = Project.open(self.folder)
                with project.store() as store:
                    self.text = openmetrics(store, [project.models[name] for name in sorted(project.models)], datetime.now(UTC))
                self.read_at = time.monotonic()
            return self.text


def server_of(folder: Path, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """Return the server, listening on ``port`` (0: any that is free) and not serving yet."""
    answer = Answer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._metrics()
                case "/health":
                    self._say(200, "ok\n")
                case _:
                    self._say(404, "there are /metrics and /health\n")

        def _metrics(self) -> None:
            try:
                text = answer.current()
            except VigilError as error:
                self.log_error("%s", error)
                self._say(503, "the state cannot be read; the log of this program says why\n")
            else:
                self._say(200, text, CONTENT_TYPE)

        def _say(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing of what went well: it is asked every few seconds."""

    return ThreadingHTTPServer((host, port), Handler)


def main() -> None:
    folder, port, *host = sys.argv[1:]
    with server_of(Path(folder), int(port), *host) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
