"""Canary: a challenger that won serves a share of the predictions, and what came of them is compared with the champion's, per version.

Differs from :mod:`vigil.challenger.shadow`, where both score the same rows: here each is judged by the rows that it served itself, with the
scores that it gave then. That needs more rows for the same certainty, and sees what no comparison beforehand can: how it does in service.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import datetime

from vigil.challenger.compare import Comparison, ComparisonVerdict
from vigil.challenger.criteria import CANARY, Criterion, Standing
from vigil.challenger.make import SERVED, served_by
from vigil.challenger.rows import LABEL, WEIGHT
from vigil.challenger.shadow import held_for, kept_of, windows_since
from vigil.decision.types import Decision
from vigil.errors import ChampionNotFound, NotEnoughData, StoreError
from vigil.evaluation.look import Look
from vigil.measurement import WHOLE
from vigil.performance.intervals import Interval
from vigil.performance.measure import MINIMUM_PER_CLASS
from vigil.performance.metrics import Estimate, estimate
from vigil.spec.model import Metric, ModelSpec, Task
from vigil.store.contract import Store
from vigil.store.records import ChallengerLook, LookKind, Retraining, RetrainingState
from vigil.window import Window
from vigil.workspace import Workspace

HASHED = 16**16  # the first 16 hexadecimal digits of SHA-256


@dataclass(frozen=True)
class Route:
    """Who serves which share of a model's predictions. ``share`` is the challenger's; without one it is 0.

    Attributes:
        salt: goes into the hash that divides; of one canary always the same, of the next another.
        looked, windows: how many windows of the canary are over, of how many.
    """

    model: str
    champion: str
    challenger: str | None = None
    share: float = 0.0
    salt: str = ""
    looked: int = 0
    windows: int = 0

    def version_for(self, key: str) -> str:
        """Return the version that serves ``key``: a prediction's id, or better what stays the same for a customer.

        The challenger where the first 16 hexadecimal digits of SHA-256 of ``salt:key`` (UTF-8), as a number, are below ``share * 16^16``.
        The same key is always served by the same version, on any machine, and a larger share only adds keys.

        >>> Route("m", "1", "2", 0.25, "d1").version_for("customer 7")
        '1'
        """
        place = int(hashlib.sha256(f"{self.salt}:{key}".encode()).hexdigest()[:16], 16)
        return self.challenger if self.challenger is not None and place < self.share * HASHED else self.champion


def route_of(store: Store, spec: ModelSpec) -> Route:
    """Return who serves now. A challenger that won over a champion that serves no more gets nothing.

    Raises:
        ChampionNotFound: the model has no champion yet.
    """
    champion = store.champion(spec.model)
    if champion is None:
        raise ChampionNotFound(f"{spec.model} has no champion yet, so nothing serves; run `vigil adopt {spec.model}`")
    for retraining in store.retrainings(spec.model):
        if retraining.state is RetrainingState.CANARY and retraining.champion == champion.version:
            looks = store.challenger_looks(spec.model, decision_id=retraining.decision_id)
            looked = sum(each.kind is LookKind.CANARY for each in looks)
            share, windows = spec.comparison.canary.share, spec.comparison.canary.windows
            return Route(spec.model, champion.version, retraining.challenger, share, retraining.decision_id, looked, windows)
    return Route(spec.model, champion.version)


def look_at_canary(work: Workspace, decision: Decision, retraining: Retraining, look: Look) -> ChallengerLook | None:
    """Compare what champion and challenger served since the canary began; None where the looked-at window is not sound, or before it.

    The criterion ``canary`` joins those of the comparison that the challenger won. It fails, and the champion stays at once, where the
    challenger is shown to be worse, at a confidence that holds for all ``comparison.canary.windows`` looks together. At the last look it
    passes where that is not so, and the verdict is ``promote``; with too few labels of either version (``labels.minimum``, or 10 of a
    class) its time is up and the champion stays. Before, the verdict is ``not_enough_data``: it goes on.

    The difference's interval is that of two independent estimates (MOVER; Zou & Donner 2008, doi:10.1002/sim.3095).

    Raises:
        StoreError: the retraining has no challenger or comparison.
    """
    spec, asked, won = work.spec, work.spec.comparison.canary, Comparison.from_json(retraining.comparison)
    if retraining.challenger is None:
        raise StoreError(f"the retraining of {retraining.decision_id} has no challenger")
    since = tuple(each for each in windows_since(work.store, spec, decision, look) if each.end > retraining.updated_at)
    if look.window not in since:
        return None
    confidence, last = held_for(spec, asked.windows).comparison.confidence, len(since) >= asked.windows
    versions = retraining.champion, retraining.challenger
    old, new = (_served(work, since, look.as_of, version, confidence) for version in versions)
    criterion = canary_criterion(spec.compared_on, old, new, last=last)
    found = won.judged_by(criterion)
    if criterion.standing is not Standing.FAILED and not last:
        found = replace(found, verdict=ComparisonVerdict.NOT_ENOUGH_DATA)
    here = [_served(work, (look.window,), look.as_of, version, confidence) for version in versions]
    values = [each.value.value if each.value is not None else None for each in here]
    return kept_of(LookKind.CANARY, decision, look, values, sum(each.n for each in here), found)


@dataclass(frozen=True)
class Served:
    """What a version's own rows say: how many have a label, and the metric with its interval; None where they are too few."""

    n: int
    value: Estimate | None


def canary_criterion(metric: Metric, old: Served, new: Served, *, last: bool) -> Criterion:
    """Judge what two versions served, each on its own rows; ``old`` is the champion's."""
    n = old.n + new.n
    if old.value is None or new.value is None:
        return Criterion(CANARY, WHOLE, None, None, None, None, None, None, None, n, Standing.FAILED if last else Standing.NOT_ENOUGH_DATA)
    low, high = apart(old.value, new.value)
    difference = new.value.value - old.value.value
    if not metric.larger_is_better:
        difference, low, high = -difference + 0.0, -high + 0.0, -low + 0.0
    standing = Standing.FAILED if high < 0 else Standing.PASSED if last else Standing.SHOWN
    return Criterion(CANARY, WHOLE, old.value.value, new.value.value, difference, low, high, None, None, n, standing)


def apart(one: Estimate, other: Estimate) -> Interval:
    """Return the interval of ``other - one``, of independent rows.

    >>> apart(Estimate(0.5, 0.47, 0.54), Estimate(0.6, 0.56, 0.63))  # 0.1 - root of 0.04^2 + 0.04^2, 0.1 + root of 0.03^2 + 0.03^2
    (0.043..., 0.142...)
    """
    difference = other.value - one.value
    below = math.hypot(other.value - other.low, one.high - one.value)
    above = math.hypot(other.high - other.value, one.value - one.low)
    return difference - below, difference + above


def _served(work: Workspace, windows: tuple[Window, ...], as_of: datetime, version: str, confidence: float) -> Served:
    spec = work.spec
    rows = served_by(work, windows, as_of, version)
    label = rows[LABEL].to_numpy()
    enough = len(rows) >= spec.labels.minimum
    if spec.task is Task.BINARY:
        enough = enough and min(int((label == 1).sum()), int((label == 0).sum())) >= MINIMUM_PER_CLASS
    if not enough:
        return Served(len(rows), None)
    try:
        scoring = spec.performance.scoring
        found = estimate(spec.compared_on, rows[SERVED].to_numpy(), label, rows[WEIGHT].to_numpy(), confidence=confidence, scoring=scoring)
    except NotEnoughData:
        return Served(len(rows), None)
    return Served(len(rows), found)
