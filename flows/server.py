"""A Prefect server of one process's own, for commands that run flows where no server is named.

Prefect would start one at the first flow run. It differs: this one starts before Prefect is imported, so that both
imports pass side by side (the caller's process never imports the server), and it ends with its parent however that ends;
Prefect's own goes on for ever when its parent is killed.

``python -m flows.server FD`` is the server: it serves on the listening socket ``FD`` until its standard input is closed.
"""

from __future__ import annotations

import atexit
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

from vigil.errors import OrchestratorError

HOST = "127.0.0.1"
PATIENCE_SECONDS = 120.0  # a first start makes the database: 7 s on an idle machine, some times that on a busy one
GRACE_SECONDS = 5.0
# Task runs are written some at once, at the latest after a second and when it ends; by Prefect's default each event is a transaction.
BATCHES = {"PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "25", "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1"}


class OwnServer:
    """A server on a free port. It ends with :meth:`stop`, with this process at the latest.

    Args:
        environment: of the server's process; ``PREFECT_HOME`` in it says where the database lies.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket()
        self._socket.bind((HOST, 0))
        self._port: int = self._socket.getsockname()[1]
        self.api = f"http://{HOST}:{self._port}/api"  # for PREFECT_API_URL

    def start(self) -> None:
        """Start its process, if it is not; whoever connects from now on waits until it answers."""
        if self._process is not None:
            return
        with self._socket as listening:
            listening.listen(128)
            self._process = subprocess.Popen(  # noqa: S603 - this module, in this interpreter
                [sys.executable, "-m", "flows.server", str(listening.fileno())],
                env={**self._environment, "PYTHONSAFEPATH": "1"},  # a folder `flows` in the project must not hide vigil's own
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,  # closed by the kernel when this process ends
                start_new_session=True,  # Ctrl-C is for the flows; the server goes after them
            )
        atexit.register(self.stop)

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            OrchestratorError: it ended, or did not answer in time; it is stopped then.
        """
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/api/health")
            status = connection.getresponse().status
        except OSError as error:
            self.stop()
            raise OrchestratorError(
                f"Prefect's server at {self.api} did not start: {error}. What it wrote stands above; `vigil doctor` looks at the "
                "installation, and prefect.api_url in vigil.yaml names a server that runs elsewhere"
            ) from None
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            self.stop()
            raise OrchestratorError(f"Prefect's server at {self.api} answers with HTTP {status}; look at its database in prefect.home")

    def stop(self) -> None:
        """End it, if it was started and has not ended."""
        atexit.unregister(self.stop)
        self._socket.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def serve(descriptor: int) -> None:
    """Serve Prefect's API on a listening socket until standard input is closed or a signal asks for the end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["PREFECT_UI_ENABLED"] = "false"
    for name, value in BATCHES.items():
        os.environ.setdefault(name, value)
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    home = get_current_settings().home
    home.mkdir(parents=True, exist_ok=True)

    class OneAtATime(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Two that make the same database at one moment stumble over each other's tables, and one of them ends."""
            with (home / "starting.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                await super().startup(sockets)

    app = create_app(ephemeral=True, final=True)
    OneAtATime(uvicorn.Config(app, log_level="error", lifespan="on")).run(sockets=[socket.socket(fileno=descriptor)])


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
