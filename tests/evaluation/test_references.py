"""References beside training: which windows they are, what is summed, and that only training decides."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.profile.build import layout_with, make_spec, profile_of
from vigil.decision.evidence import gather
from vigil.evaluation.look import Look, evaluation_of, look_at
from vigil.evaluation.measure import drift_of, profiles_of
from vigil.evaluation.references import reference_windows
from vigil.measurement import Measurement, Verdict
from vigil.profile.profile import Profile
from vigil.project import Project
from vigil.store.records import PromotionKind, Version
from vigil.window import Window
from vigil.workspace import Workspace

WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
LAYOUT = layout_with({"x": [0.0], "score": [0.5]})
SPEC: dict[str, Any] = {
    "model": "m",
    "owner": "o",
    "task": "binary",
    "source": {"predictions": "data/log*.parquet", "labels": "data/labels*.parquet"},
    "columns": {"latency_ms": None, "error": None, "inclusion_probability": None},
    "features": {"x": "numeric"},
    "window": {"days": 7},
    "performance": {"metric": "roc_auc", "tolerated_loss": 0.05},
    "training": {"trainer": "t:f", "include_reference": False},
    "drift": {"minimum_rows": 10},
}


def opened(folder: Path, weeks: list[int], **references: Any) -> Workspace:
    """A model whose week ``i`` has 100 rows of which ``weeks[i]`` are positive, trained on 500 of either sign."""
    (folder / "models").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "vigil.yaml").write_text("project: p\n")
    spec = SPEC | {"drift": SPEC["drift"] | {"references": references}}
    (folder / "models" / "m.yaml").write_text(json.dumps(spec))
    rows = [(week, i, 1.0 if i < positive else -1.0) for week, positive in enumerate(weeks) for i in range(100)]
    log = pd.DataFrame(
        {
            "prediction_id": [f"{week}-{i}" for week, i, _ in rows],
            "event_time": [WEEK.shifted(week).start + timedelta(minutes=i) for week, i, _ in rows],
            "model_version": "1",
            "score": 0.25,
            "x": [x for _, _, x in rows],
        }
    )
    log.to_parquet(folder / "data" / "log.parquet")
    log[["prediction_id"]].head(1).assign(label=1.0, observed_at=WEEK.end).to_parquet(folder / "data" / "labels.parquet")
    work = Workspace.open(folder, "m")
    profile = profile_of(LAYOUT, {"x": [500, 500], "score": [1000, 0]})
    work.store.save_spec("m", work.spec.hash, work.spec.canonical_json())
    save_version(work, "1", LAYOUT.to_json(), profile.to_json())
    work.store.move_champion("m", "1", expected_token=0, kind=PromotionKind.ADOPTED, by="t", reason="first", at=WEEK.start)
    return work


def save_version(work: Workspace, name: str, layout: str, profile: str) -> None:
    work.store.save_version(Version("m", name, WEEK.start, work.spec.hash, "roc_auc", 0.8, {}, {}, layout, profile))


def looked_at(work: Workspace, week: int, as_of: datetime | None = None) -> tuple[Look, dict[tuple[str, str, str], Measurement]]:
    """Look at a week a day after its end, measure its drift and record it, as the monitor flow does."""
    window = WEEK.shifted(week)
    look = look_at(work.source, work.store, work.spec, window, as_of or window.end + timedelta(days=1))
    profiles_of(work.source, work.store, work.spec, look)
    found = drift_of(work.source, work.store, work.spec, look)
    work.store.record_evaluation(evaluation_of(look, quality_passed=True), found)
    return look, {(m.reference, m.metric, m.subject): m for m in found}


def test_by_default_the_previous_window_is_shown_beside_training() -> None:
    """One window back; no rolling span and no season unless asked for."""
    assert reference_windows(make_spec({"x": "numeric"}), WEEK) == {"previous": (WEEK.shifted(-1),)}


def test_nothing_but_training_where_it_is_not_wanted() -> None:
    assert reference_windows(make_spec({"x": "numeric"}, drift={"references": {"previous": False}}), WEEK) == {}


def test_a_rolling_span_is_the_last_windows() -> None:
    """Three of them, none of them the window itself."""
    spec = make_spec({"x": "numeric"}, drift={"references": {"previous": False, "rolling_windows": 3}})
    assert reference_windows(spec, WEEK) == {"rolling": (WEEK.shifted(-1), WEEK.shifted(-2), WEEK.shifted(-3))}


@pytest.mark.parametrize(
    ("days", "back"),
    [(1, [7, 14]), (7, [364, 728]), (2, [364, 728]), (28, [364, 728]), (30, [360, 720]), (366, [366, 732])],
)
def test_the_same_season_keeps_the_weekday_or_the_time_of_the_year(days: int, back: list[int]) -> None:
    """Of days the same weekday; of weeks 52 weeks ago; of 30 days 12 windows, for 364 / 30 = 12.1; never the window itself."""
    spec = make_spec({"x": "numeric"}, window={"days": days}, drift={"references": {"previous": False, "same_season": 2}})
    window = spec.window.containing(datetime(2024, 6, 5, tzinfo=UTC))
    starts = [(window.start - earlier.start).days for earlier in reference_windows(spec, window)["same_season"]]
    assert starts == back


def test_the_previous_window_is_compared_from_its_stored_profile_without_reading_a_row(tmp_path: Path) -> None:
    """Week 1 has 90 positive of 100 and week 0 has 50: the log's first week is gone from the disk and nothing changes."""
    work = opened(tmp_path, [50, 90])
    looked_at(work, 0)
    log = pd.read_parquet(tmp_path / "data" / "log.parquet")
    log[log["event_time"] >= WEEK.end].to_parquet(tmp_path / "data" / "log.parquet")
    _, found = looked_at(Workspace.open(tmp_path, "m"), 1)
    measured = found["previous", "psi", "x"]
    assert measured.value == pytest.approx(found["training", "psi", "x"].value)  # both references have equal halves
    assert measured.detail["reference_n"] == 100
    assert found["previous", "drift_share", "*"].detail["windows"] == [WEEK.key]


