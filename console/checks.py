"""What ``vigil check`` looks at: whether a model's specification and its data fit together. It writes nothing.

Differs from :mod:`console.doctor`, which looks at the installation, and from data quality, which judges a window's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vigil.decision.phrases import percent, plural, when
from vigil.errors import VigilError
from vigil.sources.tables import EARLIEST, ModelSource
from vigil.spec.model import FeatureType, ModelSpec
from vigil.window import as_utc
from vigil.workspace import open_source

if TYPE_CHECKING:
    from vigil.project import Project

OK, WARNING, FAILED = "ok", "warning", "failed"
Finding = tuple[str, str]  # verdict, message


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. ``verdict`` is ``ok``, ``warning`` (it will run, but look) or ``failed``."""

    model: str
    check: str
    verdict: str
    message: str


def check_model(project: Project, spec: ModelSpec, now: datetime) -> Iterator[Check]:
    """Yield what was found, one check after the other; where the prediction log cannot be read, only what does not need it."""

    def of(look: Callable[[ModelSource, ModelSpec], Finding]) -> Callable[[], Finding]:
        def looked() -> Finding:
            opened = open_source(project, spec)
            with opened.engine.reading(spec.model):
                return look(opened, spec)

        return looked

    log = _looked(spec, "predictions", of(lambda opened, spec: _rows(opened, spec, now)))
    yield log
    if log.verdict != FAILED:
        yield _looked(spec, "features", of(_features))
        yield _looked(spec, "windows", of(lambda opened, spec: _windows(opened, spec, now)))
        yield _looked(spec, "labels", of(lambda opened, spec: _labels(opened, spec, now)))
    yield _looked(spec, "false alarms", lambda: _false_alarms(spec))
    yield _looked(spec, "reference", of(_reference))
    yield _looked(spec, "trainer", lambda: _trainer(project, spec))


def _looked(spec: ModelSpec, name: str, look: Callable[[], Finding]) -> Check:
    try:
        verdict, message = look()
    except VigilError as error:
        verdict, message = FAILED, str(error)
    return Check(spec.model, name, verdict, message)


def _rows(source: ModelSource, spec: ModelSpec, now: datetime) -> Finding:
    rows = source.known_by(now)
    times = rows[spec.columns.time]
    found = rows.agg(rows=rows.count(), first=times.min(), last=times.max()).to_pyarrow().to_pylist()[0]
    if not found["rows"]:
        return FAILED, f"{spec.source.predictions} has no row yet that can have happened"
    return OK, f"{plural(found['rows'], 'row')} from {when(as_utc(found['first']))} to {when(as_utc(found['last']))}"


def _features(source: ModelSource, spec: ModelSpec) -> Finding:
    schema = source.predictions().schema()
    missing = [name for name in spec.features if name not in schema]
    if missing:
        return FAILED, f"not in the prediction log: {', '.join(missing)}; it has {', '.join(source.columns())}"
    texts = [
        f"{name} ({schema[name]}{_in_file(source.part_without_numbers(name))})"
        for name, feature in spec.features.items()
        if feature.type is FeatureType.NUMERIC and not (schema[name].is_numeric() or schema[name].is_boolean())
    ]
    if texts:
        return FAILED, f"numeric in the specification, not in the log: {', '.join(texts)}"
    categorical = sum(feature.type is FeatureType.CATEGORICAL for feature in spec.features.values())
    return OK, f"{len(spec.features) - categorical} numeric, {categorical} categorical"


def _in_file(part: str | None) -> str:
    return "" if part is None else f", in {part}"


def _windows(source: ModelSource, spec: ModelSpec, now: datetime) -> Finding:
    rows = source.known_by(now)
    day = rows[spec.columns.time].date()
    counts: dict[object, int] = {}
    for found in rows.group_by(day=day).agg(rows=rows.count()).to_pyarrow().to_pylist():
        if found["day"] is not None:
            start = spec.window.containing(as_utc(found["day"])).start
            counts[start] = counts.get(start, 0) + int(found["rows"])
    few = {start: rows for start, rows in counts.items() if rows < spec.drift.minimum_rows}
    if not counts:
        return FAILED, "no row has an event time"
    median = sorted(counts.values())[len(counts) // 2]
    told = f"{plural(len(counts), 'window')} of {plural(spec.window.days, 'day')} with rows, median {plural(median, 'row')}"
    future = source.future_rows(now)
    if future:
        return WARNING, (
            f"{told}; {plural(future, 'row')} later than the present by more than source.clock_skew_minutes "
            f"{spec.source.clock_skew_minutes:g}, or before {EARLIEST.year}: quarantined, in no window"
        )
    if few:
        return (
            WARNING,
            f"{told}; {plural(len(few), 'window')} below drift.minimum_rows {spec.drift.minimum_rows}: drift stays not_enough_data",
        )
    return OK, told


def _labels(source: ModelSource, spec: ModelSpec, now: datetime) -> Finding:
    predicted = int(source.predictions().count().to_pyarrow().as_py())
    labels = source.labels(now)
    ids = source.predictions()
    joined = int(ids.semi_join(labels, spec.columns.id).count().to_pyarrow().as_py())
    known = int(labels.count().to_pyarrow().as_py())
    if not known:
        return WARNING, f"none yet in {spec.source.labels}: performance stays not_enough_data"
    if not joined:
        return FAILED, f"{plural(known, 'label')}, but none has the `{spec.columns.id}` of a prediction"
    return OK, f"{plural(joined, 'prediction')} of {predicted:,} labelled ({percent(joined / predicted)})"


def _false_alarms(spec: ModelSpec) -> Finding:
    from vigil.drift.false_alarms import expected_false_alarms

    found = expected_false_alarms(spec)
    rate, features = spec.drift.false_discovery_rate, len(spec.features)
    return OK, (
        f"where nothing drifts, at most {found.features:.2g} false feature alarms a year, in {found.windows:.2g} windows "
        f"({found.windows_per_year:.0f} windows of {plural(features, 'feature')}, drift.false_discovery_rate {rate:g} a window)"
    )


def _reference(source: ModelSource, spec: ModelSpec) -> Finding:
    if spec.source.reference is None:
        return WARNING, f"source.reference is not given: `vigil adopt {spec.model}` needs it to train a first version"
    rows = int(source.reference_rows().count().to_pyarrow().as_py())
    if rows < spec.training.minimum_rows:
        return FAILED, f"{plural(rows, 'row')} in {spec.source.reference}, training.minimum_rows is {spec.training.minimum_rows}"
    return OK, f"{plural(rows, 'labelled row')} in {spec.source.reference}"


def _trainer(project: Project, spec: ModelSpec) -> Finding:
    from vigil.challenger.fit import load_trainer
    from vigil.challenger.search import require_optuna

    load_trainer(project.folder, spec.training.trainer)
    if spec.training.search is not None:
        require_optuna()
    return OK, f"{spec.training.trainer} is importable"
