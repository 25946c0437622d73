"""The benchmark of policies: nobody sees a label too early, prices are read, and its sums are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.policy.__main__ import COSTS, HINDSIGHT, VIGIL, Row, goals, summary, table
from benchmarks.policy.play import Course, play_decisions, play_times
from benchmarks.policy.river_side import played
from benchmarks.policy.streams import CHANGES, NEVER, TRAINED, WINDOWS, made_up, read_stream, real_streams
from benchmarks.policy.versions import FIRST, RECENT, Span, Version
from vigil.spec.model import Task

HOURS = 5_000
ABOUT = {"task": "regression", "target": "y", "time": "t", "label_delay": "1 hour", "drop": ["z"]}


@pytest.fixture(scope="module")
def course() -> Course:
    """40 rows a window; from window 20 on the outcome follows other features."""
    return Course(made_up("step", CHANGES["step"], Task.REGRESSION, 2_500, np.random.default_rng(0)), seed=0, trees=12)


def written(folder: Path) -> Path:
    time = pd.date_range("2024-01-01", periods=HOURS, freq="h")
    text = np.where(np.arange(HOURS) % 2, "a", "b")
    pd.DataFrame({"t": time, "x": 1.0, "text": text, "z": 2.0, "y": 3.0}).to_parquet(folder / "s.parquet")
    (folder / "meta.json").write_text(json.dumps({"s": ABOUT}))
    return folder


def test_a_stream_is_a_fifth_and_fifty_windows_whose_labels_come_after_their_delay(tmp_path: Path) -> None:
    """80 hours a window: the label of its last hour comes with the next one."""
    (stream,) = real_streams(written(tmp_path), sampled=1.0, seed=0)
    assert list(stream.features) == ["x", "text"]
    assert np.count_nonzero(stream.window < 0) == TRAINED * HOURS
    assert np.bincount(stream.window[stream.window >= 0]).tolist() == [80] * WINDOWS
    late = stream.known > stream.window
    assert np.flatnonzero(late[stream.rows_of(7)]).tolist() == [79]
    assert (stream.known[stream.window < 0] == -1).all()


def test_longer_delays_and_sampled_labels_are_read(tmp_path: Path) -> None:
    path = written(tmp_path) / "s.parquet"
    late = read_stream("s", path, ABOUT | {"label_delay": "10 days"}, sampled=1.0, seed=0)
    assert set((late.known - late.window)[late.rows_of(10)].tolist()) == {3}
    few = read_stream("s", path, ABOUT, sampled=0.25, seed=0)
    after = few.known[few.window >= 0]
    assert np.mean(after < NEVER) == pytest.approx(0.25, abs=0.03)
    with pytest.raises(SystemExit, match="label_delay 'soon'"):
        read_stream("s", path, ABOUT | {"label_delay": "soon"}, sampled=1.0, seed=0)


def test_another_seed_leaves_out_a_tenth_of_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path) / "s.parquet"
    assert len(read_stream("s", path, ABOUT, sampled=1.0, seed=1).label) == pytest.approx(0.9 * HOURS, rel=0.02)
    assert len(read_stream("s", path, ABOUT, sampled=1.0, seed=0, keep=0.3).label) == pytest.approx(0.3 * HOURS, rel=0.05)


def test_no_version_is_trained_on_what_was_not_known(course: Course) -> None:
    stream, versions = course.stream, course.versions
    everything, recent = (versions.trained_on(Version(20, span)) for span in (Span.ALL, Span.RECENT))
    assert (stream.known[everything] <= 20).all()
    assert (stream.window[recent] > 20 - RECENT).all()
    assert np.count_nonzero(recent) == 40 * RECENT


def test_by_the_clock_means_every_so_many_windows(course: Course) -> None:
    found = play_times(course, lambda at, _: (at + 1) % 10 == 0)
    assert found.retrained == (9, 19, 29, 39)
    assert [found.served[window].cut for window in (9, 10, 49)] == [FIRST, 9, 39]
    assert found.labels == 40 * 40


def test_the_price_is_read_and_nothing_but_the_price_differs(course: Course) -> None:
    """The change is found at either price; the dearer a retraining, the fewer, and the sooner the first the cheaper."""
    cheap, dear = play_decisions(course, 0.005), play_decisions(course, 0.05)
    assert len(cheap.retrained) > len(dear.retrained) > 0
    never = course.mean_loss((Version(FIRST),) * WINDOWS)
    assert course.mean_loss(cheap.served) < 0.9 * never
    assert dear.retrained[0] > 20


def test_labels_that_come_late_are_not_seen_before(course: Course) -> None:
    """With labels three windows late the window of the change is looked at three windows later."""
    stream = course.stream
    late = Course(type(stream)(stream.name, stream.task, stream.features, stream.label, stream.window, stream.known + 3), seed=0, trees=12)
    assert [late.newest_due(at) for at in (2, 3, 23)] == [-1, 0, 20]
    assert min(play_decisions(late, 0.02).retrained) >= 23


class Counting:
    """A detector that sees drift in the fourth loss."""

    def __init__(self) -> None:
        self.seen = 0

    def update(self, loss: float) -> None:
        self.seen += 1

    @property
    def drift_detected(self) -> bool:
        return self.seen == 4


def test_a_detector_begins_anew_with_each_version() -> None:
    """Two losses a window: it asks after the second window of each version."""
    losses = {f"{cut}:{window}": np.ones(2) for cut in range(-1, 6) for window in range(cut + 1, 6)}
    make: Callable[[], Counting] = Counting
    assert played(losses, np.arange(6), make) == [1, 3]


def rows_of(**costs: float) -> list[Row]:
    every = [(stream, c, name) for stream in ("a", "b") for c in COSTS for name in costs]
    return [Row(stream, 0, c, name, costs[name], 2, 10, costs[name] - 0.9) for stream, c, name in every]


def test_goals_are_judged_by_the_mean_regret_of_the_others() -> None:
    """Hindsight is no competitor; 1.03 is more than 2 % above never."""
    rows = rows_of(never=1.0, **{"every 5": 0.97, VIGIL: 0.95, HINDSIGHT: 0.9})
    assert {(goal["best_other"], goal["lowest"], goal["never_much_worse"]) for goal in goals(rows)} == {("every 5", True, True)}
    worse = rows_of(never=1.0, **{"every 5": 0.97, VIGIL: 1.03, HINDSIGHT: 0.9})
    assert {(goal["lowest"], goal["never_much_worse"]) for goal in goals(worse)} == {(False, False)}
    assert next(mean["regret"] for mean in summary(rows) if mean["policy"] == VIGIL) == pytest.approx(0.05)
    assert any("NOT reached" in line for line in table(worse))
