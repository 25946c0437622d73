"""Play a stream under a policy: what it sees at each window's end, when it retrains, what serves then.

A window is looked at at the end of the first one by which its labels are due. A retraining is the same under every policy. Both spans are
tried: fitted to what was known :data:`HELD_OUT` windows before and judged on the windows since; the better span is fitted again to all that
is known and serves from the next window on. Only *when* differs. vigil's own decision (:func:`vigil.decision.ladder.decide`) sees the
measurements that vigil makes of a window (:mod:`vigil.performance.measure`) with the labels known then. A window counts as a week.
Differs from :mod:`vigil.challenger.backtest`, which plays a project's own log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from benchmarks.policy.streams import NEVER, TRAINED, WINDOWS, Stream, Vector
from benchmarks.policy.versions import FIRST, TREES, Span, Version, Versions, row_losses
from vigil.decision.break_even import to_be_probed, weigh
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Evidence, PastGain, PastWindow
from vigil.evaluation.recoverable import PROBE_WINDOWS, measure_recoverable
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.measure import measure_performance
from vigil.spec.model import Economics, ModelSpec, Policy, Task
from vigil.window import Window

HELD_OUT = 2  # windows: training.holdout_windows of a specification that leaves it at its default
TOLERATED = 0.05  # of the first version's baseline; without a price, harm is what lies beyond it
BASELINE = 0.8  # of the first fifth fits the model whose loss on the rest of it is the first version's baseline, as vigil does
DUE = 0.9  # of the labels that ever come: from then on a window is looked at (convention)
NO_PRICE = 1e-12  # a cost is above 0
WEEK = timedelta(weeks=1)
BEGIN = datetime(2001, 1, 1, tzinfo=UTC)
SOUND = Measurement(Layer.DATA_QUALITY, "expect_rows", 0.0, Verdict.OK, 1)  # what the streams are made of is taken as sound


@dataclass(frozen=True)
class Played:
    """What came of a policy: the versions that served each window, the windows after which it retrained, the labels that it looked at."""

    served: tuple[Version, ...]
    retrained: tuple[int, ...]
    labels: int


@dataclass(frozen=True)
class Challenger:
    """What a retraining at a window's end gives: the version, its loss on the windows held out, and how much better it was there."""

    version: Version
    baseline: float
    gain: float | None  # None where the champion was trained on windows held out


