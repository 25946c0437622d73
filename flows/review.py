"""Ask people to look at predictions: a session for each model that wants one, once a window."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.look import list_models
from tasks.review import write_review
from vigil.errors import VigilError, sentence_of


@flow(name="review")
def review(project: str, as_of: str | None = None) -> list[dict[str, Any]]:
    """Write the review session of the latest due window of every model with ``labels.review_rows``.

    Writes: the session and the plan of its rows at random (the store), its file (folder ``reviews``). A second run finds both.
    A model that fails, or whose specification is wrong, does not keep the others from theirs; the run fails at its end and names those
    that failed.
    """
    made: list[dict[str, Any]] = []
    models, refused = list_models(project)
    failures = list(refused)
    for model in models:
        try:
            session = write_review(project, model, as_of)
        except Exception as error:  # as of the fleet's run
            failures.append(f"{model}: {sentence_of(error)}")
        else:
            made += [session] if session is not None else []
    if failures:
        raise VigilError(f"{len(failures)} of the models have no review session; " + "; ".join(failures))
    return made
