"""What a challenger is trained on: which windows, which are kept for the comparison, which are left out and why.

Pure: it sees evaluations and decisions, never rows. The rows of the plan are put together in :mod:`vigil.challenger.rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vigil.decision.kind import Span
from vigil.decision.types import Action, Decision
from vigil.errors import NotEnoughData
from vigil.spec.model import ModelSpec
from vigil.store.records import Evaluation
from vigil.window import Window


@dataclass(frozen=True)
class Exclusion:
    """A window that is neither trained on nor compared on, and the reason in plain words."""

    window: Window
    reason: str


@dataclass(frozen=True)
class Wanted:
    """Which rows a decision wants a challenger to be trained on.

    Attributes:
        since: when the harm began; not given, or None: the holdout is as specified.
        labels: of a recent span, how many labels it needs.
    """

    span: Span = Span.SPECIFIED
    since: datetime | None = None
    labels: int = 0

    def include_reference(self, spec: ModelSpec) -> bool:
        if self.span is Span.POOLED:
            return spec.source.reference is not None
        return self.span is Span.SPECIFIED and spec.training.include_reference

    def holdout_windows(self, spec: ModelSpec, fit: Sequence[Window]) -> int:
        """Return how many windows are kept: as specified, but of the windows since the harm began one is left to learn from."""
        if self.since is None:
            return spec.training.holdout_windows
        return max(1, min(spec.training.holdout_windows, sum(window.start >= self.since for window in fit) - 1))

    def reached(self, window: Window, chosen: Sequence[Evaluation]) -> bool:
        """Tell whether what was chosen is enough, so that this window, which is earlier, is not looked at."""
        if self.span is not Span.RECENT or self.since is None or not chosen:
            return False
        return window.start < self.since and sum(evaluation.labels for evaluation in chosen) >= self.labels


@dataclass(frozen=True)
class TrainingPlan:
    """The windows of one retraining, each tuple in order of time.

    Attributes:
        window: the window whose decision asks for the challenger.
        trained_on: fit windows whose labelled rows before the cut-off the trainer sees.
        holdout: the latest fit windows; all of them later than ``trained_on``, never shown to the trainer.
        gap_from: where the gap before the holdout begins: the label delay earlier. What a row of the gap turned out to be was decided
            during the holdout, so that a model trained on it may have been told of the holdout.
        excluded: windows between the first trained on and ``window`` that are in neither, each with its reason.
        include_reference: whether the reference rows of the source are pooled with them.
        span: which rows were asked for.
    """

    window: Window
    trained_on: tuple[Window, ...]
    holdout: tuple[Window, ...]
    excluded: tuple[Exclusion, ...]
    include_reference: bool
    gap_from: datetime
    span: Span = Span.SPECIFIED

    @property
    def cut_off(self) -> datetime:
        """No row at or after this moment is trained on, of the windows or of the reference."""
        return min(self.trained_on[-1].end, self.gap_from)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the lineage that is kept with the version."""
        return {
            "window": self.window.key,
            "trained_on": [window.key for window in self.trained_on],
            "holdout": [window.key for window in self.holdout],
            "excluded": {exclusion.window.key: exclusion.reason for exclusion in self.excluded},
            "include_reference": self.include_reference,
            "gap_from": self.gap_from.isoformat(),
            "span": self.span.value,
            "cut_off": self.cut_off.isoformat(),
        }


def plan_training(
    spec: ModelSpec, window: Window, evaluations: Sequence[Evaluation], decisions: Sequence[Decision] = (), *, wanted: Wanted | None = None
) -> TrainingPlan:
    """Choose the windows for a challenger that the decision about ``window`` asks for.

    Fit is a window that was evaluated, passed data quality, was not decided FIX_DATA, overlaps no declared anomaly and has labels.
    The latest ``training.holdout_windows`` fit windows up to and with ``window`` are kept for the comparison; the
    ``training.windows`` fit windows before them are trained on (fewer where there are fewer, but at least one), those that lie
    wholly in the gap of ``labels.delay_days`` before the holdout excepted.

    Where ``wanted.since`` says when the harm began, the holdout leaves one window of that time to be trained on, and keeps one at least.

    A ``recent`` span goes back no further than to when the harm began, or as far as the labels that it needs take it, and takes no
    reference rows; a ``pooled`` one takes them wherever ``source.reference`` is given.

    Args:
        evaluations: the latest evaluation of each window, as ``Store.evaluations`` gives them; later windows are not looked at.
        decisions: decisions about those evaluations, in any order; those about superseded evaluations do not count.
        wanted: default the specification's own span.

    Raises:
        NotEnoughData: there are not more fit windows than the holdout takes.
    """
    wanted = wanted or Wanted()
    evaluated = {evaluation.window: evaluation for evaluation in evaluations if evaluation.window.end <= window.end}
    decided = {decision.evaluation_id: decision for decision in decisions}
    first = min((found.start for found in evaluated), default=window.start)
    grid = spec.window.between(first, window.end)
    kept = wanted.holdout_windows(spec, [each for each in grid if _why_unfit(each, evaluated.get(each), decided, spec) is None])
    holdout: list[Window] = []
    trained_on: list[Window] = []
    excluded: list[Exclusion] = []
    delay = timedelta(days=spec.labels.delay_days)
    for looked_at in reversed(grid):
        if len(trained_on) == spec.training.windows or wanted.reached(looked_at, [evaluated[each] for each in trained_on]):
            break
        reason = _why_unfit(looked_at, evaluated.get(looked_at), decided, spec)
        if reason is not None:
            excluded.append(Exclusion(looked_at, reason))
        elif len(holdout) < kept:
            holdout.append(looked_at)
        elif looked_at.start >= holdout[-1].start - delay:
            excluded.append(Exclusion(looked_at, f"within {spec.labels.delay_days:g} days (the label delay) before the comparison's rows"))
        else:
            trained_on.append(looked_at)
    if not trained_on:
        raise NotEnoughData(
            f"{spec.model}: a challenger needs at least {kept + 1} fit windows up to {window.key} "
            f"({kept} kept for the comparison and 1 to train on), found {len(holdout)}"
            f"{_listed(excluded)}; wait for more windows, or lower training.holdout_windows"
        )
    return TrainingPlan(
        window=window,
        trained_on=tuple(reversed(trained_on)),
        holdout=tuple(reversed(holdout)),
        excluded=tuple(reversed(excluded)),
        include_reference=wanted.include_reference(spec),
        gap_from=holdout[-1].start - delay,
        span=wanted.span,
    )


def _why_unfit(window: Window, evaluation: Evaluation | None, decided: Mapping[str, Decision], spec: ModelSpec) -> str | None:
    if evaluation is None:
        return "not evaluated"
    if not evaluation.quality_passed:
        return "data quality failed"
    decision = decided.get(evaluation.evaluation_id)
    if decision is not None and decision.action is Action.FIX_DATA:
        return f"decided FIX_DATA: {decision.reason}"
    for anomaly in spec.policy.anomalies:
        if anomaly.overlaps(window):
            return f"declared anomaly: {anomaly.name}"
    if evaluation.labels == 0:
        return "no labels"
    return None


def _listed(excluded: Sequence[Exclusion]) -> str:
    if not excluded:
        return ""
    named = "; ".join(f"{exclusion.window.key} {exclusion.reason}" for exclusion in list(reversed(excluded))[-5:])
    return f" ({len(excluded)} left out, the latest: {named})"
