"""What an incident is probably about, ranked, each with why: data fault, release, covariate, concept, seasonal, infrastructure.

The weights are a convention that only orders the causes; they are no probabilities. What they were tried on: ``benchmarks.alerts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from vigil.alerts.reading import Looked, Reading, Signal
from vigil.decision.phrases import number, percent, when
from vigil.measurement import TRAINING, WHOLE, Layer, Measurement, Verdict
from vigil.performance.maturity import LABEL_MATURITY
from vigil.spec.model import ModelSpec

ABRUPT = 5.0  # times its threshold: drift of one feature that far within a window is an upstream change, not a population; convention
RELEASE_WINDOWS = 2  # a release so many windows before the first breach is near it; convention
ROW_COUNT = "expect_table_row_count_to_be_between"


class Cause(StrEnum):
    """The six kinds of what goes wrong."""

    DATA_FAULT = "data_fault"
    RELEASE = "release"
    COVARIATE = "covariate"
    CONCEPT = "concept"
    SEASONAL = "seasonal"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True)
class Suspicion:
    """One suspected cause: ``weight`` in (0, 1] orders, ``why`` says what it rests on."""

    cause: Cause
    weight: float
    why: str

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What causes are judged by: the windows of the incident so far, and those before it, newest first."""

    readings: Sequence[Reading]  # firing now, or part of the incident
    current: Looked
    history: Sequence[Looked]
    spec: ModelSpec

    def of(self, layer: Layer) -> list[Reading]:
        return [reading for reading in self.readings if reading.signal.layer == layer.value]

    @property
    def onset(self) -> int:
        """How many windows ago the breaches of the firing signals began, each without a gap; 0 is this window."""
        longest = 0
        for reading in self.readings:
            count = 0
            for past in self.history:
                found = past.measured.get(reading.signal)
                if found is not None and found.verdict is not Verdict.BREACH:
                    break
                count += found is not None
            longest = max(longest, count)
        return longest


def suspects(facts: Facts) -> tuple[Suspicion, ...]:
    """Return the suspected causes, likeliest first; empty where nothing is known of the kind of what fires."""
    found = [suspicion for look in _LOOKS if (suspicion := look(facts)) is not None]
    return tuple(sorted(found, key=lambda suspicion: -suspicion.weight))


def changes_before(current: Looked, history: Sequence[Looked], onset: int) -> tuple[str, ...]:
    """Say what changed within :data:`RELEASE_WINDOWS` windows before the first breach: version, specification."""
    looks = [current, *history][onset : onset + RELEASE_WINDOWS + 2]
    said = []
    for new, old in pairwise(looks):
        if new.version != old.version:
            said.append(f"version {old.version} was replaced by {new.version} in the window of {when(new.window.start)}")
        if new.spec_hash != old.spec_hash:
            said.append(f"the specification changed before the window of {when(new.window.start)}")
    return tuple(said)


def shares_of_change(current: Looked, before: Looked | None, spec: ModelSpec) -> tuple[dict[str, float], dict[str, float]]:
    """Return the features and the segments by their share of the change, largest first, at most five of each.

    Features: their part of the importance that has drifted. Segments: rows times loss against the window before, in the
    judged metric, of those that became worse.
    """
    share = _drift_share(current)
    drifted = dict(share.detail.get("drifted", {})) if share is not None else {}
    if not any(drifted.values()):
        drifted = {s.subject: m.value for s, m in current.measured.items() if _drifted_feature(s, current, spec) and m.value is not None}
    lost: dict[str, float] = {}
    metric = spec.performance.metric
    for signal, now in current.measured.items():
        then = None if before is None else before.measured.get(signal)
        if signal.metric == metric.value and signal.subject != WHOLE and then is not None and None not in (now.value, then.value):
            change = (now.value or 0.0) - (then.value or 0.0)
            lost[signal.subject] = max(-change if metric.larger_is_better else change, 0.0) * now.n
    return _shares(drifted), _shares(lost)


def _drift_share(current: Looked) -> Measurement | None:
    return next((m for s, m in current.measured.items() if s.metric == "drift_share"), None)


def _drifted_feature(signal: Signal, current: Looked, spec: ModelSpec) -> bool:
    """Whether an input has drifted: the score is none, it moves with the inputs and with each version."""
    return signal.layer == Layer.DRIFT and signal.subject in spec.features and current.measured[signal].verdict is Verdict.BREACH


def _shares(parts: dict[str, float]) -> dict[str, float]:
    total = sum(parts.values())
    first = sorted(parts.items(), key=lambda item: (-item[1], item[0]))[:5]
    return {name: part / total for name, part in first if part > 0} if total > 0 else {}


