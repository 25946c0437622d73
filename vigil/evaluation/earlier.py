"""The labels of the windows before a look's, from which it learns what scores and features mean: of mature windows only.

Early labels are often not like the late ones, so what is learned from a window whose labels are not all here would be of the quick and easy
ones. Differs from :mod:`vigil.evaluation.measure`, which reads the look's own labels.
"""

from __future__ import annotations

from dataclasses import replace

import ibis

from vigil.evaluation.look import Look
from vigil.performance.maturity import Maturity
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec

EARLIER_WINDOWS = 8  # before the one that is looked at, whose labels teach what a score means


def earlier_labelled(source: ModelSource, spec: ModelSpec, look: Look) -> ibis.Table:
    """Return the labelled rows, known by the look, that the same version scored in the :data:`EARLIER_WINDOWS` before it.

    Of windows whose labels were mature by then, where ``labels.maturity`` is specified.
    """
    before = [look.window.shifted(-back) for back in range(1, EARLIER_WINDOWS + 1)]
    if spec.labels.maturity is not None:
        before = [window for window in before if not maturity_of(source, spec, replace(look, window=window)).immature(spec)]
    seen = source.labelled(before, look.as_of)
    return seen.filter(seen[spec.columns.version] == look.version)


def maturity_of(source: ModelSource, spec: ModelSpec, look: Look) -> Maturity:
    """Count the looked-at version's predictions of the window and what its labels by the look stand for, by one aggregate each.

    Of a window whose labels were planned: how many were asked for, and how many came.
    """
    planned = source.asked_and_answered(look.window, look.as_of)
    if planned is not None:
        asked, came = planned
        return Maturity(asked, came, float(came), 0.0)
    labelled = source.labelled([look.window], look.as_of)
    chance = labelled["inclusion_probability"]
    with source.reading_log():
        known = labelled.filter(labelled[spec.columns.version] == look.version).aggregate(
            labels=chance.count(), represented=(1 / chance).sum(), variance=((1 - chance) / (chance * chance)).sum()
        )
        found = known.to_pyarrow().to_pylist()[0]
    return Maturity(
        predictions_of(source, spec, look), int(found["labels"]), float(found["represented"] or 0.0), float(found["variance"] or 0.0)
    )


def predictions_of(source: ModelSource, spec: ModelSpec, look: Look) -> int:
    """Count the looked-at version's predictions of the window."""
    rows = source.predictions(look.window)
    with source.reading_log():
        return int(rows.filter(rows[spec.columns.version] == look.version).count().to_pyarrow().as_py())
