"""Play the logged history again under a policy and under simple ones: when would each have retrained, and what would have come of it?

Differs from :mod:`vigil.decision.replay`, which makes the decisions of the past again as they were made: here other decisions lead to other
versions. Challengers are really trained, from the rows and labels that were known when they would have been asked for, compared with the
version in service as vigil compares, and serve from the next window on where they win. Data quality is taken as it was found; drift and
performance are measured for the version that would have served, and what a confirmed loss is due to where a decision asks
for it. Nothing is written.

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
from vigil.decision.break_even import to_be_probed, weigh
from vigil.decision.confirmation import measured as measured_of
from vigil.decision.evidence import history_reach, past_window, trained_rows
from vigil.decision.hindsight import best_versions
from vigil.decision.kind import KIND, Sides, Span, sides, span_of, trains
from vigil.decision.ladder import decide
from vigil.decision.types import Action, Decision, Evidence, GateResult, GateState, PastGain, PastWindow
from vigil.drift.measure import measure_drift
from vigil.errors import NotEnoughData, TrainingFailed
from vigil.evaluation.kind import measure_kind
from vigil.evaluation.recoverable import measure_recoverable, probed_windows
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.baseline import Baseline, unbeaten, windows_measured_on
from vigil.performance.measure import judged_by, measure_performance
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import ModelSpec
from vigil.store.records import Evaluation
from vigil.window import Window
from vigil.workspace import Workspace

ROWS_KEPT = 500_000  # labelled rows held in memory, the latest read; what is asked for again is read again


@dataclass(frozen=True)
class Name:
    """A version, named by what asked for it: the window, the rows to be learned from, and for a recalibration what it puts right."""

    window: int
    span: Span = Span.SPECIFIED
    since: str | None = None
    around: Name | None = None

    @property
    def version(self) -> str:
        """As evidence calls it."""
        around = "" if self.around is None else f" around {self.around.version}"
        return f"{self.window} {self.span.value}{around}"


FIRST = Name(-1)  # the version before any retraining
Asks = Callable[[int, Evidence, Name], Name | None]


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
        self._made: dict[Name, Made | None] = {}
        self._found: dict[tuple[Name, int], PastWindow] = {}
        self._compared: dict[tuple[Name, Name], Comparison | None] = {}
        self._values: dict[tuple[Name, int], float | None] = {}
        self._rows: dict[tuple[int, int], pd.DataFrame] = {}
        self._recoverable: dict[tuple[Name, int, int], Measurement] = {}
        self._kinds: dict[tuple[Name, int, Sides, int], tuple[Measurement, ...]] = {}

    @cached_property
    def quality(self) -> list[tuple[Measurement, ...]]:
        found = self.work.store.measurements([evaluation.evaluation_id for evaluation in self.evaluations])
        return [tuple(m for m in found[e.evaluation_id] if m.layer is Layer.DATA_QUALITY) for e in self.evaluations]

    def asked_by(self, name: Name) -> Decision:
        found = self.evaluations[name.window]
        rows = {"kind": None, "span": name.span.value, "since": name.since}
        return Decision(
            decision_id=f"backtest-{name.window}",
            model=found.model,
            window=found.window,
            evaluation_id=found.evaluation_id,
            version=found.version,
            as_of=found.as_of,
            action=Action.RETRAIN if name.around is None else Action.RECALIBRATE,
            reason="",
            gates=(GateResult(KIND, GateState.PASSED, "", rows),),
            spec_hash=found.spec_hash,
            code_version=__version__,
        )

    def made(self, version: Name) -> Made | None:
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

    def _make(self, version: Name) -> Made:
        trainer = TrainerHere(self.work.project.folder, self.work.spec)
        if version == FIRST:
            return make_first(self.work, trainer, explain=False)
        inside = None if version.around is None else self.made(version.around)
        return make_challenger(self.work, self.asked_by(version), trainer, None if inside is None else inside.model, explain=False)

    def compared(self, champion: Name, challenger: Name) -> Comparison | None:
        """The comparison as vigil would have made it; None where one of them could not be made."""
        key = champion, challenger
        if key not in self._compared:
            one, other = self.made(champion), self.made(challenger)
            self._compared[key] = None
            if one is not None and other is not None:
                self._compared[key] = compare_with_champion(self.work, self.asked_by(challenger), one.model, other.model, costs=False)
        return self._compared[key]

    def gain(self, champion: Name, challenger: Name) -> float | None:
        """How much better the challenger is where it would be promoted; None where the champion stays."""
        found = self.compared(champion, challenger)
        return found.difference if found is not None and found.verdict is ComparisonVerdict.PROMOTE else None

    def baseline(self, version: Name) -> Baseline:
        made = self.made(version)
        assert made is not None
        return Baseline(made.baseline, windows_measured_on(made.lineage))

    def past(self, version: Name, window: int, spec: ModelSpec) -> PastWindow:
        """What a look at the window would have found of the version, with the labels known then."""
        key = version, window
        if key not in self._found:
            found = self.evaluations[window]
            measured: tuple[Measurement, ...] = ()
            if found.quality_passed:
                measured = (*self._drift(version, window), *self._performance(version, window, window))
            self._found[key] = past_window(spec, found, measured, version=version.version)
        return self._found[key]

    def value(self, version: Name, window: int) -> float | None:
        """The performance metric of the version in the window, with the labels known at the end; None on too few, or on unsound data."""
        key = version, window
        if key not in self._values:
            sound = self.evaluations[window].quality_passed
            found = self._performance(version, window, len(self.evaluations) - 1) if sound else ()
            metric = self.work.spec.performance.metric.value
            self._values[key] = next((m.value for m in found if m.metric == metric and m.subject == WHOLE), None)
        return self._values[key]

    def _performance(self, version: Name, window: int, known_at: int) -> tuple[Measurement, ...]:
        """The whole window's performance of the version; segments decide nothing, and are left out."""
        spec, made = self.work.spec.model_copy(update={"segments": ()}), self.made(version)
        assert made is not None
        rows = self._labelled(window, known_at)
        columns = {"score": score(made.model, rows, spec), "label": rows[LABEL], "inclusion_probability": 1 / rows[WEIGHT]}
        found = measure_performance(pd.DataFrame(columns), spec, version=version.version, baseline=None)
        return tuple(judged_by(self.baseline(version), m, spec) if m.metric == spec.performance.metric.value else m for m in found)

    def _labelled(self, window: int, known_at: int) -> pd.DataFrame:
        """The window's rows with the labels that were known when another one was looked at."""
        key = window, known_at
        if key not in self._rows:
            found = labelled_in(self.work, (self.evaluations[window].window,), self.asked_by(Name(known_at)))
            self._rows[key] = labelled_rows(found, self.work.spec)
            while len(self._rows) > 1 and sum(map(len, self._rows.values())) > ROWS_KEPT:
                del self._rows[next(iter(self._rows))]
        return self._rows[key]

    def kind(self, version: Name, window: int, compared: Sides, limit: int) -> tuple[Measurement, ...]:
        """What the loss of the harmed windows is due to, as a look at the last of them would have measured it, on ``limit`` rows a side."""
        key = version, window, compared, limit
        if key not in self._kinds:
            spec = self.work.spec
            now, then = (self._scored(version, windows, window, limit) for windows in (compared.after, compared.before))
            self._kinds[key] = measure_kind(now, then, spec, version=version.version)
        return self._kinds[key]

    def recoverable(self, version: Name, evidence: Evidence, window: int, limit: int) -> Measurement:
        """What a retraining could recover of the version's loss, as a look at the window would have measured it, on ``limit`` rows."""
        key = version, window, limit
        if key not in self._recoverable:
            windows = sorted(probed_windows(evidence.window, evidence.version, evidence.history))
            rows = self._scored(version, windows, window, limit)
            self._recoverable[key] = measure_recoverable(rows, self.work.spec, version=version.version)
        return self._recoverable[key]

    def _scored(self, version: Name, windows: Sequence[Window], known_at: int, limit: int) -> pd.DataFrame:
        """Labelled rows of the windows as :func:`vigil.evaluation.kind.measure_kind` takes them; ``limit`` of them at most."""
        spec, made = self.work.spec, self.made(version)
        assert made is not None
        numbers = {evaluation.window: number for number, evaluation in enumerate(self.evaluations)}
        parts = [self._labelled(numbers[window], known_at) for window in windows]
        rows = pd.concat(parts, ignore_index=True) if parts else self._labelled(known_at, known_at).iloc[:0]
        if len(rows) > limit:
            rows = rows.sample(limit, random_state=spec.training.seed).sort_index(ignore_index=True)
        scores = score(made.model, rows, spec) if len(rows) else np.empty(0)
        features = {f"f{i}": rows[name] for i, name in enumerate(spec.features)}
        return pd.DataFrame(features | {"score": scores, "label": rows[LABEL].astype("float64"), "w": rows[WEIGHT]})

    def _drift(self, version: Name, window: int) -> tuple[Measurement, ...]:
        spec, made = self.work.spec, self.made(version)
        assert made is not None
        layout, reference = Layout.from_json(made.layout), Profile.from_json(made.profile)
        with self.work.source.reading_log():
            current = profile_rows(self.work.source.predictions(self.evaluations[window].window), spec, layout)[WHOLE, WHOLE]
        return measure_drift(current, reference, spec, importance=made.importance, version=version.version)