def test_what_is_compared_with_earlier_windows_is_shown_and_never_a_breach(tmp_path: Path) -> None:
    """The same shift breaches against training; against the previous window it says that it would."""
    work = opened(tmp_path, [50, 90])
    looked_at(work, 0)
    _, found = looked_at(work, 1)
    assert found["training", "drift_share", "*"].verdict is Verdict.BREACH
    shown = found["previous", "drift_share", "*"]
    assert (shown.value, shown.verdict, shown.threshold) == (1.0, Verdict.OK, None)
    assert (shown.detail["would_be"], shown.detail["threshold"]) == ("breach", 0.3)


def test_a_rolling_span_is_the_sum_of_its_windows(tmp_path: Path) -> None:
    """20, 50 and 80 positive of 100 each are 150 of 300; a window of 50 does not differ from that, and differs from the last."""
    work = opened(tmp_path, [20, 50, 80, 50], rolling_windows=3)
    for week in range(3):
        looked_at(work, week)
    _, found = looked_at(work, 3)
    assert (found["rolling", "psi", "x"].value, found["rolling", "psi", "x"].detail["reference_n"]) == (0.0, 300)
    assert (found["previous", "psi", "x"].value or 0) > 0.2


def test_the_same_season_is_compared(tmp_path: Path) -> None:
    """Week 52 equals week 0, a year before; of all between nothing is known, so there is no previous window."""
    work = opened(tmp_path, [90, *[0] * 51, 90], same_season=1)
    looked_at(work, 0)
    _, found = looked_at(work, 52)
    assert found["same_season", "psi", "x"].value == 0.0
    assert found["previous", "psi", "x"].verdict is Verdict.NOT_ENOUGH_DATA


