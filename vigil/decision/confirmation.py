"""Is harm confirmed by labels? The windows' estimates as stored, put through the detector of :mod:`vigil.decision.sequence`.

A window's estimate enters with the standard error that its interval implies. Of the AUC that is what it is: one estimate a window from
its positives and negatives, not a mean of losses of rows, so nothing finer than a window is looked at, whichever the metric.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any

import numpy as np

from vigil.decision import sequence
from vigil.decision.phrases import number, plural, when
from vigil.decision.types import Evidence, PastWindow
from vigil.measurement import Measurement, Verdict
from vigil.performance.baseline import BASELINE_WINDOWS, UNBEATEN
from vigil.spec.model import ModelSpec

YEAR = timedelta(days=365.25)


@dataclass(frozen=True)
class Confirmation:
    """What the labels say of harm, window after window.

    Attributes:
        windows: how many windows were looked at: of this version, since the last retraining decision, at most a year.
        since: where the stretch begins that speaks most for harm; None where no window could be looked at.
        stretch, labels, mean: its windows, their labels, and the mean of the metric over them, weighted by precision.
        log_evidence, log_needed: natural logarithms of the detector's evidence and of what is needed.
        confirmed: the evidence is enough, and the present window is beyond the limit too.
        baseline_windows: on how many windows the limit's baseline rests; None: unknown, and the limit is taken as exact.
        unbeaten: whether windows of the version's own are among them, because a challenger was no better.
        more_windows: after how many more windows like the stretch it would be enough; None where not within a year.
    """

    windows: int
    since: str | None
    stretch: int
    labels: int
    mean: float | None
    log_evidence: float | None
    log_needed: float
    confirmed: bool
    more_windows: int | None
    baseline_windows: float | None = None
    unbeaten: bool | None = None

    def numbers(self) -> dict[str, Any]:
        return asdict(self)


def windows_per_year(spec: ModelSpec) -> float:
    return YEAR / spec.window.length


def confirm(evidence: Evidence, spec: ModelSpec) -> Confirmation:
    """Put the windows of a year through the detector; how much windows differ by themselves is learned from all versions' windows."""
    needed = sequence.needed(windows_per_year(spec), spec.policy.false_alarms_per_year)
    judged = [past for past in reversed((evidence.current, *evidence.history)) if measured(past) is not None]
    own = _own(judged, evidence, spec)
    if not own:
        return Confirmation(0, None, 0, 0, None, None, float(np.log(needed)), confirmed=False, more_windows=None)
    found = [measurement for past in judged if (measurement := measured(past)) is not None]
    tolerated = spec.performance.tolerated_loss
    excess = np.array([_excess(m, spec) for m in found])
    error = np.array([sequence.standard_error(m.low or 0.0, m.high or 0.0, spec.performance.confidence) for m in found])
    pairs = zip(judged, found, judged[:1] + judged[:-1], found[:1] + found[:-1], strict=True)
    comparable = np.array([(a.version, m.threshold) == (b.version, n.threshold) for a, m, b, n in pairs])
    variance = sequence.variances(excess, error, comparable, tolerated)[-own:]
    excess, found, judged = excess[-own:], found[-own:], judged[-own:]
    rests_on = found[-1].detail.get(BASELINE_WINDOWS)
    known = math.inf if rests_on is None else float(rests_on)
    since = sequence.log_evidence_since(excess, variance, tolerated, known)
    begin, total = int(np.argmax(since)), float(sequence.log_evidence(excess, variance, tolerated, known))
    weight = 1 / variance[begin:]
    mean = float(np.sum(weight * np.array([m.value for m in found[begin:]])) / np.sum(weight))
    enough = total >= np.log(needed)
    now = judged[-1] is evidence.current and bool(excess[-1] > 0)
    return Confirmation(
        windows=own,
        since=when(judged[begin].window.start),
        stretch=own - begin,
        labels=sum(m.n for m in found[begin:]),
        mean=mean,
        log_evidence=total,
        log_needed=float(np.log(needed)),
        confirmed=bool(enough and now),
        more_windows=sequence.windows_until(excess, variance, tolerated, float(np.log(needed)), int(windows_per_year(spec)), known),
        baseline_windows=rests_on,
        unbeaten=found[-1].detail.get(UNBEATEN),
    )


def by_version(evidence: Evidence, n: int) -> tuple[list[PastWindow], list[PastWindow]]:
    """Return the windows that were measured, newest first: those of the present version, and the last n of the version before it."""
    judged = [past for past in (evidence.current, *evidence.history) if measured(past) is not None]
    own = list(takewhile(lambda past: past.version == evidence.version, judged))
    earlier = judged[len(own) :]
    return own, list(takewhile(lambda past: past.version == earlier[0].version, earlier))[:n]


def measured(past: PastWindow) -> Measurement | None:
    """Return the window's performance where it counts: sound data, no declared event, judged against a limit on enough labels."""
    found = past.performance
    if found is None or not past.quality_passed or past.anomaly is not None:
        return None
    known = None not in (found.value, found.low, found.high, found.threshold) and found.verdict is not Verdict.NOT_ENOUGH_DATA
    return found if known else None


def sentence(found: Confirmation, spec: ModelSpec, limit: float | None) -> str:
    """Say the stretch, its mean, and the evidence beside what is needed."""
    metric = spec.performance.metric.value
    if found.since is None or found.log_evidence is None:
        return f"no window with a judged {metric} to go by"
    allowed = plural_alarms(spec.policy.false_alarms_per_year)
    return (
        f"since {found.since} {metric} averages {number(found.mean)} on {plural(found.labels, 'label')} in "
        f"{plural(found.stretch, 'window')}, the limit is {number(limit)}{_resting_on(found)}; the evidence is {odds(found.log_evidence)}, "
        f"{odds(found.log_needed)} is needed for at most {allowed} a year"
    )


def _resting_on(found: Confirmation) -> str:
    """How well the limit is known, where that is not taken as exact."""
    if found.baseline_windows is None:
        return ""
    own = ", among them its own, for a challenger was no better" if found.unbeaten else ""
    return f" (its baseline is of {plural(round(found.baseline_windows), 'window')}{own})"


def odds(log_evidence: float) -> str:
    """Evidence as a number that a person can compare.

    >>> odds(0.0), odds(6.9), odds(60.0)
    ('1', '992', 'over a million')
    """
    value = float(np.exp(min(log_evidence, 20.0)))
    if value > 1e6:
        return "over a million"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def plural_alarms(count: float) -> str:
    return f"{count:g} false alarm" if count == 1 else f"{count:g} false alarms"


def _own(judged: list[PastWindow], evidence: Evidence, spec: ModelSpec) -> int:
    """Count the last windows that are of the present version and later than the last retraining decision: there the evidence begins."""
    since = evidence.windows_since_retraining
    begin = None if since is None else evidence.window.shifted(-since).start
    own = 0
    for past in reversed(judged):
        if past.version != evidence.version or (begin is not None and past.window.start <= begin):
            break
        own += 1
    return own


def _excess(found: Measurement, spec: ModelSpec) -> float:
    worse = (found.threshold or 0.0) - (found.value or 0.0)
    return worse if spec.performance.metric.larger_is_better else -worse