class Course:
    """A stream with all its versions, and what vigil measures of them."""

    def __init__(self, stream: Stream, *, seed: int, trees: int = TREES) -> None:
        self.stream, self.versions = stream, Versions(stream, seed=seed, trees=trees)
        self._measured: dict[tuple[Version, int, int], Measurement] = {}
        self._recoverable: dict[tuple[Version, int, int], Measurement] = {}
        self._known = np.array([np.count_nonzero(stream.known <= window) for window in range(-1, WINDOWS)])
        self.due = np.array([self._due(window) for window in range(WINDOWS)])
        first = self._first_baseline(seed)
        self.baselines = {Version(FIRST): first}
        self.spec = a_spec(stream, TOLERATED * first)

    def newest_due(self, at: int) -> int:
        """The latest window whose labels are due at the end of window ``at``; -1 where none is."""
        return int(np.max(np.flatnonzero(self.due <= at), initial=-1))

    def known(self, window: int) -> int:
        """How many labels are known at the window's end."""
        return int(self._known[window + 1])

    def labelled(self, version: Version, window: int, at: int) -> tuple[Vector, Vector]:
        """The version's scores and the labels of a window's rows, of those whose labels are known at the end of window ``at``."""
        rows = self.stream.rows_of(window)
        here = self.stream.known[rows] <= at
        return self.versions.of(version, window)[here], self.stream.label[rows][here]

    def row_losses(self, version: Version, window: int) -> Vector:
        """The version's losses on the rows of a window whose labels ever come, in order of time."""
        return row_losses(self.stream.task, *self.labelled(version, window, WINDOWS))

    def loss(self, version: Version, at: int) -> float:
        """The version's mean loss on the windows held out of a retraining at the end of window ``at``."""
        newest = self.newest_due(at)
        parts = [self.labelled(version, window, at) for window in range(newest - HELD_OUT + 1, newest + 1)]
        score, label = (np.concatenate(side) for side in zip(*parts, strict=True))
        return float(np.mean(row_losses(self.stream.task, score, label)))

    def retrained(self, at: int, champion: Version) -> Challenger:
        newest = self.newest_due(at)
        if newest < HELD_OUT - 1:  # nothing to try the spans on
            return Challenger(Version(at), self.baselines.get(champion, self.baselines[Version(FIRST)]), None)
        tried = {span: self.loss(Version(newest - HELD_OUT, span), at) for span in Span}
        span = min(tried, key=lambda each: tried[each])
        unseen = champion.cut <= newest - HELD_OUT
        return Challenger(Version(at, span), tried[span], self.loss(champion, at) - tried[span] if unseen else None)

    def performance(self, version: Version, window: int, at: int) -> Measurement:
        """vigil's measurement of the version in the window, with the labels known at the end of window ``at``."""
        known = np.count_nonzero(self.stream.known[self.stream.rows_of(window)] <= at)
        key = version, window, int(known)
        if key not in self._measured:
            score, label = self.labelled(version, window, at)
            rows = pd.DataFrame({"score": score, "label": label, "inclusion_probability": 1.0})
            found = measure_performance(rows, self.spec, version=str(version.cut), baseline=self.baselines[version])
            metric = self.spec.performance.metric.value
            self._measured[key] = next(m for m in found if m.metric == metric and m.subject == WHOLE)
        return self._measured[key]

    def recoverable(self, version: Version, newest: int, at: int, limit: int) -> Measurement:
        """vigil's measurement of what could be learned from the version's errors in its latest windows, on at most ``limit`` rows."""
        first = max(version.cut + 1, newest + 1 - PROBE_WINDOWS)
        key = version, newest, self.known(at)
        if key not in self._recoverable:
            stream, parts = self.stream, [self.labelled(version, window, at) for window in range(first, newest + 1)]
            score, label = (np.concatenate(side) for side in zip(*parts, strict=True))
            rows = np.arange(stream.rows_of(first).start, stream.rows_of(newest).stop)
            features = stream.features.iloc[rows[stream.known[rows] <= at]].reset_index(drop=True)
            frame = features.set_axis([f"f{i}" for i in range(features.shape[1])], axis=1).assign(score=score, label=label, w=1.0)
            if len(frame) > limit:
                frame = frame.sample(limit, random_state=self.versions.seed).sort_index(ignore_index=True)
            self._recoverable[key] = measure_recoverable(frame, self.spec, version=str(version.cut))
        return self._recoverable[key]

    def mean_loss(self, served: tuple[Version, ...]) -> float:
        return float(np.mean([self.versions.losses(version)[window] for window, version in enumerate(served)]))

    def _due(self, window: int) -> int:
        known = np.sort(self.stream.known[self.stream.rows_of(window)])
        known = known[known < NEVER]
        return int(known[int(np.ceil(DUE * len(known))) - 1]) if len(known) else WINDOWS

    def _first_baseline(self, seed: int) -> float:
        """The loss on the last part of the first fifth, of a model fitted to the part before it."""
        stream = self.stream
        rows = int(TRAINED * len(stream.label))
        cut = int(BASELINE * rows)
        early = Stream(
            stream.name,
            stream.task,
            stream.features[:rows],
            stream.label[:rows],
            np.where(np.arange(rows) < cut, -1, 0),
            np.where(np.arange(rows) < cut, -1, 0),
        )
        return float(np.mean(Versions(early, seed=seed, windows=1, trees=self.versions.trees).row_losses(Version(FIRST), 0)))