def test_a_window_that_was_not_looked_at_is_not_enough_data_with_the_reason(tmp_path: Path) -> None:
    """Every measurement of that reference, and none of training."""
    _, found = looked_at(opened(tmp_path, [50, 90]), 1)
    previous = [m for (reference, _, _), m in found.items() if reference == "previous"]
    assert {(m.value, m.verdict, m.detail["because"]) for m in previous} == {
        (None, Verdict.NOT_ENOUGH_DATA, f"window {WEEK.key} was not looked at by then")
    }
    assert found["training", "psi", "x"].value is not None


def test_one_missing_window_of_a_span_is_a_missing_reference(tmp_path: Path) -> None:
    """A sum of two windows would not be the three that were asked for."""
    work = opened(tmp_path, [50, 50, 50, 50], rolling_windows=3)
    for week in (0, 2):
        looked_at(work, week)
    _, found = looked_at(work, 3)
    assert found["rolling", "drift_share", "*"].detail["because"] == f"window {WEEK.shifted(1).key} was not looked at by then"


def test_profiles_of_another_layout_are_not_compared(tmp_path: Path) -> None:
    """Version 2 has other edges: what version 1's layout counted cannot be added to it."""
    work = opened(tmp_path, [50, 50])
    looked_at(work, 0)
    other = layout_with({"x": [0.5], "score": [0.5]})
    save_version(work, "2", other.to_json(), Profile.empty(other).to_json())
    log = pd.read_parquet(tmp_path / "data" / "log.parquet")
    log.loc[log["event_time"] >= WEEK.end, "model_version"] = "2"
    log.to_parquet(tmp_path / "data" / "log.parquet")
    _, found = looked_at(Workspace.open(tmp_path, "m"), 1)
    assert "has no profile in this layout" in found["previous", "drift_share", "*"].detail["because"]


def test_looks_made_after_the_moment_are_not_seen(tmp_path: Path) -> None:
    """Week 0 was looked at ten weeks later: a look at week 1 as of its own time does not know it."""
    work = opened(tmp_path, [50, 90])
    looked_at(work, 0, as_of=WEEK.shifted(10).end)
    _, found = looked_at(work, 1)
    assert found["previous", "psi", "x"].verdict is Verdict.NOT_ENOUGH_DATA


def test_the_decision_sees_the_drift_against_training_only(tmp_path: Path) -> None:
    """Week 2 is as week 1 and unlike training; week 1 is unlike both. The evidence is training's in each."""
    work = opened(tmp_path, [50, 90, 90], rolling_windows=2, same_season=1)
    looks = [looked_at(work, week)[0] for week in range(3)]
    evidence = gather(work.store, work.spec, looks[2].evaluation_id)
    seen = [evidence.current, *evidence.history]
    assert [past.drift.reference for past in seen if past.drift is not None] == ["training"] * 3
    assert [past.drift.verdict for past in seen if past.drift is not None] == [Verdict.BREACH, Verdict.BREACH, Verdict.OK]


def test_drift_against_another_reference_alone_is_no_evidence(tmp_path: Path) -> None:
    """A breach under any other name does not stand in for training's."""
    work = opened(tmp_path, [50])
    look, _ = looked_at(work, 0)
    other = look_at(work.source, work.store, work.spec, WEEK.shifted(5), WEEK.shifted(6).end)
    breach = next(m for m in drift_of(work.source, work.store, work.spec, look) if m.metric == "drift_share")
    renamed = Measurement(breach.layer, "drift_share", 1.0, Verdict.BREACH, 100, version="1", reference="previous", threshold=0.3)
    work.store.record_evaluation(evaluation_of(other, quality_passed=True), [renamed])
    assert gather(work.store, work.spec, other.evaluation_id).current.drift is None


def test_a_project_reads_its_references(tmp_path: Path) -> None:
    """As they are written; an unknown one is refused."""
    spec = opened(tmp_path, [50], rolling_windows=4).spec
    assert (spec.drift.references.previous, spec.drift.references.rolling_windows) == (True, 4)
    with pytest.raises(ValueError, match="same_saeson"):
        make_spec({"x": "numeric"}, drift={"references": {"same_saeson": 1}})
    assert Project.open(tmp_path).model("m") == spec
