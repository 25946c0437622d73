"""All that is measured of one look: drift, performance and health, from stored profiles, labels and one aggregate each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ibis
import pandas as pd

from vigil.business.kpi import measure_kpis
from vigil.business.value import measure_value
from vigil.challenger.project_code import importable
from vigil.drift.measure import measure_drift
from vigil.errors import ChampionNotFound, SourceError
from vigil.evaluation.baseline import baseline_of
from vigil.evaluation.earlier import maturity_of, predictions_of
from vigil.evaluation.kind import kind_measurements
from vigil.evaluation.look import Look
from vigil.evaluation.multivariate import multivariate_drift
from vigil.evaluation.recoverable import recoverable_measurements
from vigil.evaluation.references import drift_from_earlier
from vigil.evaluation.scores import label_free, population_of, some_of
from vigil.health.measure import measure_health
from vigil.health.training import measure_training
from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.fairness import Called, measure_fairness
from vigil.performance.measure import judged_by, measure_performance
from vigil.performance.own import own_functions
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.sources.columns import Kind, require_columns
from vigil.sources.outcomes import PREFIX as KPI
from vigil.sources.tables import STRATUM, ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Version

LABELLED_ROWS = 200_000  # scored in memory at most; beyond it a fixed pseudo-random part of them is taken


def quality_passed(measurements: Iterable[Measurement]) -> bool:
    """Tell whether no critical expectation failed."""
    return not any(m.layer is Layer.DATA_QUALITY and m.verdict is Verdict.BREACH for m in measurements)


def profiles_of(source: ModelSource, store: Store, spec: ModelSpec, look: Look) -> Mapping[tuple[str, str], Profile]:
    """Return the window's profiles by (version, segment): from the store where this very data was profiled before, else by one scan.

    Raises:
        SourceError: the rows are not as many as the look saw, so its digest is not theirs.
    """
    layout = Layout.from_json(version_of(store, look).layout)
    stored = store.profiles(spec.model, look.window, look.data_digest, layout.digest)
    if stored:
        return {key: Profile.from_json(body) for key, body in stored.items()}
    with source.reading_log():
        profiles = profile_rows(source.predictions(look.window), spec, layout)
    profiled = profiles[WHOLE, WHOLE].rows
    if profiled != look.rows:
        raise SourceError(
            f"window {look.window.key} had {look.rows} rows when the look began and {profiled} when they were profiled: they changed "
            "while they were looked at. Nothing of it was kept; run it again",
            source=str(spec.source.predictions),
        )
    bodies = {key: profile.to_json() for key, profile in profiles.items()}
    store.save_profiles(spec.model, look.window, look.data_digest, layout.digest, bodies)
    return profiles


def drift_of(source: ModelSource, store: Store, spec: ModelSpec, look: Look) -> tuple[Measurement, ...]:
    """Measure the drift of the rows that the looked-at version scored: against its training reference, which decides, and the
    references of earlier windows and the domain classifier that the specification asks for, which are shown."""
    version = version_of(store, look)
    profiles = profiles_of(source, store, spec, look)
    current = profiles.get((look.version, WHOLE))
    if current is None:
        return ()
    reference = Profile.from_json(version.profile)
    against_training = measure_drift(current, reference, spec, importance=version.importance, version=look.version)
    from_earlier = drift_from_earlier(store, spec, look, version, current, reference)
    return against_training + from_earlier + multivariate_drift(source, spec, look, version)


def performance_of(source: ModelSource, store: Store, spec: ModelSpec, look: Look) -> tuple[Measurement, ...]:
    """Measure performance on the labels that had arrived by the look, for the rows of the looked-at version.

    The version's baseline is compared with only where it was measured in the same metric.
    """
    version = version_of(store, look)
    baseline = baseline_of(store, spec, look, version)
    called = called_positive(source, spec, look)
    rows, maturity = labelled_frame(source, spec, look), maturity_of(source, spec, look)
    population = population_of(source, spec, look)
    with importable(source.folder):
        own = own_functions(spec.performance.own_metrics)
        found = measure_performance(rows, spec, version=look.version, baseline=None, maturity=maturity, own=own, population=population)
    if baseline is not None:
        judged = spec.performance.metric.value, WHOLE
        found = tuple(judged_by(baseline, each, spec) if (each.metric, each.subject) == judged else each for each in found)
    found += measure_fairness(rows, called, spec, version=look.version)
    if spec.performance.label_free:
        found += (label_free(source, spec, look),)
    found += measure_value(rows, predictions_of(source, spec, look), spec, version=look.version)
    if spec.business.kpis:
        found += measure_kpis(_outcomes(source, spec, look), spec, version=look.version)
    return found + kind_measurements(source, store, spec, look, found) + recoverable_measurements(source, store, spec, look, found)


def _outcomes(source: ModelSource, spec: ModelSpec, look: Look) -> pd.DataFrame:
    """Return the outcomes of the looked-at version's predictions, at most :data:`LABELLED_ROWS`, by KPI, and their segments."""
    rows = source.outcomes(look.window, look.as_of)
    rows = some_of(rows.filter(rows[spec.columns.version] == look.version), spec, LABELLED_ROWS)
    segments = {name: rows[name] for name in spec.segments}
    with source.reading_log():
        frame: pd.DataFrame = rows.select(**{name: rows[KPI + name] for name in spec.business.kpis}, **segments).to_pandas()
    return frame


