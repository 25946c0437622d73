"""The review queue through real files: who is in it and why, what comes back, and what of it counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.build import FIRST, MODEL, ROWS, day_of, make_work, write
from vigil.errors import LabelError
from vigil.performance.metrics import value_of
from vigil.review.outcomes import Reviewed, import_reviews, latest_reviews
from vigil.review.queue import Pick, purposive
from vigil.review.session import Session, open_session, write_session
from vigil.spec.model import Metric
from vigil.workspace import Workspace, open_source

NOW = FIRST.end + timedelta(days=2)


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """A day of 300 predictions, a tenth of them labelled at random; two have a new plan, one an amount of a million."""
    made = make_work(tmp_path / "p", labels={"minimum": 40})
    for path in (tmp_path / "p" / "labels").glob("*.parquet"):
        rows = pd.read_parquet(path)
        rows[::10].assign(inclusion_probability=0.1).to_parquet(path)
    rows = day_of()
    rows.loc[[5, 6], "plan"] = "=new"
    rows.loc[7, "amount"] = 1e6
    write(made, FIRST, rows)
    return made


def queue(work: Workspace, most: int = 40) -> tuple[Pick, ...]:
    version = work.store.version(MODEL, "1")
    assert version is not None
    return purposive(open_source(work.project, work.spec), work.spec, FIRST, version, most=most, now=NOW)


def opened(work: Workspace, rows: int = 40) -> Session:
    return open_session(open_source(work.project, work.spec), work.store, work.spec, FIRST, rows=rows, seed=0, now=NOW)


def written(work: Workspace, session: Session, name: str = "session.csv") -> Path:
    path = work.project.path(name)
    write_session(open_source(work.project, work.spec), work.spec, session, path)
    return path


def taken_in(work: Workspace, path: Path, hours: int = 0) -> Reviewed:
    return import_reviews(open_source(work.project, work.spec), work.store, work.spec, path, by="ada", now=NOW + timedelta(hours=hours))


def test_every_reason_has_its_turn_and_a_row_has_all_its_reasons(work: Workspace) -> None:
    picks = queue(work)
    rows = day_of().set_index("prediction_id")
    why = {pick.id: pick.why for pick in picks}
    for place in (5, 6):
        assert "new category: plan==new" in why[f"0304-{place:05}"]
    assert any(reason.startswith("out of range: amount=1e+06") for reason in why["0304-00007"])
    borderline = [pick.id for pick in picks if "borderline" in pick.why]
    labelled = {f"0304-{i:05}" for i in range(0, ROWS, 10)}
    nearest = (rows["score"] - 0.5).abs().drop(sorted(labelled)).nsmallest(len(borderline))
    assert borderline == list(nearest.index)
    errors = [pick.id for pick in picks if "recent error" in pick.why]
    labels = pd.read_parquet(work.project.path(f"labels/{FIRST.start:%m%d}.parquet")).set_index("prediction_id")["label"]
    off = (rows["score"] - labels).abs()[labels.index]
    assert errors == list(off[off > 0.5].sort_values(ascending=False).index)[: len(errors)]
    assert errors
    assert len(picks) == 40
    assert queue(work) == picks


def test_the_domain_classifier_names_rows_that_are_unlike_the_training(tmp_path: Path) -> None:
    """A fifth of the day has an amount that no training row had."""
    made = make_work(tmp_path / "p", drift={"minimum_rows": 100, "multivariate_rows": 2000})
    rows = day_of()
    rows.loc[:59, "amount"] = 400.0
    write(made, FIRST, rows)
    unlike = [pick.id for pick in queue(made) if "unlike training" in pick.why]
    planted = {f"0304-{i:05}" for i in range(60)}
    assert len(planted & set(unlike)) > 0.8 * len(unlike) > 0


def test_a_quarter_is_at_random_and_shows_no_score(work: Workspace) -> None:
    session = opened(work)
    assert opened(work) == session
    rows = pd.read_csv(written(work, session))
    at_random = rows["vigil_why"] == "random control"
    assert (len(rows), at_random.sum(), session.plan_id is not None) == (40, 10, True)
    assert rows["score"].isna().tolist() == at_random.tolist()
    assert set(rows["plan"]) >= {"'=new"}  # no formula
    assert rows["vigil_known_label"].notna().tolist() == rows["vigil_why"].str.contains("recent error").tolist()
    assert rows[["label", "vigil_outcome", "vigil_comment", "vigil_reviewer"]].isna().all(axis=None)


@pytest.mark.parametrize("name", ["session.csv", "session.parquet"])
def test_only_labels_at_random_become_labels_and_all_that_was_said_is_kept(work: Workspace, name: str) -> None:
    session = opened(work)
    path = written(work, session, name)
    rows = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
    rows = rows.assign(label=1, vigil_outcome="wrong", vigil_comment="=looks odd", vigil_reviewer=["bob"] + [None] * 39)
    rows.to_csv(path, index=False) if name.endswith("csv") else rows.to_parquet(path)
    done = taken_in(work, path)
    assert (done.rows, done.reviewed, done.new) == (40, 40, 40)
    assert done.labels is not None
    assert done.labels.answered == 10
    known = open_source(work.project, work.spec).labelled([FIRST], NOW).to_pandas()
    assert len(known) == ROWS // 10 + 10
    assert known["inclusion_probability"].to_numpy() == pytest.approx(40 / ROWS)  # one stratum: all rows alike
    said = latest_reviews(work.store.reviews(MODEL))
    assert {(each.label, each.outcome, each.comment) for each in said.values()} == {(1.0, "wrong", "=looks odd")}
    assert sorted(each.reviewer for each in said.values()) == ["ada"] * 39 + ["bob"]
    assert (taken_in(work, path, hours=1).new, len(work.store.reviews(MODEL))) == (0, 40)


def test_a_correction_is_one_more_review_and_an_empty_row_is_none(work: Workspace) -> None:
    session = opened(work)
    path = written(work, session)
    rows = pd.read_csv(path).astype({"vigil_outcome": object})
    rows.loc[0, "vigil_outcome"] = "unclear"
    rows.to_csv(path, index=False)
    first = taken_in(work, path)
    assert (first.reviewed, first.new, first.labels) == (1, 1, None)
    rows.loc[0, "vigil_outcome"] = "data fault"
    rows.to_csv(path, index=False)
    assert taken_in(work, path, hours=1).new == 1
    (latest,) = latest_reviews(work.store.reviews(MODEL)).values()
    assert (latest.outcome, len(work.store.reviews(MODEL))) == ("data fault", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "was it cut off"),
        (lambda rows: pd.concat([rows, rows[:1]]), "stands there twice"),
        (lambda rows: rows.assign(vigil_outcome="maybe"), "expected one of: right, wrong, data fault, unclear"),
        (lambda rows: rows.assign(label=7), "expected 0, 1 or nothing"),
        (lambda rows: rows.assign(vigil_review="r-0"), "expected one session in every row"),
        (lambda rows: rows.drop(columns="vigil_comment"), "column `vigil_comment`: is missing"),
        (lambda rows: rows[:0], "has no rows"),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_nothing_of_it_is_kept(work: Workspace, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = written(work, opened(work))
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(LabelError, match=message):
        taken_in(work, path)
    assert work.store.reviews(MODEL) == ()
    assert not list(work.project.path("labels").glob("plan-*"))


def test_labels_picked_on_purpose_would_bias_an_estimate_and_those_at_random_do_not() -> None:
    """Accuracy of a calibrated model, of 600 sessions: 10 rows at random, or together with the 30 nearest to the threshold."""
    rng, alone, together = np.random.default_rng(9), [], []
    for _ in range(600):
        score = rng.uniform(size=300)
        label = (rng.uniform(size=300) < score).astype(float)
        near = np.argsort(np.abs(score - 0.5))[:30]
        at_random = rng.choice(300, 10, replace=False)
        both = np.union1d(near, at_random)
        truth = value_of(Metric.ACCURACY, score, label)
        alone.append(value_of(Metric.ACCURACY, score[at_random], label[at_random]) - truth)
        together.append(value_of(Metric.ACCURACY, score[both], label[both]) - truth)
    assert abs(np.mean(alone)) < 3 * np.std(alone) / np.sqrt(600)
    assert np.mean(together) < -0.1