def backtest(history: History, spec: ModelSpec, *, every: int, cost: float, tell: Callable[[str], None]) -> tuple[Outcome, ...]:
    """Return the outcomes of the specification's policy, of never, of every so many windows, of any drift, and of hindsight.

    Hindsight chooses among the versions that the others trained, without comparing them first.

    Args:
        spec: with the policy to be tried; all else as the history's own.
        cost: of one retraining, in the metric's unit times windows.
        tell: hears what is being done.
    """
    policies: dict[str, Asks] = {
        "never": lambda *_: None,
        f"every {every}": lambda at, found, _: Name(at) if (at + 1) % every == 0 and found.current.quality_passed else None,
        "any drift": lambda at, found, _: Name(at) if found.current.drift and found.current.drift.verdict is Verdict.BREACH else None,
        "this policy": deciding(history, spec),
    }
    played = {}
    for name, asks in policies.items():
        tell(name)
        played[name] = play(history, spec, asks)
    asked = sorted({name for retrained, _, _ in played.values() for name in retrained}, key=lambda name: (name.window, name.version))
    outcomes = [
        outcome_of(history, spec, name, served, retrained, promoted, cost) for name, (retrained, promoted, served) in played.items()
    ]
    tell("hindsight")
    versions = [FIRST, *(name for name in asked if history.made(name) is not None)]
    worth = np.array([[_signed(history.value(v, w), spec) for w in range(len(history.evaluations))] for v in versions])
    path = best_versions(worth, [version.window + 1 for version in versions], cost)
    served = [versions[place] for place in path]
    changes = tuple(version for version in dict.fromkeys(served) if version != FIRST)
    return (*outcomes, outcome_of(history, spec, "hindsight", served, changes, changes, cost))


