"""What a challenger is judged by beside being better overall: no guarded group loses, calibration, value, stability, cost.

Differs from :mod:`vigil.challenger.compare`, which asks whether it is better overall and draws the conclusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from vigil.business.value import values
from vigil.drift.multiplicity import holm
from vigil.measurement import WHOLE
from vigil.performance.calibration import calibration_error
from vigil.performance.cores import Vector, weighted_mean
from vigil.performance.measure import MINIMUM_PER_CLASS
from vigil.performance.metrics import parts_of
from vigil.performance.paired import Paired, paired, paired_mean
from vigil.spec.model import Metric, ModelSpec, Task

CANARY = "canary"  # the criterion of what it did where it served


class Standing(StrEnum):
    """What a criterion says. Only ``failed`` keeps the champion."""

    PASSED = "passed"
    FAILED = "failed"
    SHOWN = "shown"  # the specification sets no limit
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class Criterion:
    """One criterion with its numbers.

    Attributes:
        name: ``non_inferiority``, ``calibration``, ``value``, ``flipped``, ``score_change``, ``latency_ms``, ``size_mb``, ``canary``.
        subject: ``column=value`` of a group, else ``*``.
        difference: positive = the challenger is better; None where the two values are not told apart so.
        low, high: the difference's interval.
        limit: what may be lost, or be reached at most; None where it is only shown.
        p_value: of "it loses more than the limit", adjusted for all guarded groups.
    """

    name: str
    subject: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    limit: float | None
    p_value: float | None
    n: int
    standing: Standing

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Criterion:
        return cls(**{**body, "standing": Standing(body["standing"])})

    def sentence(self) -> str:
        """Say what failed, in plain words with the numbers."""
        where = "" if self.subject == WHOLE else f" in {self.subject}"
        if self.challenger is None:
            return f"{NAMES[self.name]}{where}: too few labelled rows ({self.n:,})"
        found = f"{self.challenger:.4g}" if self.champion is None else f"{self.challenger:.4g} after {self.champion:.4g}"
        least = "" if self.low is None else f", the difference may be {self.low:+.4f}"
        limit = "" if self.limit is None else f", tolerated is {self.limit:g}"
        return f"{NAMES[self.name]}{where}: {found}{least}{limit}"


NAMES = {
    "non_inferiority": "not worse",
    "calibration": "calibration error",
    "value": "value per prediction",
    "flipped": "share of decisions that change",
    "score_change": "mean change of the score",
    "latency_ms": "milliseconds to score a row",
    "size_mb": "megabytes of the model",
    CANARY: "what it served as a canary",
}


def criteria_of(
    champion: Vector, challenger: Vector, label: Vector, w: Vector, groups: pd.DataFrame | None, spec: ModelSpec
) -> tuple[Criterion, ...]:
    """Return every criterion that needs only scores: groups first, in the order of their columns and values.

    Args:
        groups: a column for each of ``spec.segments`` and ``spec.fairness.protected``, text; None where no group is looked at.
    """
    found = list(_groups(champion, challenger, label, w, groups, spec)) if groups is not None else []
    if spec.task is Task.BINARY:
        found.append(_calibration(champion, challenger, label, w, spec))
        threshold = spec.performance.decision_threshold
        flips = weighted_mean(((champion >= threshold) != (challenger >= threshold)).astype(np.float64), w)
        found.append(_limited("flipped", None, flips, spec.comparison.tolerated_flips, len(label)))
    found.append(_limited("score_change", None, weighted_mean(np.abs(challenger - champion), w), None, len(label)))
    worth = spec.business.value
    if worth is not None:
        one, other = (values(score, label, worth, spec.performance.decision_threshold) for score in (champion, challenger))
        compared = paired_mean(one, other, w)
        low, high = compared.interval(spec.comparison.confidence)
        standing = Standing.FAILED if high < 0 else Standing.PASSED
        found.append(
            Criterion(
                "value", WHOLE, compared.champion, compared.challenger, compared.difference, low, high, 0.0, None, len(label), standing
            )
        )
    return tuple(found)


def enough_to_compare(champion: Vector, challenger: Vector, label: Vector, spec: ModelSpec, minimum: int) -> bool:
    """Tell whether there are ``minimum`` rows, and 10 of each class and 10 that count for the metric under either model.

    A model that calls three rows positive, all of them right, has a precision of 1 and no variance: that says nothing.
    """
    if len(label) < max(minimum, 2):
        return False
    if spec.task is Task.BINARY and min(int((label == 1).sum()), int((label == 0).sum())) < MINIMUM_PER_CLASS:
        return False
    metric, scoring = spec.compared_on, spec.performance.scoring
    if metric is Metric.ROC_AUC:
        return True
    counted = (np.count_nonzero(parts_of(metric, score, label, scoring)[1]) for score in (champion, challenger))
    return bool(min(counted) >= min(MINIMUM_PER_CLASS, len(label)))


def cost_criteria(champion: tuple[float, float], challenger: tuple[float, float], n: int, spec: ModelSpec) -> tuple[Criterion, ...]:
    """Judge (milliseconds a row, size in MB) of both models; ``n`` rows were scored for the first."""
    asked = spec.comparison
    limits = asked.tolerated_slowdown, asked.tolerated_growth
    found = []
    for name, old, new, factor in zip(("latency_ms", "size_mb"), champion, challenger, limits, strict=True):
        found.append(_limited(name, old, new, None if factor is None else factor * old, n))
    return tuple(found)


def _groups(champion: Vector, challenger: Vector, label: Vector, w: Vector, groups: pd.DataFrame, spec: ModelSpec) -> tuple[Criterion, ...]:
    """Non-inferiority (Wellek 2010, ch. 1) in each group: that it loses the margin or more has to be refuted.

    The p-values of all guarded groups are adjusted together (Holm), and compared with half of one less the confidence, as the overall
    interval's lower end is. The intervals hold together (Bonferroni) over all groups, guarded or shown. A group with fewer labelled rows
    than ``labels.minimum``, or 10 of a class or that count, cannot be judged: it is said, and keeps nobody back.
    """
    margin, level = spec.guarded_margin, (1 - spec.comparison.confidence) / 2
    compared: dict[str, tuple[int, Paired | None]] = {}
    guarded: set[str] = set()
    for column in groups.columns:
        for value in sorted(groups[column].unique()):
            inside = (groups[column] == value).to_numpy(dtype=bool)
            name = f"{column}={value}"
            compared[name] = int(inside.sum()), _paired(champion[inside], challenger[inside], label[inside], w[inside], spec)
            if column in spec.guarded:
                guarded.add(name)
    judged = {name: pair.p_value(margin) for name, (_, pair) in compared.items() if pair is not None and name in guarded}
    adjusted = holm(judged)
    together = 1 - (1 - spec.comparison.confidence) / max(sum(pair is not None for _, pair in compared.values()), 1)
    found = []
    for name, (n, pair) in compared.items():
        limit = margin if name in guarded else None
        if pair is None:
            found.append(Criterion("non_inferiority", name, None, None, None, None, None, limit, None, n, Standing.NOT_ENOUGH_DATA))
            continue
        p_value, (low, high) = adjusted.get(name), pair.interval(together)
        standing = Standing.SHOWN if p_value is None else Standing.PASSED if p_value <= level else Standing.FAILED
        found.append(
            Criterion("non_inferiority", name, pair.champion, pair.challenger, pair.difference, low, high, limit, p_value, n, standing)
        )
    return tuple(found)


def _paired(champion: Vector, challenger: Vector, label: Vector, w: Vector, spec: ModelSpec) -> Paired | None:
    if not enough_to_compare(champion, challenger, label, spec, spec.labels.minimum):
        return None
    return paired(spec.compared_on, champion, challenger, label, w, spec.performance.scoring)


def _calibration(champion: Vector, challenger: Vector, label: Vector, w: Vector, spec: ModelSpec) -> Criterion:
    """The challenger's calibration error may not lie, with its whole interval, above the champion's by more than the margin."""
    old, _ = calibration_error(champion, label, w)
    new, (low, high) = calibration_error(challenger, label, w, confidence=spec.comparison.confidence)
    margin = spec.comparison.calibration_margin
    standing = Standing.FAILED if low > old + margin else Standing.PASSED
    return Criterion("calibration", WHOLE, old, new, old - new, old - high, old - low, margin, None, len(label), standing)


def _limited(name: str, champion: float | None, challenger: float, limit: float | None, n: int) -> Criterion:
    """A value that may reach a limit at most."""
    standing = Standing.SHOWN if limit is None else Standing.PASSED if challenger <= limit else Standing.FAILED
    difference = None if champion is None else champion - challenger
    return Criterion(name, WHOLE, champion, challenger, difference, None, None, limit, None, n, standing)
