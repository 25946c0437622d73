"""Has a version cost as much, in loss that a retraining would have avoided, as a retraining costs? Then it is time for one.

Differs from :mod:`vigil.decision.confirmation`, which asks whether there is harm at all and needs no price, and from
:mod:`vigil.decision.economics`, which asks whether past retrainings were worth theirs. It is the rule of whoever rents skis until the rent
paid equals their price: it never pays more than twice what was best in hindsight, whatever comes (Karlin, Manasse, Rudolph & Sleator 1988,
doi:10.1007/BF01762111), where the avoidable loss is known. Here it is estimated: of each window's loss a retraining avoids the share
``recovered * excess + learned * fresh``.

- ``excess``: how much of the loss lies beyond the best baseline that any version had, as it turned out. A share of it comes
  back, the rest are harder cases.
- ``fresh``: the share of labels, of those known, that the version was not trained on. More data teach more.

Both factors are learned from the model's own retrainings, beginning with :data:`RECOVERED` and :data:`LEARNED`. A loss may also be noise,
of which nothing comes back: of the excess no more counts as recovered than small trees may be able to learn from the version's own errors
(:mod:`vigil.performance.recoverable`, the upper end of its interval). What it cannot see: loss in windows without labels, and that the next
cause of harm may be another one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.decision.confirmation import measured
from vigil.decision.phrases import number, plural
from vigil.decision.types import Evidence, PastGain, PastWindow
from vigil.measurement import Measurement
from vigil.spec.model import Metric, ModelSpec

RECOVERED = 0.2  # of the excess, before anything is known: a guess (convention)
LEARNED = 0.05  # with as many fresh labels as old ones half of it: the loss of learning curves falls so with doubled data (convention)
RECOVERABLE = "recoverable_loss"  # the measurement of what small trees learn from the version's errors
GUESSES = 1.0  # weight of the guess, in retrainings whose feature is 1 (convention)


@dataclass(frozen=True)
class BreakEven:
    """What the present version has cost since the last retraining decision, beside what a retraining costs.

    Attributes:
        windows: that were looked at, at most those of a year.
        avoidable, cost: in the performance metric's unit, times windows.
        loss, excess, fresh: the mean loss of the windows that a challenger would be compared on, its share beyond the best baseline, and
            the share of labels that the version has not seen.
        recovered, learned: what is believed of a retraining, after ``retrainings`` of them.
        more_windows: after how many more windows like these it has cost as much; None where never.
        recoverable: the most, a window, that may be learned from the version's errors; None where that was not measured.
        bounded: less than was believed to come back of the excess, for no more can be learned.
    """

    windows: int
    avoidable: float
    cost: float
    loss: float
    excess: float
    fresh: float
    recovered: float
    learned: float
    retrainings: int
    reached: bool
    more_windows: int | None
    recoverable: float | None = None
    bounded: bool = False

    def numbers(self) -> dict[str, Any]:
        """As gates keep it; without what was not measured, so that older decisions read alike."""
        return {
            name: value for name, value in asdict(self).items() if self.recoverable is not None or name not in ("recoverable", "bounded")
        }

    def features(self) -> dict[str, Any]:
        """What a :class:`~vigil.decision.types.PastGain` keeps, for later retrainings to learn from."""
        return features_of(self.numbers())


def features_of(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(numbers[name]) for name in ("loss", "excess", "fresh")}


def measures_recoverable(spec: ModelSpec) -> int | None:
    """Return of how many rows at most ``recoverable_loss`` is measured; None where nothing weighs it."""
    terms = spec.policy.economics
    if terms is None or terms.rule != "break_even" or spec.performance.metric is Metric.CALIBRATION_ERROR:
        return None
    return terms.probe_rows


def weigh(evidence: Evidence, spec: ModelSpec) -> BreakEven | None:
    """Return what the version has cost; None where no price is given, where it is not to be acted on, or where this window has no loss."""
    terms = spec.policy.economics
    if terms is None or terms.rule != "break_even" or measured(evidence.current) is None:
        return None
    judged = [past for past in (evidence.current, *evidence.history) if measured(past) is not None]
    own = list(takewhile(lambda past: past.version == evidence.version, judged))
    own.reverse()
    found = [measurement for past in own if (measurement := measured(past)) is not None]
    best = min(_loss(baseline, spec) for baseline in _baselines(judged, spec).values())
    loss = np.array([_loss(m.value or 0.0, spec) for m in found])
    fresh = _fresh([m.n for m in found], evidence.trained_rows)
    since = _since(own, evidence)
    same_unit = spec.compared_on is spec.performance.metric
    recovered, learned, known = believed(evidence.gains if same_unit else ())
    each = recovered * (loss - best)[since:]
    most = next((m.high for m in evidence.measurements if m.metric == RECOVERABLE), None)
    believed_back = max(float(np.sum(each)), 0.0)
    back = believed_back if most is None else min(believed_back, max(most, 0.0) * len(each))
    avoidable = back + learned * float(np.sum((fresh * loss)[since:]))
    cost = terms.cost / terms.value
    compared = slice(-spec.training.holdout_windows, None)
    recent = float(np.mean(loss[compared]))
    rate = avoidable / len(each)
    return BreakEven(
        windows=len(each),
        avoidable=avoidable,
        cost=cost,
        loss=recent,
        excess=max(recent - best, 0.0) / recent if recent > 0 else 0.0,
        fresh=float(fresh[-1]),
        recovered=recovered,
        learned=learned,
        retrainings=known,
        reached=avoidable >= cost,
        more_windows=max(math.ceil((cost - avoidable) / rate), 0) if rate > 0 else None,
        recoverable=most,
        bounded=back < believed_back,
    )


def to_be_probed(evidence: Evidence, spec: ModelSpec) -> int | None:
    """Return of how many rows at most ``recoverable_loss`` is to be measured before it is decided; None where it would change nothing.

    It only ever makes waiting cheaper, so that it is asked only where waiting has cost as much as a retraining.
    """
    paid = weigh(evidence, spec)
    return measures_recoverable(spec) if paid is not None and paid.reached else None


def believed(gains: Sequence[PastGain]) -> tuple[float, float, int]:
    """Return the shares that a retraining recovers of the excess and learns from fresh labels, and from how many of them that is known.

    Least squares of ``gain / loss`` on excess and fresh share, drawn towards the guesses (ridge regression, Hoerl & Kennard 1970,
    doi:10.1080/00401706.1970.10488634).

    >>> believed([])
    (0.2, 0.05, 0)
    >>> believed([PastGain("d", 0.6, loss=1.0, excess=1.0, fresh=0.0)])  # (0.2 + 0.6) / 2
    (0.4, 0.05, 1)
    """
    told = [(past.excess, past.fresh, past.gain / past.loss) for past in gains if past.loss > 0]
    if not told:
        return RECOVERED, LEARNED, 0
    x = np.array([row[:2] for row in told])
    y = np.array([row[2] for row in told])
    found = np.linalg.solve(GUESSES * np.eye(2) + x.T @ x, GUESSES * np.array([RECOVERED, LEARNED]) + x.T @ y)
    recovered, learned = (max(float(share), 0.0) for share in found)
    return recovered, learned, len(told)


def sentence(found: BreakEven, spec: ModelSpec) -> str:
    """Say what the version has cost beside what a retraining costs, and where the estimate is from."""
    known = f"as {plural(found.retrainings, 'retraining')} showed" if found.retrainings else "a guess, for none has shown it yet"
    metric = spec.performance.metric.value
    noise = ""
    if found.bounded and found.recoverable is not None:
        noise = (
            f", and of its excess at most {number(max(found.recoverable, 0.0))} a window can be learned from its errors: the rest is noise"
        )
    return (
        f"in {plural(found.windows, 'window')} a retraining would have avoided {number(found.avoidable)} of {metric} ({known}{noise}); "
        f"one costs as much as {number(found.cost)}"
    )


def _since(own: Sequence[PastWindow], evidence: Evidence) -> int:
    """The first of the version's windows that is later than the last retraining decision; at least the present one counts."""
    since = evidence.windows_since_retraining
    if since is None:
        return 0
    begin = evidence.window.shifted(-since).start
    return min(sum(past.window.start <= begin for past in own), len(own) - 1)


