"""The flow ``review`` writes a session for the models that want one, on real Prefect; a second run finds it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.build import MODEL, SECOND, make_work


@pytest.mark.parametrize("wanted", [8, None])
def test_a_model_that_wants_a_session_has_one_once(tmp_path: Path, prefect_server: str, wanted: int | None) -> None:
    from flows.review import review

    work = make_work(tmp_path / "p", labels={"review_rows": wanted, "minimum": 40})
    made = review(str(work.project.folder))
    assert [(each["model"], each["predictions"]) for each in made] == ([(MODEL, 8)] if wanted else [])
    for each in made:
        rows = pd.read_csv(each["path"]).assign(vigil_comment="begun")
        rows.to_csv(each["path"], index=False)
        assert review(str(work.project.folder)) == made
        assert set(pd.read_csv(each["path"])["vigil_comment"]) == {"begun"}  # what a person has begun is left alone
    assert [session.window for session in work.store.review_sessions(MODEL)] == ([SECOND] if wanted else [])