def a_spec(stream: Stream, tolerated: float) -> ModelSpec:
    """The one specification that every stream is played with."""
    return ModelSpec.model_validate(
        {
            "model": "stream",
            "owner": "benchmark",
            "task": stream.task,
            "source": {"predictions": "p", "labels": "l", "reference": "r"},
            "features": dict.fromkeys(stream.features.columns, "numeric"),
            "window": {"days": WEEK.days},
            "performance": {"metric": "log_loss" if stream.task is Task.BINARY else "mae", "tolerated_loss": tolerated},
            "labels": {"minimum": 30},
            "training": {"trainer": "t:t"},
        }
    )


def play_decisions(course: Course, cost: float) -> Played:
    """vigil's policy, its defaults and the price of a retraining: ``cost`` times the loss of the first version over all windows.

    That loss is known at the end only; what it comes to by the windows so far stands for it.
    """
    serving, served = Version(FIRST), []
    retrained: list[tuple[int, int]] = []
    gains: list[PastGain] = []
    looked_at = -1
    for at in range(WINDOWS - 1):
        served.append(serving)
        newest = course.newest_due(at)
        if newest == looked_at:
            continue
        looked_at = newest
        unit = WINDOWS * np.mean([course.performance(Version(FIRST), window, at).value or 0.0 for window in range(newest + 1)])
        policy = Policy(economics=Economics(cost=max(cost * float(unit), NO_PRICE), value=1.0))
        spec = course.spec.model_copy(update={"policy": policy})
        evidence = _evidence(course, served, newest, at, retrained, gains)
        limit = to_be_probed(evidence, spec)
        if limit is not None:
            evidence = replace(evidence, measurements=(*evidence.measurements, course.recoverable(served[newest], newest, at, limit)))
        action = decide(evidence, spec).action
        if action is Action.ROLLBACK:  # carried out at once; it trains nothing
            serving = next(version for version in reversed(served) if version != serving)
        if action is not Action.RETRAIN:
            continue
        found, paid = course.retrained(at, serving), weigh(evidence, spec)
        if found.gain is not None and paid is not None:
            gains.append(PastGain(f"d{newest}", max(found.gain, 0.0), **paid.features()))
        retrained.append((newest, at))
        if found.gain is None or found.gain > 0:
            serving = found.version
            course.baselines[serving] = found.baseline
    return Played((*served, serving), tuple(at for _, at in retrained), course.known(WINDOWS - 2) - course.known(FIRST))


def play_times(course: Course, asks: Callable[[int, Version], bool], labels: int | None = None) -> Played:
    """Retrain where ``asks`` of a window and the version in service says so; ``labels`` it looked at, None: those it trained on."""
    serving, served = Version(FIRST), []
    retrained: list[int] = []
    for window in range(WINDOWS - 1):
        served.append(serving)
        if asks(window, serving):
            serving = course.retrained(window, serving).version
            retrained.append(window)
    used = course.known(retrained[-1]) - course.known(FIRST) if retrained else 0
    return Played((*served, serving), tuple(retrained), used if labels is None else labels)


def _evidence(
    course: Course, served: list[Version], newest: int, at: int, retrained: list[tuple[int, int]], gains: list[PastGain]
) -> Evidence:
    past = [_past(course, served[window], window, at) for window in range(newest + 1)]
    current, serving = past[-1], served[newest]
    assert current.performance is not None
    return Evidence(
        model="stream",
        window=current.window,
        evaluation_id=current.evaluation_id,
        as_of=current.window.end,
        version=current.version,
        current=current,
        measurements=(SOUND, current.performance),
        history=tuple(reversed(past[:-1])),
        windows_since_retraining=newest - retrained[-1][0] if retrained else None,
        last_retraining=f"d{retrained[-1][0]}" if retrained else None,
        baseline=course.baselines[serving],
        gains=tuple(gains),
        trained_rows=int(np.count_nonzero(course.versions.trained_on(serving))),
    )


def _past(course: Course, version: Version, window: int, at: int) -> PastWindow:
    start = BEGIN + window * WEEK
    return PastWindow(
        window=Window(start, start + WEEK),
        evaluation_id=f"e{window}",
        version=str(version.cut),
        quality_passed=True,
        drift=None,
        performance=course.performance(version, window, at),
    )
