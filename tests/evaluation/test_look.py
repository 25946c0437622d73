"""A look: which window, which version, which rows and labels; equal looks have equal names, and nothing else has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from vigil.errors import NotAllowed, NotEnoughData, StoreError
from vigil.evaluation.due import due_between, due_windows, latest_due, windows_to_look_at
from vigil.evaluation.look import Look, evaluation_of, look_at
from vigil.project import Project
from vigil.store.records import PromotionKind, Version
from vigil.window import Window
from vigil.workspace import Workspace

WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
DUE = WEEK.end + timedelta(days=1)

SPEC = """\
model: m
owner: o
task: binary
source: {predictions: data/log*.parquet, labels: data/labels*.parquet}
columns: {latency_ms: null, error: null, inclusion_probability: null}
features: {x: numeric}
window: {days: 7}
performance: {metric: roc_auc, tolerated_loss: 0.05}
training: {trainer: "t:f", include_reference: false}
"""


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """A model with one version in the store and one prediction a day for three weeks, scored by it."""
    (tmp_path / "models").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "vigil.yaml").write_text("project: p\n")
    (tmp_path / "models" / "m.yaml").write_text(SPEC)
    write_log(tmp_path, 21)
    write_labels(tmp_path, {"p0": 1.0})
    store = Project.open(tmp_path).store()
    store.save_spec("m", "s", "{}")
    store.save_version(Version("m", "1", WEEK.start, "s", "roc_auc", 0.8, {}, {}, "{}", "{}"))
    store.move_champion("m", "1", expected_token=0, kind=PromotionKind.ADOPTED, by="t", reason="first", at=WEEK.start)
    return Workspace.open(tmp_path, "m")


def write_log(folder: Path, days: int, version: Callable[[int], str] = lambda day: "1") -> None:
    rows = pd.DataFrame(
        {
            "prediction_id": [f"p{day}" for day in range(days)],
            "event_time": [WEEK.start + timedelta(days=day) for day in range(days)],
            "model_version": [version(day) for day in range(days)],
            "score": [day / days for day in range(days)],
            "x": [float(day) for day in range(days)],
        }
    )
    rows.to_parquet(folder / "data" / "log.parquet")


def write_labels(folder: Path, labels: dict[str, float]) -> None:
    rows = pd.DataFrame({"prediction_id": list(labels), "label": list(labels.values()), "observed_at": WEEK.end})
    rows.to_parquet(folder / "data" / "labels.parquet")


def look(work: Workspace, window: Window = WEEK, as_of: datetime = DUE) -> Look:
    again = Workspace.open(work.project.folder, "m")
    return look_at(again.source, again.store, again.spec, window, as_of)


def test_the_same_things_are_the_same_look_whenever_they_are_looked_at(work: Workspace) -> None:
    """The moment of the look is not part of its identity; what could be seen then is."""
    assert look(work).evaluation_id == look(work, as_of=DUE + timedelta(days=30)).evaluation_id


def test_a_new_label_makes_another_look(work: Workspace) -> None:
    """A label that arrives late changes what the look sees."""
    before = look(work)
    write_labels(work.project.folder, {"p0": 1.0, "p1": 0.0})
    assert look(work).evaluation_id != before.evaluation_id


def test_a_label_observed_after_the_look_is_not_seen(work: Workspace) -> None:
    """The label is observed at the window's end, so a look at that moment sees it and is the later look."""
    assert look(work, as_of=WEEK.end).evaluation_id == look(work).evaluation_id


def test_changed_rows_make_another_look(work: Workspace) -> None:
    """One value of one row is enough; rows of other windows do not matter."""
    before = look(work)
    rows = pd.read_parquet(work.project.folder / "data" / "log.parquet")
    rows.loc[20, "x"] = -1.0
    rows.to_parquet(work.project.folder / "data" / "log.parquet")
    assert look(work).evaluation_id == before.evaluation_id
    rows.loc[0, "x"] = -1.0
    rows.to_parquet(work.project.folder / "data" / "log.parquet")
    assert look(work).evaluation_id != before.evaluation_id


def test_rows_that_are_again_what_they_were_make_a_new_look_that_is_the_latest(work: Workspace) -> None:
    """Overwritten by a fault, then restored: the fault's look must not stay the latest. Each is found again, and none is made twice."""
    file = work.project.folder / "data" / "log.parquet"
    sound, names = file.read_bytes(), []
    faulty = pd.read_parquet(file).assign(x=-1.0)
    for day, fault in enumerate([False, True, False, True, False]):
        faulty.to_parquet(file) if fault else file.write_bytes(sound)
        found = look(work, as_of=DUE + timedelta(days=day))
        assert look(work, as_of=DUE + timedelta(days=day)).evaluation_id == found.evaluation_id
        work.store.record_evaluation(evaluation_of(found, quality_passed=not fault), [])
        assert [each.evaluation_id for each in work.store.evaluations("m")] == [found.evaluation_id]
        assert look(work, as_of=DUE + timedelta(days=9)).evaluation_id == found.evaluation_id
        names.append(found.evaluation_id)
    assert len(set(names)) == 5
    assert look(work, as_of=DUE).evaluation_id == names[0]  # a look back sees what was known then


