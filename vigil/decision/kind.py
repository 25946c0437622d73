"""Gate 5: which kind of harm is it, and what follows? Only the smallest update that suffices is asked for.

Differs from :mod:`vigil.evaluation.kind`, which measures: here stored measurements are read, so that a decision can be made again. What
could not be told is unknown, and then the model is retrained as specified: unknown neither triggers a retraining nor hides one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Any, NamedTuple

from vigil.decision.confirmation import measured
from vigil.decision.phrases import number, plural
from vigil.decision.types import Action, Decision, Evidence, GateResult, GateState, PastWindow
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import ModelSpec
from vigil.window import Window

KIND = "kind"
SOUND_WINDOWS, CALIBRATED = "sound_windows", "calibrated"  # what they are compared with: the version's first windows within the limit
CALIBRATION_P_VALUE, RECALIBRATED = "calibration_p_value", "recalibrated"
HARDER, RELATION, POPULATION, REMAINING = "loss_harder_cases", "loss_relation", "loss_population", "loss_remaining"
BEFORE_WINDOWS = 8  # sound windows that the harmed ones are compared with, at most; convention


class Kind(StrEnum):
    """What a confirmed loss is due to."""

    CALIBRATION = "calibration"
    RELATION = "relation"
    POPULATION = "population"
    HARDER = "harder_cases"


class Span(StrEnum):
    """Which rows a challenger is trained on (:func:`vigil.challenger.training_data.plan_training`)."""

    SPECIFIED = "specified"  # as ``training`` says
    RECENT = "recent"  # since the harm began, and no more than are needed
    POOLED = "pooled"  # those of ``training``, and the reference wherever there is one


SPANS = {Kind.CALIBRATION: Span.RECENT, Kind.RELATION: Span.RECENT, Kind.POPULATION: Span.POOLED}


class Sides(NamedTuple):
    """The windows that are compared, each tuple in order of time."""

    before: tuple[Window, ...]
    after: tuple[Window, ...]


def sides(windows: Sequence[PastWindow], spec: ModelSpec) -> Sides:
    """Return which of a version's windows are harmed and which were sound before.

    Harmed are those beyond the limit among its last ``policy.performance.n`` that count; sound are its first ones within the limit,
    before any of these, at most :data:`BEFORE_WINDOWS`. Earlier stretches of the same version do not count.

    Args:
        windows: newest first, the present one first.
    """
    own = takewhile(lambda past: past.version == windows[0].version, windows)
    judged = [(past.window, found.verdict) for past in own if (found := measured(past)) is not None]
    recent, earlier = judged[: spec.policy.performance.n], judged[spec.policy.performance.n :]
    after = [window for window, verdict in recent if verdict is not Verdict.OK]
    oldest = min(after, default=None)
    sound = [window for window, verdict in (*recent, *earlier) if verdict is Verdict.OK and oldest is not None and window < oldest]
    return Sides(tuple(reversed(sound[-BEFORE_WINDOWS:])), tuple(reversed(after)))


def which_kind(evidence: Evidence, spec: ModelSpec, *, confirmed: bool) -> GateResult:
    """Gate 5: which kind of harm is it? Fires where only the cases became harder, which no training cures.

    In this order: recalibrated the metric would be within its limit, and the scores are off by more than chance: *calibration*. What
    harder cases do not explain is surely less than what is tolerated, and they do explain some: *harder cases*. Of another relation and
    a new population the one that surely made it worse, the larger if both. Else it is undecided.
    """
    found = {m.metric: m for m in evidence.measurements if m.layer is Layer.PERFORMANCE and m.reference in (SOUND_WINDOWS, CALIBRATED)}
    parts = {name: _values(found[name]) for name in (HARDER, RELATION, POPULATION, REMAINING) if name in found}
    after = sides((evidence.current, *evidence.history), spec).after
    numbers: dict[str, Any] = {
        "kind": None,
        "span": Span.SPECIFIED.value,
        "since": after[0].start.isoformat() if after else None,
        "calibration_p_value": _value(found.get(CALIBRATION_P_VALUE)),
        "recalibrated": _value(found.get(RECALIBRATED)),
        "parts": parts,
        "tolerated_loss": spec.performance.tolerated_loss,
    }
    if not confirmed:
        sentence = "There is no confirmed loss to divide: a challenger is trained as specified."
        return GateResult(KIND, GateState.UNKNOWN, sentence, numbers)
    limit = evidence.current.performance.threshold if evidence.current.performance is not None else None
    kind = told(found, limit, spec)
    if kind is None:
        return GateResult(KIND, GateState.UNKNOWN, f"{_undecided(found, spec)} A challenger is trained as specified.", numbers)
    numbers |= {"kind": kind.value, "span": SPANS.get(kind, Span.SPECIFIED).value}
    state = GateState.FIRED if kind is Kind.HARDER else GateState.PASSED
    return GateResult(KIND, state, _sentence(kind, found, limit, spec), numbers)


def told(found: Mapping[str, Measurement], limit: float | None, spec: ModelSpec) -> Kind | None:
    """Return what the measurements say that a loss is due to; None where they do not. In the order of :func:`which_kind`.

    Args:
        found: by metric.
        limit: what the metric may be at worst.
    """
    recalibrated, p_value = _value(found.get(RECALIBRATED)), _value(found.get(CALIBRATION_P_VALUE))
    if p_value is not None and p_value < 1 - spec.performance.confidence and _within(recalibrated, limit, spec):
        return Kind.CALIBRATION
    if any(_value(found.get(name)) is None for name in (HARDER, RELATION, POPULATION, REMAINING)):
        return None
    harder, relation, population, remaining = (found[name] for name in (HARDER, RELATION, POPULATION, REMAINING))
    if _low(harder) > 0 and remaining.high is not None and remaining.high < spec.performance.tolerated_loss:
        return Kind.HARDER
    sure = [(part.value or 0.0, kind) for part, kind in ((relation, Kind.RELATION), (population, Kind.POPULATION)) if _low(part) > 0]
    return max(sure, key=lambda one: one[0])[1] if sure else None


def kind_of(decision: Decision) -> Kind | None:
    """Return what a decision says the harm is due to; None where it does not."""
    found = _numbers(decision).get("kind")
    return None if found is None else Kind(found)


def span_of(decision: Decision) -> tuple[Span, str | None]:
    """Return the rows that a decision wants trained on, and the ISO start of the first harmed window for a recent span."""
    found = _numbers(decision)
    return Span(found.get("span", Span.SPECIFIED)), found.get("since")


def trains(action: Action) -> bool:
    """Tell whether a decision with this action starts a challenger."""
    return action in (Action.RETRAIN, Action.RECALIBRATE)


def _within(value: float | None, limit: float | None, spec: ModelSpec) -> bool:
    if value is None or limit is None:
        return False
    return value >= limit if spec.performance.metric.larger_is_better else value <= limit


def _sentence(kind: Kind, found: Mapping[str, Measurement], limit: float | None, spec: ModelSpec) -> str:
    metric = spec.performance.metric.value
    if kind is Kind.CALIBRATION:
        recalibrated = found[RECALIBRATED]
        return (
            f"The scores are off, and recalibrating them suffices: {metric} would be {number(recalibrated.value)} on "
            f"{plural(recalibrated.n, 'label')}, within the limit of {number(limit)} (their calibration is "
            f"rejected with p = {number(found[CALIBRATION_P_VALUE].value)})."
        )
    if kind is Kind.HARDER:
        return (
            f"The cases are harder, which no training cures: {metric} is worse {_shares(found)}; without harder cases it is worse by "
            f"at most {number(found[REMAINING].high)}, {number(spec.performance.tolerated_loss)} is tolerated."
        )
    what = "The same inputs lead to other labels now" if kind is Kind.RELATION else "Cases have come that were not there before"
    learned = "recent rows" if kind is Kind.RELATION else "old and new rows together"
    return f"{what}: {metric} is worse {_shares(found)}. It is learned from {learned}."


def _undecided(found: Mapping[str, Measurement], spec: ModelSpec) -> str:
    harder = found.get(HARDER)
    if spec.policy.kind_rows is None:
        return "What the loss is due to is not asked (policy.kind_rows is null)."
    if harder is None:
        return "What the loss is due to was not measured."
    if harder.value is None:
        return f"What the loss is due to cannot be told: {harder.detail.get('because', 'too few labels')}."
    return f"What the loss is due to is not decided: {spec.performance.metric.value} is worse {_shares(found)}."


def _shares(found: Mapping[str, Measurement]) -> str:
    names = {HARDER: "harder cases", RELATION: "another relation", POPULATION: "new cases"}
    each = ((found[name], words) for name, words in names.items())
    return ", ".join(f"by {number(part.value)} ({number(part.low)} to {number(part.high)}) by {words}" for part, words in each)


def _value(measurement: Measurement | None) -> float | None:
    return None if measurement is None else measurement.value


def _low(measurement: Measurement) -> float:
    return measurement.low if measurement.low is not None else 0.0


def _values(measurement: Measurement) -> dict[str, Any]:
    return {"value": measurement.value, "low": measurement.low, "high": measurement.high, "n": measurement.n}


def _numbers(decision: Decision) -> Mapping[str, Any]:
    return next((gate.numbers for gate in decision.gates if gate.gate == KIND), {})
