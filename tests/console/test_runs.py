"""``vigil runs`` shows each run as it ended, and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.console.shop import MODEL, answer, call, make_shop
from vigil.project import Project
from vigil.store.records import FlowRun


def keep_runs(folder: Path) -> None:
    """One that succeeded in 2 s, one that was killed yesterday, one that failed, and one that was begun just now."""
    now = datetime.now(UTC)
    with Project.open(folder).store() as store:
        for name, hours in (("good", 48), ("killed", 24), ("bad", 12), ("present", 0)):
            store.begin_flow_run(FlowRun(name, MODEL, now - timedelta(hours=hours)))
        store.end_flow_run("good", at=now - timedelta(hours=48) + timedelta(seconds=2))
        store.end_flow_run("bad", at=now - timedelta(hours=12) + timedelta(seconds=1), failure="SourceError: no file")


def test_each_run_is_shown_as_it_ended(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    keep_runs(folder)
    (found,) = answer(folder, "runs", MODEL)
    assert [(row["run_id"], row["outcome"]) for row in found["runs"]] == [
        ("good", "succeeded"),
        ("killed", "failed"),
        ("bad", "failed"),
        ("present", "at work"),
    ]
    rate, seconds = found["measured"]
    assert (rate["metric"], round(rate["value"], 3), rate["verdict"]) == ("flow_success_rate", 0.333, "breach")
    assert (seconds["metric"], seconds["value"]) == ("flow_duration_s", 2.0)
    shown = call(folder, "runs", MODEL).stdout
    assert "flow_success_rate of the last 3: 0.333, limit 0.7, breach" in shown
    assert "never ended" in " ".join(shown.split())


def test_one_that_was_lost_before_those_that_count_is_not_at_work(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    file = folder / "models" / "churn.yaml"
    file.write_text(file.read_text() + "health: {pipeline: {runs: 2}}\n")
    keep_runs(folder)
    with Project.open(folder).store() as store:
        store.begin_flow_run(FlowRun("late", MODEL, datetime.now(UTC) - timedelta(hours=6)))
    (found,) = answer(folder, "runs", MODEL)
    assert [row["outcome"] for row in found["runs"]] == ["succeeded", "failed", "failed", "failed", "at work"]
    assert found["measured"][0]["n"] == 2


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    assert "vigil has not run over churn yet" in call(make_shop(tmp_path / "shop"), "runs", MODEL).output
