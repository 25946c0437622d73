"""What came of predictions, as a table of outcomes tells: of each prediction the latest row known at a moment.

Differs from :mod:`vigil.sources.labels`: an outcome is measured as it is and says nothing of whether the prediction was right.
"""

from __future__ import annotations

from datetime import datetime

import ibis

from vigil.profile.columns import as_number
from vigil.sources.columns import Kind, require_ids_like
from vigil.sources.engine import Engine, Rows
from vigil.sources.labels import not_after
from vigil.spec.model import ModelSpec
from vigil.window import as_utc

PREFIX = "vigil_kpi_"  # of a KPI's name, beside the log's own columns


def open_outcomes(engine: Engine, spec: ModelSpec, log: ibis.Table) -> Rows | None:
    """Return the rows of ``source.outcomes``; None where no file is there yet.

    Raises:
        SourceError: the folder does not exist, or a column is missing or of another type, or ids are of another type than the log's.
    """
    place, columns = spec.source.outcomes, spec.columns
    assert place is not None
    found = engine.find(place)
    if found is None:
        engine.require_place(place)
        return None
    wanted = {"columns.id": (columns.id, Kind.TEXT_OR_INTEGER), "columns.label_time": (columns.label_time, Kind.TIME)}
    wanted |= {f"business.kpis.{name}.column": (kpi.column, Kind.NUMBER_OR_BOOLEAN) for name, kpi in spec.business.kpis.items()}
    found.require(wanted, everywhere=True)
    require_ids_like(log.schema()[columns.id], found.table.schema()[columns.id], str(place), columns.id)
    return found


def with_outcomes(outcomes: Rows | None, spec: ModelSpec, rows: ibis.Table, as_of: datetime) -> ibis.Table:
    """Return ``rows`` of the log with each of ``business.kpis`` as float64 under :data:`PREFIX` and its name; null where it is not known.

    Of several rows of a prediction the one that became known last (``columns.label_time``) counts, of those of one moment that with the
    larger numbers, so that no order of arrival matters. No file yet is no outcome.
    """
    columns, kpis = spec.columns, spec.business.kpis
    if outcomes is None:
        return rows.mutate(**{PREFIX + name: ibis.null("float64") for name in kpis})
    table = outcomes.table
    table = table.filter(table[columns.id].notnull(), not_after(table[columns.label_time], as_utc(as_of)))
    table = table.semi_join(rows, columns.id)
    known = table.select(
        **{columns.id: table[columns.id], columns.label_time: table[columns.label_time]},
        **{PREFIX + name: as_number(table[kpi.column]) for name, kpi in kpis.items()},
    )
    order = [known[columns.label_time].desc(), *(known[PREFIX + name].desc(nulls_first=False) for name in kpis)]
    ranked = known.mutate(_rank=ibis.row_number().over(group_by=known[columns.id], order_by=order))
    latest = ranked.filter(ranked["_rank"] == 0).select(columns.id, *(PREFIX + name for name in kpis))
    return rows.left_join(latest, columns.id).select(*rows.columns, *(PREFIX + name for name in kpis))
