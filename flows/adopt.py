"""Make a model's first champion: train it on the reference data, measure its baseline, register it."""

from __future__ import annotations

from prefect import flow

from tasks.card import publish_card
from tasks.retraining import adopt_first_version


@flow(name="adopt", flow_run_name="adopt {model}")
def adopt(project: str, model: str, by: str = "vigil", as_of: str | None = None) -> str:
    """Train and register the first version of ``model`` and make it champion; return its version.

    A model that has a champion already is left as it is.
    """
    version: str = adopt_first_version(project, model, by, as_of)
    publish_card(project, model, version)
    return version
