"""Play the logged history again under a policy and under simple ones: when would each have retrained, and what would have come of it?

Differs from :mod:`vigil.decision.replay`, which makes the decisions of the past again as they were made: here other decisions lead to other
versions. Challengers are really trained, from the rows and labels that were known when they would have been asked for, compared with the
version in service as vigil compares, and serve from the next window on where they win. Data quality is taken as it was found; drift and
performance are measured for the version that would have served. Nothing is written.

What it cannot see: what other scores would have done to the world (a declined loan has no outcome), rows that were never labelled, and
versions that were not trained by this trainer: the first one is trained again from the reference rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from vigil import __version__
from vigil.challenger.compare import Comparison, ComparisonVerdict
from vigil.challenger.fit import score
from vigil.challenger.make import Made, compare_with_champion, labelled_in, make_challenger, make_first
from vigil.challenger.rows import LABEL, WEIGHT, labelled_rows
from vigil.challenger.trainer import TrainerHere
from vigil.decision.break_even import weigh
from vigil.decision.confirmation import measured as measured_of
from vigil.decision.evidence import history_reach, past_window, trained_rows
from vigil.decision.hindsight import best_versions
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Decision, Evidence, PastGain, PastWindow
from vigil.drift.measure import measure_drift
from vigil.errors import NotEnoughData, TrainingFailed
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.baseline import Baseline, unbeaten, windows_measured_on
from vigil.performance.measure import judged_by, measure_performance
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import ModelSpec
from vigil.store.records import Evaluation
from vigil.workspace import Workspace

ROWS_KEPT = 500_000  # labelled rows held in memory, the latest read; what is asked for again is read again
FIRST = -1  # the version before any retraining; others are named by the window whose decision asked for them
Asks = Callable[[int, Evidence], bool]


@dataclass(frozen=True)
class Outcome:
    """What came of one policy.

    Attributes:
        retrainings: starts of the windows after which it retrained; ``promoted`` those whose challenger served then.
        windows: on how many windows ``mean`` rests: sound ones with enough labels.
        mean: of the performance metric over them, of the version that served each; None where there is none.
        cost: of all its retrainings, in the metric's unit per window.
        total: ``mean`` made worse by ``cost``.
        starts, values: of every window that was looked at, and the metric of the version that served it; None where it does not count.
    """

    policy: str
    retrainings: tuple[str, ...]
    promoted: tuple[str, ...]
    windows: int
    mean: float | None
    cost: float
    total: float | None
    starts: tuple[str, ...]
    values: tuple[float | None, ...]


class History:
    """The windows of a model that were looked at, and what any version would have measured in them; everything is made once."""

    def __init__(self, work: Workspace, evaluations: Sequence[Evaluation]) -> None:
        self.work, self.evaluations = work, tuple(evaluations)
        self._made: dict[int, Made | None] = {}
        self._found: dict[tuple[int, int], PastWindow] = {}
        self._compared: dict[tuple[int, int], Comparison | None] = {}
        self._values: dict[tuple[int, int], float | None] = {}
        self._rows: dict[tuple[int, int], pd.DataFrame] = {}

    @cached_property
    def quality(self) -> list[tuple[Measurement, ...]]:
        found = self.work.store.measurements([evaluation.evaluation_id for evaluation in self.evaluations])
        return [tuple(m for m in found[e.evaluation_id] if m.layer is Layer.DATA_QUALITY) for e in self.evaluations]

    def asked_by(self, window: int) -> Decision:
        found = self.evaluations[window]
        return Decision(
            decision_id=f"backtest-{window}",
            model=found.model,
            window=found.window,
            evaluation_id=found.evaluation_id,
            version=found.version,
            as_of=found.as_of,
            action=Action.RETRAIN,
            reason="",
            gates=(),
            spec_hash=found.spec_hash,
            code_version=__version__,
        )

    def made(self, version: int) -> Made | None:
        """The version; None where there was too little to train on, or the trainer failed."""
        if version not in self._made:
            try:
                made = self._make(version)
                self._made[version] = replace(made, rows=made.rows.iloc[:0])  # its rows are not looked at again
            except (NotEnoughData, TrainingFailed):
                if version == FIRST:
                    raise
                self._made[version] = None
        return self._made[version]

    def _make(self, version: int) -> Made:
        trainer = TrainerHere(self.work.project.folder, self.work.spec)
        return make_first(self.work, trainer) if version == FIRST else make_challenger(self.work, self.asked_by(version), trainer)

    def compared(self, champion: int, challenger: int) -> Comparison | None:
        """The comparison as vigil would have made it; None where one of them could not be made."""
        key = champion, challenger
        if key not in self._compared:
            one, other = self.made(champion), self.made(challenger)
            self._compared[key] = None
            if one is not None and other is not None:
                self._compared[key] = compare_with_champion(self.work, self.asked_by(challenger), one.model, other.model, costs=False)
        return self._compared[key]

    def gain(self, champion: int, challenger: int) -> float | None:
        """How much better the challenger is where it would be promoted; None where the champion stays."""
        found = self.compared(champion, challenger)
        return found.difference if found is not None and found.verdict is ComparisonVerdict.PROMOTE else None

    def baseline(self, version: int) -> Baseline:
        made = self.made(version)
        assert made is not None
        return Baseline(made.baseline, windows_measured_on(made.lineage))

    def past(self, version: int, window: int, spec: ModelSpec) -> PastWindow:
        """What a look at the window would have found of the version, with the labels known then."""
        key = version, window
        if key not in self._found:
            found = self.evaluations[window]
            measured: tuple[Measurement, ...] = ()
            if found.quality_passed:
                measured = (*self._drift(version, window), *self._performance(version, window, window))
            self._found[key] = past_window(spec, found, measured, version=str(version))
        return self._found[key]

    def value(self, version: int, window: int) -> float | None:
        """The performance metric of the version in the window, with the labels known at the end; None on too few, or on unsound data."""
        key = version, window
        if key not in self._values:
            sound = self.evaluations[window].quality_passed
            found = self._performance(version, window, len(self.evaluations) - 1) if sound else ()
            metric = self.work.spec.performance.metric.value
            self._values[key] = next((m.value for m in found if m.metric == metric and m.subject == WHOLE), None)
        return self._values[key]

    def _performance(self, version: int, window: int, known_at: int) -> tuple[Measurement, ...]:
        """The whole window's performance of the version; segments decide nothing, and are left out."""
        spec, made = self.work.spec.model_copy(update={"segments": ()}), self.made(version)
        assert made is not None
        rows = self._labelled(window, known_at)
        columns = {"score": score(made.model, rows, spec), "label": rows[LABEL], "inclusion_probability": 1 / rows[WEIGHT]}
        found = measure_performance(pd.DataFrame(columns), spec, version=str(version), baseline=None)
        return tuple(judged_by(self.baseline(version), m, spec) if m.metric == spec.performance.metric.value else m for m in found)

    def _labelled(self, window: int, known_at: int) -> pd.DataFrame:
        """The window's rows with the labels that were known when another one was looked at."""
        key = window, known_at
        if key not in self._rows:
            found = labelled_in(self.work, (self.evaluations[window].window,), self.asked_by(known_at))
            self._rows[key] = labelled_rows(found, self.work.spec)
            while len(self._rows) > 1 and sum(map(len, self._rows.values())) > ROWS_KEPT:
                del self._rows[next(iter(self._rows))]
        return self._rows[key]

    def _drift(self, version: int, window: int) -> tuple[Measurement, ...]:
        spec, made = self.work.spec, self.made(version)
        assert made is not None
        layout, reference = Layout.from_json(made.layout), Profile.from_json(made.profile)
        with self.work.source.reading_log():
            current = profile_rows(self.work.source.predictions(self.evaluations[window].window), spec, layout)[WHOLE, WHOLE]
        return measure_drift(current, reference, spec, importance=made.importance, version=str(version))


