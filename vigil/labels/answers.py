"""A request that came back: checked as a whole, then written as one file of labels, or refused, and nothing written.

Differs from :mod:`vigil.sources.observations`, which checks files of labels that others write.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vigil.errors import LabelError, NotAllowed
from vigil.labels.design import METADATA, PREFIX
from vigil.labels.plan import Plan
from vigil.labels.request import PLAN, probability_column, restored
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec, Task
from vigil.window import as_utc, parse_moment

AS_SHOWN = 1e-5  # by how much a spreadsheet may round a probability: it saves a CSV with the 6 to 10 digits that it shows


@dataclass(frozen=True)
class Answer:
    """One row of a request that came back. ``label`` is None where nobody could tell."""

    row: int
    id: Any
    label: float | None
    observed_at: datetime
    probability: float


@dataclass(frozen=True)
class Imported:
    """What an import did; ``new`` is False, and ``path`` None, where the same labels had been imported before."""

    plan_id: str
    path: Path | None
    asked: int
    answered: int
    new: bool


def import_answers(source: ModelSource, spec: ModelSpec, plans: Sequence[Plan], path: Path, *, now: datetime) -> Imported:
    """Check ``path``, a request of one of ``plans`` filled in, and write its labels to where ``source.labels`` reads them.

    The file has the request's rows, all of them (an empty label says that nobody could tell), in any order. A column with the
    observation time is optional: without it, a label was observed ``now``. The same file again changes nothing; a corrected one adds
    observations, of which the latest count.

    Raises:
        LabelError: a row or column is wrong; the message names it. Nothing is written.
        NotAllowed: labels lie in a database, where vigil writes nothing, or ``source.labels`` does not read what would be written.
    """
    table = list(read_table(path))
    if not table:
        raise LabelError("the file has no rows; fill in the request and import that", file=path.name)
    plan = _plan_of(table, plans, path)
    return keep_answers(source, spec, plan, _answers(table, plan, spec, path, now), path, now=now)


def keep_answers(source: ModelSource, spec: ModelSpec, plan: Plan, answers: Sequence[Answer], path: Path, *, now: datetime) -> Imported:
    """Write the answers to a plan, which came with ``path``, to where ``source.labels`` reads them; the same again changes nothing.

    Raises:
        LabelError, NotAllowed: as :func:`import_answers`. Nothing is written.
    """
    target = _folder(source, spec)
    _require_predictions(source, plan, answers, path)
    given = dict.fromkeys(range(len(plan.design.asked)), 0)
    strata = dict(plan.chosen)
    for answer in answers:
        given[strata[answer.id]] += answer.label is not None
    for stratum, asked in enumerate(plan.design.asked):
        if asked and not given[stratum]:
            raise LabelError(
                f"none of the {asked} labels of stratum {stratum} came back, and nothing else tells of its rows; give at least one",
                file=path.name,
                column=spec.columns.label,
            )
    design = plan.design.with_answers(tuple(given.values()), max(answer.observed_at for answer in answers))
    body = _parquet(source, spec, answers, design.to_json())  # an empty label withdraws one that was given before
    file = target / f"{PREFIX}{plan.plan_id}-{hashlib.sha256(_content(answers)).hexdigest()[:12]}.parquet"
    if not fnmatch(file.name, Path(str(spec.source.labels)).name):
        raise NotAllowed(f"`source.labels` ({spec.source.labels}) does not read {file.name}; let it read every .parquet file of its folder")
    new = plan.plan_id not in source.answered_plans() or not _known_already(source, answers, plan, now)
    if new:
        partial = file.with_name(f".{file.name}.partial")
        partial.write_bytes(body)
        partial.replace(file)
    return Imported(plan.plan_id, file if new else None, len(answers), sum(given.values()), new)


def read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that came back; cells of a CSV are texts, as they were before :func:`~.request.neutral`.

    Raises:
        LabelError: it is not there, not whole, or something else.
    """
    if not path.is_file():
        raise LabelError("there is no such file; name the request that came back", file=str(path))
    if path.suffix == ".parquet":
        try:
            yield from pq.read_table(path).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise LabelError(f"is no whole Parquet file: {error}", file=path.name) from error
        return
    if path.suffix != ".csv":
        raise LabelError("expected a .csv or .parquet file", file=path.name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8", file=path.name) from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [restored(name) for name in next(lines, [])]
        for number, cells in enumerate(lines, start=1):
            if len(cells) != len(header):
                raise LabelError(f"has {len(cells)} cells, expected {len(header)}; was the file cut off?", file=path.name, row=number)
            yield {name: restored(cell) for name, cell in zip(header, cells, strict=True)}
    except csv.Error as error:
        raise LabelError(f"is no whole CSV file: {error}", file=path.name) from error


def _plan_of(table: Sequence[Mapping[str, Any]], plans: Sequence[Plan], path: Path) -> Plan:
    if PLAN not in table[0]:
        raise LabelError("is missing; import a request that `vigil labels plan` wrote", file=path.name, column=PLAN)
    by_id = {plan.plan_id: plan for plan in plans}
    for number, row in enumerate(table, start=1):
        if row[PLAN] != table[0][PLAN] or row[PLAN] not in by_id:
            known = ", ".join(sorted(by_id)) or "none"
            raise LabelError(f"expected one plan in every row, one of: {known}; got {row[PLAN]!r}", file=path.name, row=number, column=PLAN)
    return by_id[table[0][PLAN]]


def _answers(table: Sequence[Mapping[str, Any]], plan: Plan, spec: ModelSpec, path: Path, now: datetime) -> list[Answer]:
    columns, chance = spec.columns, probability_column(spec)
    for name in (columns.id, columns.label, chance):
        if name not in table[0]:
            raise LabelError(f"is missing; the columns are: {', '.join(table[0])}", file=path.name, column=name)
    expected = {str(each): (each, plan.probability[stratum]) for each, stratum in plan.chosen}
    found: dict[Any, Answer] = {}
    for number, row in enumerate(table, start=1):

        def wrong(message: str, column: str, number: int = number) -> LabelError:
            return LabelError(message, file=path.name, row=number, column=column)

        if str(row[columns.id]) not in expected:
            raise wrong(f"plan {plan.plan_id} does not ask for a label of {row[columns.id]!r}", columns.id)
        each, asked_with = expected[str(row[columns.id])]
        probability = _number(row[chance])
        if probability is None or not 0 < probability <= 1:
            raise wrong(f"expected a probability in (0, 1], as in the request, got {row[chance]!r}", chance)
        if not math.isclose(probability, asked_with, rel_tol=AS_SHOWN):
            raise wrong(f"the request had {asked_with!r}, got {row[chance]!r}; leave the column as it was", chance)
        answer = Answer(
            number,
            each,
            label_of(row[columns.label], spec, wrong),
            _moment(row.get(columns.label_time), now, columns.label_time, wrong),
            asked_with,
        )
        if answer.observed_at > now:
            raise wrong(
                f"{answer.observed_at.isoformat()} lies in the future (it is {now.isoformat(timespec='seconds')})", columns.label_time
            )
        if answer.observed_at < plan.window.start:
            raise wrong(f"{answer.observed_at.isoformat()} lies before the window {plan.window.key} of the predictions", columns.label_time)
        before = found.get(each)
        if before is not None and before.observed_at == answer.observed_at and before.label != answer.label:
            raise wrong(
                f"{answer.label} conflicts with {before.label} of row {before.row}, for the same prediction and moment", columns.label
            )
        if before is None or before.observed_at < answer.observed_at:
            found[each] = answer
    if len(found) < len(expected):
        missing = next(each for each in expected.values() if each[0] not in found)[0]
        raise LabelError(
            f"has {len(found)} of the {len(expected)} predictions that plan {plan.plan_id} asks for, {missing!r} is not among them; "
            "was it cut off? A row whose label nobody can tell stays, with an empty label",
            file=path.name,
        )
    return [found[each] for each in sorted(found, key=str)]


def label_of(value: Any, spec: ModelSpec, wrong: Callable[[str, str], LabelError]) -> float | None:
    """Return what a cell of the label says, None where it is empty; ``wrong`` makes the error of a message and a column."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    number = _number(value)
    if spec.task is Task.BINARY and number not in (0.0, 1.0):
        raise wrong(f"expected 0, 1 or nothing, got {value!r}", spec.columns.label)
    if number is None:
        raise wrong(f"expected a finite number or nothing, got {value!r}", spec.columns.label)
    return number


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: Any, now: datetime, column: str, wrong: Callable[[str, str], LabelError]) -> datetime:
    if value is None or value == "":
        return now
    try:
        return as_utc(value) if isinstance(value, datetime) else parse_moment(str(value))
    except ValueError as error:
        raise wrong(str(error), column) from error


def _require_predictions(source: ModelSource, plan: Plan, answers: Sequence[Answer], path: Path) -> None:
    """A prediction that was asked for may have left the log since: a label without one measures nothing."""
    rows, column = source.predictions(plan.window), source.spec.columns.id
    with source.reading_log():
        there = set(rows.filter(rows[column].isin([answer.id for answer in answers])).select(column).to_pandas()[column])
    for answer in answers:
        if answer.id not in there:
            raise LabelError(
                f"{answer.id!r} is no prediction of window {plan.window.key} any more", file=path.name, row=answer.row, column=column
            )


def _folder(source: ModelSource, spec: ModelSpec) -> Path:
    if spec.source.connection is not None:
        raise NotAllowed(
            f"labels of {spec.model} lie in a database ({spec.source.labels}), where vigil writes nothing; load the file there yourself"
        )
    folder = source.folder.joinpath(*Path(str(spec.source.labels)).parts[:-1])
    if not folder.is_dir():
        raise NotAllowed(f"the folder of `source.labels` ({spec.source.labels}) is not one folder that is there; make it, or name one")
    return folder


def _parquet(source: ModelSource, spec: ModelSpec, answers: Sequence[Answer], design: str) -> bytes:
    columns = spec.columns
    text = source.predictions().schema()[columns.id].is_string()
    table = pa.table(
        {
            columns.id: pa.array([answer.id for answer in answers], pa.string() if text else pa.int64()),
            columns.label: pa.array([answer.label for answer in answers], pa.float64()),
            columns.label_time: pa.array([answer.observed_at for answer in answers], pa.timestamp("us", tz="UTC")),
            probability_column(spec): pa.array([answer.probability for answer in answers], pa.float64()),
        }
    ).replace_schema_metadata({METADATA: design.encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _content(answers: Sequence[Answer]) -> bytes:
    return repr([(str(answer.id), answer.label, answer.observed_at) for answer in answers]).encode()


def _known_already(source: ModelSource, answers: Sequence[Answer], plan: Plan, now: datetime) -> bool:
    """Tell whether the labels known now are those that came: the same file again, or one that says the same."""
    known = source.labelled([plan.window], now)
    with source.reading_log():
        frame = known.select(id=known[source.spec.columns.id], label=known["label"]).to_pandas()
    labels = dict(zip(frame["id"], frame["label"], strict=True))
    return all(labels.get(answer.id) == answer.label for answer in answers)
