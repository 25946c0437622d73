"""How far back to learn from where the relation changed: only since then, or from all that the specification takes?

Differs from :mod:`vigil.challenger.training_data`, which chooses windows by rules: rows of the old relation mislead after a large change
and help after a small one, and which of the two it is, only a trial tells.
"""

from __future__ import annotations

import pandas as pd

from vigil.challenger.fit import Trainer, fit, score
from vigil.challenger.rows import LABEL, WEIGHT
from vigil.decision.kind import Span
from vigil.errors import NotEnoughData
from vigil.performance.metrics import value_of
from vigil.spec.model import ModelSpec

EARLY = 2 / 3  # of the recent rows, in order of time, are learned from; the rest judge (convention)


def try_spans(recent: pd.DataFrame, older: pd.DataFrame, trainer: Trainer, spec: ModelSpec) -> dict[str, float]:
    """Return the compared metric on the last third of the recent rows, by the span learned from; empty where there are too few rows.

    ``recent`` learned from the first two thirds of the recent rows, ``specified`` from these and all older ones.

    Args:
        recent, older: of :func:`vigil.challenger.rows.labelled_rows`, so in order of time.

    Raises:
        TrainingFailed: the trainer fails.
    """
    cut = int(len(recent) * EARLY)
    early, late = recent.iloc[:cut], recent.iloc[cut:].reset_index(drop=True)
    if min(cut, len(recent) - cut) < spec.labels.minimum or recent[LABEL].iloc[:cut].nunique() < 2:
        return {}
    found = {}
    for span, rows in ((Span.RECENT, early), (Span.SPECIFIED, pd.concat([older, early]))):
        model = fit(trainer, rows.reset_index(drop=True), spec)
        label, weight = late[LABEL].to_numpy(), late[WEIGHT].to_numpy()
        try:
            found[span.value] = value_of(spec.compared_on, score(model, late, spec), label, weight, scoring=spec.performance.scoring)
        except NotEnoughData:
            return {}
    return found


def better_span(tried: dict[str, float], spec: ModelSpec) -> Span:
    """Return the recent span where it was tried and was better, else the specification's."""
    if not tried:
        return Span.SPECIFIED
    recent, specified = tried[Span.RECENT], tried[Span.SPECIFIED]
    better = recent > specified if spec.compared_on.larger_is_better else recent < specified
    return Span.RECENT if better else Span.SPECIFIED
