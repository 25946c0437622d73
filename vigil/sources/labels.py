"""The label rule: of all observations of a prediction's label, the latest known at a moment wins.

Labels arrive late, twice and corrected. What is known at ``as_of`` depends on the observations alone, not on the order
in which they arrived, nor on the files that they came in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from vigil.profile.columns import as_number
from vigil.spec.model import Columns, Task

LABEL = "label"  # the names that labels have inside vigil, whatever the files call them
PROBABILITY = "inclusion_probability"


def observed_by(rows: ibis.Table, columns: Columns, as_of: datetime) -> ibis.Table:
    """Return the observations made at or before ``as_of`` as id, observation time, ``label`` and ``inclusion_probability``.

    Labels are float64 (booleans are 0 and 1). Without a probability column every label was certain to be chosen: 1.0.
    Rows without an id or an observation time say nothing about any prediction at any time and are left out.
    """
    chosen = rows[columns.inclusion_probability].cast("float64") if columns.inclusion_probability else ibis.literal(1.0)
    observed = rows.filter(rows[columns.id].notnull(), not_after(rows[columns.label_time], as_of))
    return observed.select(
        **{columns.id: rows[columns.id], columns.label_time: rows[columns.label_time]},
        **{LABEL: as_number(rows[columns.label]), PROBABILITY: chosen},
    )


def latest(observations: ibis.Table, columns: Columns) -> ibis.Table:
    """Return one row per prediction id: its latest observation.

    Of several at the same moment the one with the larger label wins, then the one with the larger inclusion probability,
    and a label wins over none: arbitrary, but the same in any order of arrival. A latest observation without a label
    withdraws the label: the prediction has none.
    """
    order = [
        observations[columns.label_time].desc(),
        observations[LABEL].desc(nulls_first=False),
        observations[PROBABILITY].desc(nulls_first=False),
    ]
    ranked = observations.mutate(_rank=ibis.row_number().over(group_by=observations[columns.id], order_by=order))
    return ranked.filter(ranked["_rank"] == 0, ranked[LABEL].notnull()).drop("_rank")


@dataclass(frozen=True)
class LabelFaults:
    """How many observations cannot be used, and an id of one of them, so that it can be found."""

    bad_probability: int
    bad_probability_id: Any
    bad_label: int
    bad_label_id: Any


def find_faults(observations: ibis.Table, columns: Columns, task: Task) -> LabelFaults:
    """Count, in one aggregate, inclusion probabilities outside (0, 1] and labels that the task cannot have.

    A binary label is 0 or 1, a regression label is finite; no label at all is none of these faults.
    """
    row_id = observations[columns.id]
    bad_probability, bad_label = is_no_probability(observations[PROBABILITY]), is_no_label(observations[LABEL], task)
    answer = observations.aggregate(
        bad_probability=bad_probability.sum(),
        bad_probability_id=row_id.max(where=bad_probability),
        bad_label=bad_label.sum(),
        bad_label_id=row_id.max(where=bad_label),
    )
    row = answer.to_pyarrow().to_pylist()[0]
    return LabelFaults(row["bad_probability"] or 0, row["bad_probability_id"], row["bad_label"] or 0, row["bad_label_id"])


def is_no_probability(probability: Any) -> Any:
    """Tell an inclusion probability (float64) that is none or outside (0, 1]."""
    return probability.isnull() | ~((probability > 0) & (probability <= 1))  # NaN sorts above all numbers


def is_no_label(label: Any, task: Task) -> Any:
    """Tell a label (float64) that ``task`` cannot have; null is no label, not a wrong one."""
    possible = label.isin([0.0, 1.0]) if task is Task.BINARY else label.abs() <= sys.float_info.max  # NaN sorts above
    return label.notnull() & ~possible


def not_after(moment: ibis.Value, limit: datetime) -> ibis.Value:
    """``moment <= limit`` in the column's own type, so that the engine can skip by it."""
    return moment <= moment_literal(moment, limit)


def moment_literal(moment: ibis.Value, value: datetime) -> ibis.Value:
    """Return ``value`` (aware UTC) as a literal that compares with ``moment``, whose naive times are UTC."""
    kind = moment.type()
    aware = isinstance(kind, dt.Timestamp) and kind.timezone is not None
    return ibis.literal(value, type="timestamp('UTC')") if aware else ibis.literal(value.replace(tzinfo=None), type="timestamp")