def backtest(history: History, spec: ModelSpec, *, every: int, cost: float, tell: Callable[[str], None]) -> tuple[Outcome, ...]:
    """Return the outcomes of the specification's policy, of never, of every so many windows, of any drift, and of hindsight.

    Hindsight chooses among the versions that the others trained, without comparing them first.

    Args:
        spec: with the policy to be tried; all else as the history's own.
        cost: of one retraining, in the metric's unit times windows.
        tell: hears what is being done.
    """
    policies: dict[str, Asks] = {
        "never": lambda _, __: False,
        f"every {every}": lambda window, evidence: (window + 1) % every == 0 and evidence.current.quality_passed,
        "any drift": lambda _, evidence: evidence.current.drift is not None and evidence.current.drift.verdict is Verdict.BREACH,
        "this policy": lambda _, evidence: decide(evidence, spec).action is Action.RETRAIN,
    }
    played = {}
    for name, asks in policies.items():
        tell(name)
        played[name] = play(history, spec, asks)
    asked = sorted({window for retrained, _, _ in played.values() for window in retrained})
    outcomes = [
        outcome_of(history, spec, name, served, retrained, promoted, cost) for name, (retrained, promoted, served) in played.items()
    ]
    tell("hindsight")
    versions = [FIRST, *(window for window in asked if history.made(window) is not None)]
    worth = np.array([[_signed(history.value(v, w), spec) for w in range(len(history.evaluations))] for v in versions])
    path = best_versions(worth, [0 if version == FIRST else version + 1 for version in versions], cost)
    served = [versions[place] for place in path]
    changes = tuple(version for version in dict.fromkeys(served) if version != FIRST)
    return (*outcomes, outcome_of(history, spec, "hindsight", served, changes, changes, cost))


