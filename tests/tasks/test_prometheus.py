"""Asking Prometheus over real HTTP on loopback, with answers as its HTTP API gives them; whatever goes wrong is unknown, and why."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from tasks.prometheus import ask
from tests.alerts.build import a_spec, day
from tests.tasks.servers import closed_port
from vigil.errors import SourceError
from vigil.health.inputs import Answer
from vigil.spec.project import PrometheusSpec

# As Prometheus 2.42 answers them: `up`, `vector(1)` over a range, `scalar(vector(3))`, a misspelt query.
VECTOR = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "serving"}, "value": [1704153600, "1"]}]},
}
MATRIX = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1704067200, "5"], [1704068100, "7.5"], [1704069000, "NaN"]]}]},
}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1704153600, "3"]}}
EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}
TWO = {"status": "success", "data": {"resultType": "vector", "result": VECTOR["data"]["result"] * 2}}  # type: ignore[index]
REFUSED = {"status": "error", "errorType": "bad_data", "error": 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis'}


@dataclass
class Asked:
    """What the server was asked, and where it is."""

    url: str = ""
    got: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def prometheus(answer: Any, status: int = 200) -> Iterator[Asked]:
    state = Asked()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            state.got.append((self.path, parse_qs(body)))
            if answer == "hang":
                state.released.wait(30)
                return
            text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()


def one(url: str | None, **query: Any) -> Answer:
    spec = a_spec(health={"queries": {"memory": {"query": "up", **query}}})
    return ask(PrometheusSpec(url=url, timeout_seconds=0.3), spec, day(0))["memory"]


@pytest.mark.parametrize(
    ("recorded", "samples"),
    [(VECTOR, [(1704153600.0, 1.0)]), (SCALAR, [(1704153600.0, 3.0)])],
)
def test_a_value_is_read_at_the_windows_end(recorded: Any, samples: list[tuple[float, float]]) -> None:
    with prometheus(recorded) as server:
        assert one(server.url) == Answer(samples)
    assert server.got == [("/api/v1/query", {"query": ["up"], "time": ["1704153600.0"]})]


def test_a_slope_is_asked_for_as_a_range() -> None:
    with prometheus(MATRIX) as server:
        answer = one(server.url, slope=True)
    assert answer.samples[:2] == [(1704067200.0, 5.0), (1704068100.0, 7.5)]
    ((path, parameters),) = server.got
    assert (path, parameters["start"], parameters["step"]) == ("/api/v1/query_range", ["1704067200.0"], ["900.0"])


@pytest.mark.parametrize(
    ("recorded", "status", "because"),
    [
        (EMPTY, 200, "Prometheus answered with no series"),
        (TWO, 200, "Prometheus answered with 2 series; aggregate them to one, with sum() or max()"),
        (REFUSED, 400, 'Prometheus refused it: invalid parameter "query": 1:5: parse error: unclosed left parenthesis'),
        ("<html>login</html>", 200, "Prometheus could not be asked: JSONDecodeError"),
        ({"answer": 42}, 502, "HTTP 502, not in the form of Prometheus' HTTP API"),
        ([], 200, "HTTP 200, not in the form of Prometheus' HTTP API"),
        ("hang", 200, "Prometheus did not answer within 0.3 s"),
    ],
)
def test_whatever_goes_wrong_is_unknown_and_says_why(recorded: Any, status: int, because: str) -> None:
    with prometheus(recorded, status) as server:
        assert one(server.url) == Answer(because=because)


def test_nobody_listens() -> None:
    assert one(f"http://127.0.0.1:{closed_port()}") == Answer(because="Prometheus could not be asked: ConnectError")


def test_one_query_that_fails_keeps_no_other_from_being_asked() -> None:
    spec = a_spec(health={"queries": {name: {"query": name} for name in ("cpu", "gpu")}})
    with prometheus(EMPTY) as server:
        assert list(ask(PrometheusSpec(url=server.url), spec, day(0))) == ["cpu", "gpu"]
    assert [parameters["query"] for _, parameters in server.got] == [["cpu"], ["gpu"]]


def test_queries_without_an_address_are_refused_with_what_to_add() -> None:
    with pytest.raises(SourceError, match=r"prometheus.url of vigil.yaml, which is not given; add it"):
        one(None)


def test_a_model_without_queries_asks_nobody() -> None:
    assert ask(PrometheusSpec(), a_spec(), day(0)) == {}
