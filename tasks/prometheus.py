"""Ask Prometheus what the specification wants to know of a window. The room of httpx; what is made of it: :mod:`vigil.health.inputs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vigil.errors import SourceError
from vigil.health.inputs import Answer, asked
from vigil.spec.model import ModelSpec, Query
from vigil.spec.project import PrometheusSpec
from vigil.window import Window

if TYPE_CHECKING:
    import httpx

MOST_SAID = 200  # characters of an error that are kept


def ask(prometheus: PrometheusSpec, spec: ModelSpec, window: Window) -> Mapping[str, Answer]:
    """Ask each query of the model; one that fails is answered with why, and keeps no other from being asked.

    Raises:
        SourceError: the model has queries, and vigil.yaml says nowhere to ask them.
    """
    if not spec.health.queries:
        return {}
    if prometheus.url is None:
        raise SourceError(
            "health.queries are asked at prometheus.url of vigil.yaml, which is not given; add it", source=f"models/{spec.model}"
        )
    import httpx

    with httpx.Client(base_url=prometheus.url.rstrip("/"), timeout=prometheus.timeout_seconds) as client:
        return {name: _answer(client, query, window) for name, query in spec.health.queries.items()}


def _answer(client: httpx.Client, query: Query, window: Window) -> Answer:
    import httpx

    path = "/api/v1/query_range" if query.slope else "/api/v1/query"
    try:
        response = client.post(path, data=asked(query, window))
        body = response.json()
    except httpx.TimeoutException:
        return Answer(because=f"Prometheus did not answer within {client.timeout.read:g} s")
    except (httpx.HTTPError, ValueError) as error:
        return Answer(because=f"Prometheus could not be asked: {type(error).__name__}"[:MOST_SAID])
    try:
        return _read(body)
    except (KeyError, TypeError, ValueError, IndexError):
        return Answer(because=f"HTTP {response.status_code}, not in the form of Prometheus' HTTP API")


def _read(body: Mapping[str, Any]) -> Answer:
    """Read https://prometheus.io/docs/prometheus/latest/querying/api/: a scalar, or a vector or matrix of one series."""
    if body["status"] != "success":
        return Answer(because=f"Prometheus refused it: {body['error']}"[:MOST_SAID])
    kind, result = body["data"]["resultType"], body["data"]["result"]
    if kind == "scalar":
        return Answer([(float(result[0]), float(result[1]))])
    if len(result) != 1:
        said = "no series" if not result else f"{len(result)} series; aggregate them to one, with sum() or max()"
        return Answer(because=f"Prometheus answered with {said}")
    samples = result[0]["values"] if kind == "matrix" else [result[0]["value"]]
    return Answer([(float(at), float(value)) for at, value in samples])