def deciding(history: History, spec: ModelSpec) -> Asks:
    """The specification's policy. What a loss is due to is measured where the decision asks for it."""

    def asks(window: int, evidence: Evidence, serving: Name) -> Name | None:
        decision = decide(evidence, spec)
        limit = to_be_probed(evidence, spec)
        if limit is not None:
            evidence = replace(evidence, measurements=(*evidence.measurements, history.recoverable(serving, evidence, window, limit)))
            decision = decide(evidence, spec)
        gate = next(gate for gate in decision.gates if gate.gate == KIND)
        if spec.policy.kind_rows is not None and gate.state is not GateState.NOT_REACHED:
            compared = sides((evidence.current, *evidence.history), spec)
            if compared.after:
                measured = history.kind(serving, window, compared, spec.policy.kind_rows)
                decision = decide(replace(evidence, measurements=(*evidence.measurements, *measured)), spec)
        if not trains(decision.action):
            return None
        span, since = span_of(decision)
        around = serving if decision.action is Action.RECALIBRATE else None
        return Name(window, span, since if span is Span.RECENT else None, around)

    return asks


def play(
    history: History, spec: ModelSpec, asks: Asks, *, until: int | None = None
) -> tuple[tuple[Name, ...], tuple[Name, ...], list[Name]]:
    """Return the versions that the policy asked for, those of them that won, and the version that served each window.

    Args:
        until: plays only so many windows, the first ones.
    """
    serving = FIRST
    served: list[Name] = []
    past: list[PastWindow] = []
    retrained: list[Name] = []
    gains: list[tuple[int, PastGain]] = []
    reach = history_reach(spec)
    promoted: list[Name] = []
    turned_out: dict[Name, Baseline] = {}  # of versions that a challenger left unbeaten
    for window, evaluation in enumerate(history.evaluations[:until]):
        served.append(serving)
        found, made = history.past(serving, window, spec), history.made(serving)
        if serving in turned_out and found.performance is not None:
            found = replace(found, performance=judged_by(turned_out[serving], found.performance, spec))
        measured = (*history.quality[window], *(m for m in (found.drift, found.performance) if m is not None))
        since = window_steps(history.evaluations[retrained[-1].window], evaluation, spec) if retrained else None
        evidence = Evidence(
            model=evaluation.model,
            window=evaluation.window,
            evaluation_id=evaluation.evaluation_id,
            as_of=evaluation.as_of,
            version=serving.version,
            current=found,
            measurements=measured,
            history=tuple(reversed(past[-reach:])),
            windows_since_retraining=since,
            last_retraining=f"backtest-{retrained[-1].window}" if retrained else None,
            baseline=made.baseline if made is not None else None,
            gains=tuple(gain for asked, gain in gains if window_steps(history.evaluations[asked], evaluation, spec) <= reach),
            trained_rows=trained_rows(made.lineage) if made is not None else None,
        )
        past.append(found)
        asked = asks(window, evidence, serving)
        if asked is None:
            continue
        retrained.append(asked)
        gain, compared, paid = history.gain(serving, asked), history.compared(serving, asked), weigh(evidence, spec)
        if compared is None or compared.difference is None:
            continue  # nothing is learned from what could not be made or compared
        gains.append((window, PastGain(f"backtest-{window}", gain or 0.0, **({} if paid is None else paid.features()))))
        if gain is not None:
            serving = asked
            promoted.append(asked)
        elif unbeaten(compared.to_json(), spec):
            own = [
                m.value for each in past if each.version == serving.version and (m := measured_of(each)) is not None and m.value is not None
            ]
            turned_out[serving] = history.baseline(serving).over(own, spec.performance.metric)
    return tuple(retrained), tuple(promoted), served


def window_steps(earlier: Evaluation, later: Evaluation, spec: ModelSpec) -> int:
    return (later.window.start - earlier.window.start) // spec.window.length


def outcome_of(
    history: History,
    spec: ModelSpec,
    name: str,
    served: Sequence[Name],
    retrained: Sequence[Name],
    promoted: Sequence[Name],
    cost: float,
    *,
    since: int = 0,
) -> Outcome:
    """Return what came of a policy that was played, from window ``since`` on."""
    windows, won = ([name.window for name in asked if name.window >= since] for asked in (retrained, promoted))
    every = tuple(history.value(version, window) for window, version in enumerate(served) if window >= since)
    values = [value for value in every if value is not None]
    starts = [evaluation.window.start.date().isoformat() for evaluation in history.evaluations[: len(served)]]
    mean = float(np.mean(values)) if values else None
    paid = cost * len(windows) / max(len(values), 1)
    better = 1 if spec.performance.metric.larger_is_better else -1
    return Outcome(
        policy=name,
        retrainings=tuple(starts[window] for window in windows),
        promoted=tuple(starts[window] for window in won),
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
