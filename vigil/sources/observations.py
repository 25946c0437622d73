"""The label files of one model: every observation of a label, checked before it is used.

Differs from :mod:`vigil.sources.labels`, which says what observations mean and knows no file.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend

from vigil.errors import SourceError
from vigil.sources.files import Kind, list_files, open_parquet, reading, require_in_files
from vigil.sources.labels import LABEL, PROBABILITY, find_faults, observed_by
from vigil.spec.model import ModelSpec, Task
from vigil.window import as_utc


class Observations:
    """All observations of labels that the files of ``source.labels`` hold, opened when first asked for.

    ``log`` is the prediction log: its ids and those of the labels have to be of one type.
    """

    def __init__(self, backend: Backend, folder: Path, spec: ModelSpec, log: ibis.Table) -> None:
        self._backend, self._folder, self._spec, self._log = backend, folder, spec, log
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
    def _files(self) -> tuple[Path, ...]:
        pattern = self._spec.source.labels
        files = list_files(self._folder, pattern)
        if not files and not _fixed_folder(self._folder, pattern).is_dir():
            raise SourceError(
                f"the folder of the labels is not there (looked for {_fixed_folder(self._folder, pattern)}); "
                "correct `source.labels`, or make the folder if no label has arrived yet",
                source=pattern,
            )
        return files

    @cached_property
    def _rows(self) -> ibis.Table | None:
        columns, pattern = self._spec.columns, self._spec.source.labels
        if not self._files:
            return None
        table = open_parquet(self._backend, self._files, pattern)
        wanted = {
            "columns.id": (columns.id, Kind.TEXT_OR_INTEGER),
            "columns.label": (columns.label, Kind.NUMBER_OR_BOOLEAN),
            "columns.label_time": (columns.label_time, Kind.TIME),
        }
        if columns.inclusion_probability is not None:
            wanted["columns.inclusion_probability"] = (columns.inclusion_probability, Kind.NUMBER)
        require_in_files(self._backend, self._files, wanted, everywhere=True)
        ours, theirs = self._log.schema()[columns.id], table.schema()[columns.id]
        if ours.is_string() != theirs.is_string():
            raise SourceError(
                f"expected {ours} as in the prediction log, found {theirs}; write ids with one type in both",
                source=pattern,
                column=columns.id,
            )
        return table

    def _refuse_faults(self, observations: ibis.Table) -> None:
        columns = self._spec.columns
        with reading(self._spec.source.labels):
            faults = find_faults(observations, columns, self._spec.task)
        if faults.bad_probability:
            raise SourceError(
                f"{faults.bad_probability} labels have an inclusion probability outside (0, 1], such as that of prediction "
                f"{faults.bad_probability_id!r}; write the probability with which each was chosen for labelling",
                source=self._file_of(faults.bad_probability_id),
                column=columns.inclusion_probability,
            )
        if faults.bad_label:
            expected = "0 or 1" if self._spec.task is Task.BINARY else "a finite number"
            raise SourceError(
                f"{faults.bad_label} labels are not {expected}, such as that of prediction {faults.bad_label_id!r}; correct them, "
                "or write null to withdraw a label",
                source=self._file_of(faults.bad_label_id),
                column=columns.label,
            )

    def _file_of(self, prediction_id: object) -> str:
        for file in self._files:
            table = open_parquet(self._backend, (file,), str(file))
            if table.filter(table[self._spec.columns.id] == prediction_id).count().to_pyarrow().as_py():
                return str(file)
        return self._spec.source.labels


def _fixed_folder(folder: Path, pattern: str) -> Path:
    """Return the deepest folder that ``pattern`` names before its first wildcard."""
    parts = Path(pattern).parts[:-1]
    wild = next((place for place, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return folder.joinpath(*parts[:wild])