def test_a_changed_specification_makes_another_look(work: Workspace) -> None:
    """Another tolerated loss may give another verdict."""
    before = look(work)
    file = work.project.folder / "models" / "m.yaml"
    file.write_text(file.read_text().replace("0.05", "0.06"))
    assert look(work).evaluation_id != before.evaluation_id


def test_a_window_that_has_not_ended_is_not_looked_at(work: Workspace) -> None:
    """Half a week is not a week."""
    with pytest.raises(NotAllowed, match="has not ended"):
        look(work, as_of=WEEK.end - timedelta(hours=1))


def test_the_version_that_scored_most_rows_is_looked_at(work: Workspace) -> None:
    """Four of the week's seven rows were scored by version 2."""
    work.store.save_version(Version("m", "2", DUE, "s", "roc_auc", 0.8, {}, {}, "{}", "{}"))
    write_log(work.project.folder, 21, version=lambda day: "2" if day >= 3 else "1")
    assert look(work).version == "2"


def test_an_unknown_version_is_an_error_with_the_next_step(work: Workspace) -> None:
    """A version that vigil never registered has no reference to compare with."""
    write_log(work.project.folder, 21, version=lambda day: "9")
    with pytest.raises(StoreError, match=r"version '9', which vigil does not know \(known: 1\).*vigil adopt m"):
        look(work)


def test_an_empty_window_is_looked_at_for_the_champion(work: Workspace) -> None:
    """No row is a finding (see expectations), not an error."""
    found = look(work, WEEK.shifted(10), WEEK.shifted(10).end)
    assert (found.rows, found.version) == (0, "1")


def test_a_model_without_a_champion_says_what_to_do(work: Workspace, tmp_path: Path) -> None:
    """An empty window of a model that was never adopted."""
    (work.project.folder / "vigil.yaml").write_text("project: p\nstore: {url: sqlite:///other.db}\n")
    with pytest.raises(StoreError, match="vigil adopt m"):
        look(work, WEEK.shifted(10), WEEK.shifted(10).end)


def test_due_windows_have_ended_and_their_labels_have_had_time(work: Workspace) -> None:
    """A day after the second week's end two windows are due; an hour earlier one."""
    due = WEEK.shifted(1).end + timedelta(days=1)
    assert due_windows(work.source, work.spec, due) == (WEEK, WEEK.shifted(1))
    assert due_windows(work.source, work.spec, due - timedelta(hours=1)) == (WEEK,)


def test_the_first_silent_window_is_due_too_and_no_further_one(work: Workspace) -> None:
    """The log has three weeks; a fourth without rows is a finding, a fifth would say the same."""
    assert due_windows(work.source, work.spec, DUE + timedelta(days=365))[-1] == WEEK.shifted(3)


def test_the_latest_due_window_has_rows(work: Workspace) -> None:
    """A year later that is the log's last week."""
    assert latest_due(work.source, work.spec, DUE + timedelta(days=365)) == WEEK.shifted(2)


def test_before_anything_is_due_the_error_says_when_it_will_be(work: Workspace) -> None:
    """The first week is due a day after its end."""
    with pytest.raises(NotEnoughData, match="a window is due 1 days after its end"):
        latest_due(work.source, work.spec, WEEK.end)


def test_a_span_gives_its_due_windows(work: Workspace) -> None:
    """From a moment of the second week on, up to what starts before the end; without ends the whole log."""
    later = DUE + timedelta(days=365)
    assert due_between(work.source, work.spec, WEEK.shifted(1).start + timedelta(days=2), None, later) == (WEEK.shifted(1), WEEK.shifted(2))
    assert due_between(work.source, work.spec, None, WEEK.shifted(1).start, later) == (WEEK,)
    assert due_between(work.source, work.spec, None, None, DUE) == (WEEK,)


def test_windows_never_looked_at_come_with_the_newest_again(work: Workspace) -> None:
    """Four windows are due and the first two were looked at; of those only one is among the newest three, looked at again."""
    for window in (WEEK, WEEK.shifted(1)):
        found = look(work, window, window.end + timedelta(days=1))
        work.store.record_evaluation(evaluation_of(found, quality_passed=True), [])
    spec = work.spec.model_copy(update={"policy": work.spec.policy.model_copy(update={"drift": replace_n(work, 3)})})
    windows = windows_to_look_at(work.source, work.store, spec, DUE + timedelta(days=28))
    assert windows == tuple(WEEK.shifted(i) for i in (1, 2, 3))


def replace_n(work: Workspace, n: int) -> object:
    return work.spec.policy.drift.model_copy(update={"n": n})


def test_the_record_of_a_look_keeps_what_it_saw(work: Workspace) -> None:
    """Every field of the evaluation that the look knows is the look's."""
    found = look(work)
    record = evaluation_of(found, quality_passed=True)
    assert (record.evaluation_id, record.window, record.rows, record.labels, record.as_of) == (found.evaluation_id, WEEK, 7, 1, DUE)
    assert record == replace(record, data_digest=found.data_digest, labels_digest=found.labels_digest, version=found.version)
