"""The labels of one model: every observation of a label, checked before it is used.

Differs from :mod:`vigil.sources.labels`, which says what observations mean and opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis

from vigil.errors import SourceError
from vigil.profile.columns import as_number
from vigil.sources.columns import Kind, require_ids_like
from vigil.sources.engine import Engine, Rows
from vigil.sources.footers import Span
from vigil.sources.labels import LABEL, PROBABILITY, find_faults, is_no_label, is_no_probability, observed_by
from vigil.spec.model import ModelSpec, Task
from vigil.window import as_utc


class Observations:
    """All observations of labels that ``source.labels`` holds, opened when first asked for.

    ``log`` is the prediction log: its ids and those of the labels have to be of one type.
    """

    def __init__(self, engine: Engine, spec: ModelSpec, log: ibis.Table) -> None:
        self._engine, self._spec, self._log = engine, spec, log
        self._sound: set[datetime] = set()  # moments as of which no fault was found

    def known_by(self, as_of: datetime) -> ibis.Table:
        """Return the observations made at or before ``as_of`` (see :func:`vigil.sources.labels.observed_by`).

        No file yet is no observation: labels come late or never.

        Raises:
            SourceError: the folder does not exist, a column is missing or of another type, or an observation made by then
                has an inclusion probability outside (0, 1] or a label that the task cannot have.
        """
        columns = self._spec.columns
        if self._rows is None:
            none = self._log.filter(ibis.literal(False))
            return none.select(
                **{columns.id: none[columns.id], columns.label_time: none[columns.time]},
                **{LABEL: ibis.null("float64"), PROBABILITY: ibis.null("float64")},
            )
        observations = observed_by(self._rows, columns, as_utc(as_of))
        if as_utc(as_of) not in self._sound:
            self._refuse_faults(observations)
            self._sound.add(as_utc(as_of))
        return observations

    @cached_property
    def _found(self) -> Rows | None:
        place = self._spec.source.labels
        found = self._engine.find(place)
        if found is None:
            self._engine.require_place(place)
        return found

    @cached_property
    def _rows(self) -> ibis.Table | None:
        columns, found = self._spec.columns, self._found
        if found is None:
            return None
        table = found.table
        wanted = {
            "columns.id": (columns.id, Kind.TEXT_OR_INTEGER),
            "columns.label": (columns.label, Kind.NUMBER_OR_BOOLEAN),
            "columns.label_time": (columns.label_time, Kind.TIME),
        }
        if columns.inclusion_probability is not None:
            wanted["columns.inclusion_probability (null where labels are no sample)"] = (columns.inclusion_probability, Kind.NUMBER)
        found.require(wanted, everywhere=True)
        require_ids_like(self._log.schema()[columns.id], table.schema()[columns.id], str(self._spec.source.labels), columns.id)
        return table

    def files(self) -> Mapping[Path, Span]:
        """The files that labels are read from; none of a database."""
        return {} if self._found is None else self._found.files_in(None, ())

    def _refuse_faults(self, observations: ibis.Table) -> None:
        columns = self._spec.columns
        with self._engine.reading(str(self._spec.source.labels)):
            faults = find_faults(observations, columns, self._spec.task)
        if faults.bad_probability:
            raise SourceError(
                f"{faults.bad_probability} labels have an inclusion probability outside (0, 1], such as that of prediction "
                f"{faults.bad_probability_id!r}; write the probability with which each was chosen for labelling",
                source=self._part_with(faults.bad_probability_id, columns.inclusion_probability, is_no_probability),
                column=columns.inclusion_probability,
            )
        if faults.bad_label:
            expected = "0 or 1" if self._spec.task is Task.BINARY else "a finite number"
            raise SourceError(
                f"{faults.bad_label} labels are not {expected}, such as that of prediction {faults.bad_label_id!r}; correct them, "
                "or write null to withdraw a label",
                source=self._part_with(faults.bad_label_id, columns.label, lambda label: is_no_label(label, self._spec.task)),
                column=columns.label,
            )

    def _part_with(self, prediction_id: object, column: str | None, is_wrong: Callable[[Any], Any]) -> str:
        """Name the file whose row of a prediction is the wrong one: others may have right ones of it."""
        assert self._found is not None
        assert column is not None
        return self._found.part_with(lambda rows: (rows[self._spec.columns.id] == prediction_id) & is_wrong(as_number(rows[column])))
