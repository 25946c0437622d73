"""Make the review session of a model's latest window, for models that ask for one."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.evaluation.due import latest_due
from vigil.review.session import open_session, session_file, write_session
from vigil.window import moment_or_now
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def write_review(project: str, model: str, as_of: str | None) -> dict[str, Any] | None:
    work, now = Workspace.open(project, model), moment_or_now(as_of)
    if work.spec.labels.review_rows is None:
        return None
    window = latest_due(work.source, work.spec, now)
    session = open_session(work.source, work.store, work.spec, window, rows=work.spec.labels.review_rows, seed=0, now=now)
    path = work.project.path(session_file(session))
    write_session(work.source, work.spec, session, path)
    return {"model": model, "session_id": session.session_id, "predictions": len(session.picks), "path": str(path)}