def _fresh(labels: Sequence[int], trained_rows: int | None) -> npt.NDArray[np.float64]:
    """After each of the version's windows, the share of labels that it was not trained on; 0 where its training is unknown."""
    if trained_rows is None:
        return np.zeros(len(labels))
    new = np.cumsum(labels)
    share: npt.NDArray[np.float64] = new / (new + trained_rows)
    return share


def _baselines(judged: Sequence[PastWindow], spec: ModelSpec) -> dict[str, float]:
    """Each version's baseline as it was last judged by: what a version turned out to be worth, not what it was first taken for."""
    found: dict[str, float] = {}
    for past in judged:  # newest first
        if past.version not in found and (m := measured(past)) is not None:
            found[past.version] = _baseline(m, spec)
    return found


def _baseline(found: Measurement, spec: ModelSpec) -> float:
    """The baseline that a window's limit was made from (:func:`vigil.performance.measure.tolerated_limit`)."""
    tolerated = spec.performance.tolerated_loss
    return (found.threshold or 0.0) + (tolerated if spec.performance.metric.larger_is_better else -tolerated)


def _loss(value: float, spec: ModelSpec) -> float:
    """The metric as a loss: what is lacking to 1 where larger is better."""
    return 1 - value if spec.performance.metric.larger_is_better else value
