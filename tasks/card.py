"""Write a version's model card beside it in the registry; written again when something was decided about it, it is replaced."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.registry import Registry
from tasks.retraining import ACROSS_A_NETWORK
from vigil.challenger.card import as_description, as_html, as_markdown, card_of
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE, **ACROSS_A_NETWORK)
def publish_card(project: str, model: str, version: str | None) -> None:
    work = Workspace.open(project, model)
    known = None if version is None else work.store.version(model, version)
    if known is not None:
        card = card_of(work.store, known)
        documents = {"card.md": as_markdown(card), "card.html": as_html(card)}
        Registry(work.project).keep_card(model, known.version, documents, as_description(card))
