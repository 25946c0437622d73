"""The drift of all features together, of one look: a bounded sample of its rows against one of those that the version was trained on.

Shown; it never decides. Differs from :mod:`vigil.drift.multivariate`, which is given the rows: here they are chosen in the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd

from vigil.drift.multivariate import CATEGORIES, FEWEST_ROWS, domain_classifier
from vigil.drift.statistics import Floats
from vigil.errors import SourceError
from vigil.evaluation.look import Look
from vigil.evaluation.population import training_population
from vigil.measurement import TRAINING, Layer, Measurement, Verdict
from vigil.profile.columns import as_number, as_text, engine_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, ModelSpec
from vigil.store.records import Version

DOMAIN_AUC = "domain_auc"
CARRIERS = 5  # features named at most
KEY = "vigil_key"  # the name of the id beside sampled rows; no feature is called so


def multivariate_drift(source: ModelSource, spec: ModelSpec, look: Look, version: Version) -> tuple[Measurement, ...]:
    """Measure how well the looked-at version's rows can be told from those that it was trained on; nothing where it is not asked for.

    ``domain_auc`` of the whole window, with its interval at ``performance.confidence``, without a threshold. Its detail names at most
    :data:`CARRIERS` features that carry it, with how far the AUC falls without each (only falls above 0, only where the interval
    lies above 0.5). ``not_enough_data`` with the reason below ``drift.minimum_rows`` or :data:`~vigil.drift.multivariate.FEWEST_ROWS`
    rows on a side, and where the rows of the training are gone.
    """
    limit = spec.drift.multivariate_rows
    if limit is None:
        return ()
    try:
        population = training_population(source, version)
        reference = sampled(population, spec, limit) if population else pd.DataFrame()
    except SourceError as error:  # it is only shown, and a model is monitored without its training rows
        return (_too_few(look, 0, f"the rows of the training cannot be read: {error}"),)
    rows = source.predictions(look.window)
    current = sampled([rows.filter(rows[spec.columns.version] == look.version)], spec, limit)
    needed = max(min(spec.drift.minimum_rows, limit), FEWEST_ROWS)
    if min(len(current), len(reference)) < needed:
        return (_too_few(look, len(current), f"needs {needed} rows on both sides, got {len(current)} and {len(reference)}"),)
    categorical = [feature.type is FeatureType.CATEGORICAL for feature in spec.features.values()]
    x = encoded(pd.concat([current, reference], ignore_index=True), categorical)
    rng = np.random.default_rng(spec.training.seed)
    told = domain_classifier(x[: len(current)], x[len(current) :], categorical, rng, confidence=spec.performance.confidence)
    falls = sorted(zip(spec.features, told.falls, strict=True), key=lambda item: (-item[1], item[0]))
    carried = [{"feature": name, "fall": fall} for name, fall in falls[:CARRIERS] if fall > 0]
    value, low, high = told.auc
    detail = {"carried_by": carried, "reference_n": len(reference)}
    return (_measurement(look, value, Verdict.OK, len(current), low=low, high=high, detail=detail),)


def sampled(tables: Sequence[ibis.Table], spec: ModelSpec, limit: int, *, keyed: bool = False) -> pd.DataFrame:
    """Return at most ``limit`` rows of the tables together, the same ones every time: features as float64 or text, in a fixed order.

    The engine chooses the rows with the smallest hash of their id and the seed, so that neither the order of rows nor the layout of
    files matters. Rows without an id column (a reference may have none) are chosen by their content; equal rows are numbered, so
    that they keep their share.
    """
    parts = [_keyed(table, spec) for table in tables]
    rows = parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)
    place: Any = (rows["key"] + f"|{spec.training.seed}").hash()
    chosen = rows.mutate(place=place).order_by(["place", *rows.columns]).limit(limit).drop("place")
    frame: pd.DataFrame = chosen.to_pandas()
    keys = frame.pop("key")
    frame.columns = pd.Index(list(spec.features))
    return frame.assign(**{KEY: keys}) if keyed else frame


def feature_columns(table: ibis.Table, spec: ModelSpec) -> dict[str, Any]:
    """Return the features under names of their own, ``f0``, ``f1``, ... in the specification's order: float64 or text."""
    engine = engine_of(table)
    return {
        f"f{i}": as_number(table[name]) if feature.type is FeatureType.NUMERIC else as_text(table[name], engine)
        for i, (name, feature) in enumerate(spec.features.items())
    }


def _keyed(table: ibis.Table, spec: ModelSpec) -> ibis.Table:
    """The features under names of their own, and a text that tells a row from others."""
    columns = feature_columns(table, spec)
    if spec.columns.id in table.columns:
        return table.select(key=table[spec.columns.id].cast("string"), **columns)
    features = table.select(**columns)
    content: Any = ibis.literal("")
    for name in features.columns:
        content = content + "|" + features[name].cast("string").fill_null("")
    keyed = features.mutate(content=content)
    keyed = keyed.mutate(twin=ibis.row_number().over(group_by="content"))
    return keyed.select(key=keyed["content"] + "|" + keyed["twin"].cast("string"), **{name: keyed[name] for name in columns})


def encoded(rows: pd.DataFrame, categorical: Sequence[bool]) -> Floats:
    """Return the rows as float64: numbers as they are, of categories the most frequent as codes 0, 1, ... and the rest as one more."""
    columns = []
    for name, is_category in zip(rows.columns, categorical, strict=True):
        column = rows[name]
        if is_category:
            counted = sorted((-int(count), str(level)) for level, count in column.value_counts().items())
            codes = {level: float(code) for code, (_, level) in enumerate(counted[: CATEGORIES - 1])}
            column = column.map(codes).fillna(float(CATEGORIES - 1)).where(column.notna())
        columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.column_stack(columns)


def _too_few(look: Look, n: int, because: str) -> Measurement:
    return _measurement(look, None, Verdict.NOT_ENOUGH_DATA, n, detail={"because": because})


def _measurement(look: Look, value: float | None, verdict: Verdict, n: int, **more: Any) -> Measurement:
    return Measurement(Layer.DRIFT, DOMAIN_AUC, value, verdict, n, version=look.version, reference=TRAINING, **more)
