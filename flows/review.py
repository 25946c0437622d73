"""Ask people to look at predictions: a session for each model that wants one, once a window."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.look import list_models
from tasks.review import write_review
from vigil.errors import VigilError


@flow(name="review")
def review(project: str, as_of: str | None = None) -> list[dict[str, Any]]:
    """Write the review session of the latest due window of every model with ``labels.review_rows``.

    Writes: the session and the plan of its rows at random (the store), its file (folder ``reviews``). A second run finds both.
    A model that fails does not keep the others from theirs; the run fails at its end and names those that failed.
    """
    made, failures = [], []
    for model in list_models(project):
        try:
            session = write_review(project, model, as_of)
        except VigilError as error:
            failures.append(f"{model}: {error}")
        else:
            made += [session] if session is not None else []
    if failures:
        raise VigilError(f"{len(failures)} of the models have no review session; " + "; ".join(failures))
    return made
