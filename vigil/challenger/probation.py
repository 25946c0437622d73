"""Probation: whether a promoted version keeps, on the rows that it served, what the comparison promised.

Differs from :mod:`vigil.performance.measure`, which judges a version against its own baseline: a world that got harder breaks that limit,
and bringing the old version back would not help. Here the version that was replaced scores the same rows, and the comparison is run the
other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.challenger.compare import METRIC_NAMES, Comparison, ComparisonVerdict, compare
from vigil.challenger.fit import score
from vigil.challenger.make import SERVED, served_by
from vigil.challenger.rows import LABEL, WEIGHT
from vigil.decision.phrases import plural
from vigil.evaluation.look import Look
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import Metric, ModelSpec
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import Promotion, PromotionKind
from vigil.window import Window
from vigil.workspace import Workspace

PROBATION = "probation"


@dataclass(frozen=True)
class Probation:
    """A version on probation: the promotion that it serves by, and the sound windows that it has served since, the looked-at one last."""

    promotion: Promotion
    replaced: str
    windows: tuple[Window, ...]


def probation_of(store: Store, spec: ModelSpec, look: Look) -> Probation | None:
    """Return the probation that a look is part of; None where there is none, or it is over, or the version serves by no promotion."""
    trail = store.promotions(spec.model)
    last = trail[-1] if trail else None
    if last is None or last.kind is not PromotionKind.PROMOTED or last.version != look.version or last.replaced is None:
        return None
    served = {
        each.window
        for each in history_of(store, spec, as_of=look.as_of)
        if each.version == look.version and each.quality_passed and each.as_of >= last.at and each.window.end <= look.window.end
    }
    windows = tuple(sorted(served | {look.window}))
    return Probation(last, last.replaced, windows) if len(windows) <= spec.comparison.probation.windows else None


def measure_probation(work: Workspace, look: Look, probation: Probation, replaced: Any) -> Measurement:
    """Measure ``probation``: the compared metric of what was served less that of the version that was replaced, on the same labelled rows.

    The rows are those that the version scored in all windows of its probation so far. The interval is :func:`compare`'s, at a confidence
    that holds for all looks of the probation together (Bonferroni over ``comparison.probation.windows``). A breach where the whole
    interval says that the replaced version is better; ``not_enough_data`` as in a comparison.

    Args:
        replaced: the fitted estimator of the version that was replaced.
    """
    spec = work.spec
    frame = served_by(work, probation.windows, look.as_of, look.version)
    together = 1 - (1 - spec.comparison.confidence) / spec.comparison.probation.windows
    held = spec.model_copy(update={"comparison": spec.comparison.model_copy(update={"confidence": together})})
    found = compare(
        frame[SERVED].to_numpy(dtype=np.float64),
        score(replaced, frame, spec),
        frame[LABEL].to_numpy(),
        frame[WEIGHT].to_numpy(),
        held,
        np.random.default_rng(spec.training.seed),
    )
    return _measurement(found, look, probation, spec)


def broken_promise(store: Store, spec: ModelSpec, look: Look) -> tuple[str, str] | None:
    """Return the version to bring back and why, where the look found that the one that serves by a promotion fails its probation.

    None where it does not, where the specification does not want that (``comparison.probation.rollback``), or where it has been done.
    """
    trail = store.promotions(spec.model)
    last = trail[-1] if trail else None
    if not spec.comparison.probation.rollback or last is None or last.kind is not PromotionKind.PROMOTED or last.version != look.version:
        return None
    measured = store.measurements([look.evaluation_id])[look.evaluation_id]
    failed = next((m for m in measured if m.metric == PROBATION and m.verdict is Verdict.BREACH), None)
    if failed is None or last.replaced is None or failed.detail["replaced"] != last.replaced:
        return None
    name = METRIC_NAMES[Metric(failed.detail["metric"])]
    return last.replaced, (
        f"version {last.replaced} is better on the {failed.n:,} labelled rows that version {look.version} served in "
        f"{plural(failed.detail['windows'], 'window')}: its {name} less version {last.replaced}'s is {failed.value:+.4f} "
        f"({failed.low:+.4f} to {failed.high:+.4f})"
    )


def _measurement(found: Comparison, look: Look, probation: Probation, spec: ModelSpec) -> Measurement:
    value, low, high = found.difference, found.low, found.high  # positive: the replaced version is better
    if value is not None and low is not None and high is not None and spec.compared_on.larger_is_better:
        value, low, high = -value + 0.0, -high + 0.0, -low + 0.0
    verdict = Verdict.NOT_ENOUGH_DATA if found.verdict is ComparisonVerdict.NOT_ENOUGH_DATA else Verdict.OK
    if found.low is not None and found.low > 0:
        verdict = Verdict.BREACH
    return Measurement(
        Layer.PERFORMANCE,
        PROBATION,
        value,
        verdict,
        found.n,
        version=look.version,
        low=low,
        high=high,
        threshold=0.0,
        detail={"replaced": probation.replaced, "windows": len(probation.windows), "metric": spec.compared_on.value},
    )