def _data_fault(facts: Facts) -> Suspicion | None:
    failed = facts.of(Layer.DATA_QUALITY)
    if failed:
        because = failed[0].detail.get("because") or str(failed[0].signal)
        return Suspicion(Cause.DATA_FAULT, 0.9, f"{len(failed)} critical expectation{'s' * (len(failed) > 1)} failed: {because}")
    drifted = {s: m for s, m in facts.current.measured.items() if _drifted_feature(s, facts.current, facts.spec)}
    abrupt = [(signal, m.value / m.threshold) for signal, m in drifted.items() if m.value and m.threshold]
    if len(abrupt) == 1 and abrupt[0][1] >= ABRUPT:
        signal, times = abrupt[0]
        return Suspicion(Cause.DATA_FAULT, 0.7, f"{signal.subject} alone moved, to {number(times)} times its threshold")
    return None


def _release(facts: Facts) -> Suspicion | None:
    said = [change for change in changes_before(facts.current, facts.history, facts.onset) if change.startswith("version")]
    if not said:
        return None
    effects = [*facts.of(Layer.PERFORMANCE), *facts.of(Layer.SYSTEM), *facts.of(Layer.BUSINESS)]
    own = bool(effects) and not facts.of(Layer.DATA_QUALITY)  # what a version is fed does not change because the version does
    return Suspicion(Cause.RELEASE, 0.8 if own else 0.5, f"just before, {said[-1]}")


def _infrastructure(facts: Facts) -> Suspicion | None:
    rows_missing = [r for r in facts.of(Layer.DATA_QUALITY) if r.signal.metric == ROW_COUNT]
    if rows_missing:
        return Suspicion(Cause.INFRASTRUCTURE, 0.95, "rows are missing: the window holds fewer than a window ever does")
    disturbed = [*facts.of(Layer.SYSTEM), *(r for r in facts.of(Layer.PERFORMANCE) if r.signal.metric == LABEL_MATURITY)]  # labels lack
    if not disturbed:
        return None
    return Suspicion(
        Cause.INFRASTRUCTURE, 0.75 if len(disturbed) == len(facts.readings) else 0.45, ", ".join(_said(reading) for reading in disturbed)
    )


def _said(reading: Reading) -> str:
    because = "labels are overdue" if reading.signal.metric == LABEL_MATURITY else reading.detail.get("because")
    return f"{reading.signal.metric} is {number(reading.value)}{f' ({because})' if because else ''}"


def _seasonal(facts: Facts) -> Suspicion | None:
    """Drifted against the training data, and not against the same season."""
    drifted = [s for s in facts.current.measured if _drifted_feature(s, facts.current, facts.spec)]
    season = [m for m in facts.current.all_measured if m.layer is Layer.DRIFT and m.reference == "same_season"]
    then = {m.subject: m for m in season if m.subject != WHOLE}
    compared = [then[s.subject] for s in drifted if s.subject in then and then[s.subject].value is not None]
    thresholds = {s.subject: facts.current.measured[s].threshold for s in drifted}
    usual = [m for m in compared if (m.value or 0.0) <= (thresholds[m.subject] or 0.0)]
    if not usual or len(usual) < len(drifted) / 2:
        return None
    share = _drift_share(facts.current)
    too_little = share is not None and share.verdict is Verdict.OK and bool(facts.of(Layer.PERFORMANCE))  # to explain what was lost
    return Suspicion(
        Cause.SEASONAL,
        0.45 if too_little else 0.78,
        f"{len(usual)} of {len(drifted)} drifted features are as they were in the same season before",
    )


def _covariate(facts: Facts) -> Suspicion | None:
    share = _drift_share(facts.current)
    if not facts.of(Layer.DRIFT) and (share is None or share.verdict is not Verdict.BREACH):
        return None
    if share is not None and share.value:
        said = f"{percent(share.value)} of the importance has drifted"
    else:  # too little of what matters for the window to count as drifted, or only the score
        moved = [r.signal.subject for r in facts.of(Layer.DRIFT) if r.signal.subject != WHOLE]
        said = f"{', '.join(moved) or 'features'} drifted"
    return Suspicion(Cause.COVARIATE, 0.6, f"{said} from the {TRAINING} data")


def _concept(facts: Facts) -> Suspicion | None:
    lost = [reading for reading in facts.of(Layer.PERFORMANCE) if reading.signal.metric != LABEL_MATURITY]
    if not lost:
        return None
    share = _drift_share(facts.current)
    still = share is not None and share.verdict is Verdict.OK
    said = f"{lost[0].signal.metric} is {number(lost[0].value)}, the limit is {number(lost[0].threshold)}"
    if still:
        return Suspicion(Cause.CONCEPT, 0.7, f"{said}, while the features are as in training")
    return Suspicion(Cause.CONCEPT, 0.5, said)


_LOOKS: tuple[Callable[[Facts], Suspicion | None], ...] = (_data_fault, _release, _infrastructure, _seasonal, _covariate, _concept)