def called_positive(source: ModelSource, spec: ModelSpec, look: Look) -> Called:
    """Count the looked-at version's predictions, and those called positive, by each group of each protected column.

    Raises:
        SourceError: the log has no such column.
    """
    rows, found = source.predictions(look.window), {}
    rows = rows.filter(rows[spec.columns.version] == look.version)
    for column in spec.fairness.protected:
        require_columns(rows, {"fairness.protected": (column, Kind.ANY)}, str(spec.source.predictions))
        score = rows[spec.columns.score].cast("float64")
        positive = (score >= spec.performance.decision_threshold).sum()
        scored = rows.filter(score >= 0, score <= 1)
        group = scored[column].cast("string").fill_null("(null)")
        with source.reading_log():
            counted = scored.group_by(_group=group).agg(_rows=scored.count(), _called=positive).to_pyarrow().to_pylist()
        found[column] = {row["_group"]: (int(row["_rows"]), int(row["_called"])) for row in counted}
    return found


def health_of(source: ModelSource, spec: ModelSpec, look: Look) -> tuple[Measurement, ...]:
    """Measure latency, errors and throughput of the looked-at version."""
    return measure_health(source.predictions(look.window), spec, version=look.version, logged=look.rows)


def training_of(store: Store, spec: ModelSpec, look: Look) -> tuple[Measurement, ...]:
    """Measure how reliably challengers were trained, as known at the look."""
    return measure_training(store.training_attempts(spec.model), spec, look.as_of)


def labelled_frame(source: ModelSource, spec: ModelSpec, look: Look) -> pd.DataFrame:
    """Return the look's labelled rows as a frame of ``score``, ``label``, ``inclusion_probability`` and the segment columns."""
    rows = source.labelled([look.window], look.as_of)
    rows = rows.filter(rows[spec.columns.version].cast("string") == look.version)
    if look.labels > LABELLED_ROWS:
        rows = some_of(rows, spec, LABELLED_ROWS)
    columns = {"score": rows[spec.columns.score], "label": rows["label"], "inclusion_probability": rows["inclusion_probability"]}
    segments = {name: rows[name] for name in (*spec.segments, *spec.fairness.protected)}
    if STRATUM in rows.columns:
        columns["stratum"] = rows[STRATUM]
    frame: pd.DataFrame = (
        rows.order_by([ibis.asc(rows[spec.columns.time]), ibis.asc(rows[spec.columns.id])]).select(**columns, **segments).to_pandas()
    )
    return frame


def version_of(store: Store, look: Look) -> Version:
    """Return the record of the looked-at version."""
    version = store.version(look.model, look.version)
    if version is None:
        raise ChampionNotFound(f"version {look.version} of {look.model} is not in the store; run `vigil adopt {look.model}`")
    return version