def play(history: History, spec: ModelSpec, asks: Asks, *, until: int | None = None) -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    """Return the windows after which the policy retrained, those of them whose challenger won, and the version that served each window.

    Args:
        until: plays only so many windows, the first ones.
    """
    serving = FIRST
    served: list[int] = []
    past: list[PastWindow] = []
    retrained: list[int] = []
    gains: list[tuple[int, PastGain]] = []
    reach = history_reach(spec)
    promoted: list[int] = []
    turned_out: dict[int, Baseline] = {}  # of versions that a challenger left unbeaten
    for window, evaluation in enumerate(history.evaluations[:until]):
        served.append(serving)
        found, made = history.past(serving, window, spec), history.made(serving)
        if serving in turned_out and found.performance is not None:
            found = replace(found, performance=judged_by(turned_out[serving], found.performance, spec))
        measured = (*history.quality[window], *(m for m in (found.drift, found.performance) if m is not None))
        since = window_steps(history.evaluations[retrained[-1]], evaluation, spec) if retrained else None
        evidence = Evidence(
            model=evaluation.model,
            window=evaluation.window,
            evaluation_id=evaluation.evaluation_id,
            as_of=evaluation.as_of,
            version=str(serving),
            current=found,
            measurements=measured,
            history=tuple(reversed(past[-reach:])),
            windows_since_retraining=since,
            last_retraining=f"backtest-{retrained[-1]}" if retrained else None,
            baseline=made.baseline if made is not None else None,
            gains=tuple(gain for asked, gain in gains if window_steps(history.evaluations[asked], evaluation, spec) <= reach),
            trained_rows=trained_rows(made.lineage) if made is not None else None,
        )
        past.append(found)
        if not asks(window, evidence):
            continue
        retrained.append(window)
        gain, compared, paid = history.gain(serving, window), history.compared(serving, window), weigh(evidence, spec)
        if compared is None or compared.difference is None:
            continue  # nothing is learned from what could not be made or compared
        gains.append((window, PastGain(f"backtest-{window}", gain or 0.0, **({} if paid is None else paid.features()))))
        if gain is not None:
            serving = window
            promoted.append(window)
        elif unbeaten(compared.to_json(), spec):
            own = [
                m.value for each in past if each.version == str(serving) and (m := measured_of(each)) is not None and m.value is not None
            ]
            turned_out[serving] = history.baseline(serving).over(own, spec.performance.metric)
    return tuple(retrained), tuple(promoted), served


def window_steps(earlier: Evaluation, later: Evaluation, spec: ModelSpec) -> int:
    return (later.window.start - earlier.window.start) // spec.window.length


def outcome_of(
    history: History,
    spec: ModelSpec,
    name: str,
    served: Sequence[int],
    retrained: Sequence[int],
    promoted: Sequence[int],
    cost: float,
    *,
    since: int = 0,
) -> Outcome:
    """Return what came of a policy that was played, from window ``since`` on."""
    retrained, promoted = ([window for window in asked if window >= since] for asked in (retrained, promoted))
    every = tuple(history.value(version, window) for window, version in enumerate(served) if window >= since)
    values = [value for value in every if value is not None]
    starts = [evaluation.window.start.date().isoformat() for evaluation in history.evaluations[: len(served)]]
    mean = float(np.mean(values)) if values else None
    paid = cost * len(retrained) / max(len(values), 1)
    better = 1 if spec.performance.metric.larger_is_better else -1
    return Outcome(
        policy=name,
        retrainings=tuple(starts[window] for window in retrained),
        promoted=tuple(starts[window] for window in promoted),
        windows=len(values),
        mean=mean,
        cost=paid,
        total=None if mean is None else mean - better * paid,
        starts=tuple(starts[since:]),
        values=every,
    )


def _signed(value: float | None, spec: ModelSpec) -> float:
    if value is None:
        return float("nan")
    return value if spec.performance.metric.larger_is_better else -value
