"""Which predictions of a window are worth a person's look, and why: the borderline, the wrong, the odd, and some at random.

Only those at random say anything about all predictions: they are a plan of labels (:mod:`vigil.labels.plan`), and their labels count with
the plan's probabilities. The others are picked on purpose. Their labels stay out of every estimate, for a model looks worse on its own
borderline, and its known errors say nothing of those not known. Differs from :mod:`vigil.review.session`, which makes a file of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Any

import ibis
import numpy as np
import pandas as pd

from vigil.drift.multivariate import FEWEST_ROWS, scores_now
from vigil.errors import SourceError
from vigil.evaluation.multivariate import KEY, encoded, sampled
from vigil.evaluation.population import training_population
from vigil.profile.columns import as_number, as_text, engine_of, finite_only
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, ModelSpec, Task
from vigil.store.records import Version
from vigil.window import Window

KNOWN = 5_000  # categories of a feature, at most, among which a new one is looked for; convention
UNLIKE = 0.99  # rank among the rows of both sides from which a row counts as unlike the training; convention


class Why(StrEnum):
    """Why a prediction is in the queue."""

    BORDERLINE = "borderline"
    ERROR = "recent error"
    NEW_CATEGORY = "new category"
    OUT_OF_RANGE = "out of range"
    UNLIKE_TRAINING = "unlike training"
    CONTROL = "random control"


@dataclass(frozen=True)
class Pick:
    """A prediction to look at, with every reason that it was picked for, such as ``new category: carrier=XX``."""

    id: Any
    why: tuple[str, ...]


def purposive(source: ModelSource, spec: ModelSpec, window: Window, version: Version, *, most: int, now: datetime) -> tuple[Pick, ...]:
    """Return at most ``most`` predictions of ``window`` that were picked on purpose, the reasons taking turns.

    - ``borderline``: unlabelled, the score nearest to ``performance.decision_threshold`` (binary).
    - ``recent error``: labelled by ``now``, and wrong; the furthest off first.
    - ``new category``: a feature has a value that the version's reference did not have (of at most :data:`KNOWN` that it had).
    - ``out of range``: a feature lies beyond all of the reference, or its physical limits; furthest first, in the reference's ranges.
    - ``unlike training``: the domain classifier tells them from the training rows most surely; where ``drift.multivariate_rows`` is set.
    """
    turns: dict[Any, list[str]] = {}
    lists = [
        _borderline(source, spec, window, most, now),
        _errors(source, spec, window, most, now),
        _odd(source, spec, window, version, most),
        _unlike(source, spec, window, version, most),
    ]
    for row in zip_longest(*lists):
        for each, why in filter(None, row):
            turns.setdefault(each, []).append(why)
    return tuple(Pick(each, tuple(dict.fromkeys(why))) for each, why in list(turns.items())[:most])


Found = Sequence[tuple[Any, str]]


def _borderline(source: ModelSource, spec: ModelSpec, window: Window, most: int, now: datetime) -> Found:
    if spec.task is not Task.BINARY:
        return []
    rows, columns = source.predictions(window), spec.columns
    labelled = source.labelled([window], now)
    rows = rows.anti_join(labelled, [(rows[columns.id], labelled[columns.id])])
    score = rows[columns.score].cast("float64")
    near = rows.filter(score >= 0, score <= 1).select(id=columns.id, off=(score - spec.performance.decision_threshold).abs())
    return [(each["id"], Why.BORDERLINE.value) for each in _first(source, near, ["off", "id"], most)]


def _errors(source: ModelSource, spec: ModelSpec, window: Window, most: int, now: datetime) -> Found:
    rows = source.labelled([window], now)
    score, label = rows[spec.columns.score].cast("float64"), rows["label"]
    off: Any = (score - label).abs()
    finite = rows.filter(~(score.isnan() | score.isinf()))
    if spec.task is Task.BINARY:
        finite = finite.filter((score >= spec.performance.decision_threshold) != (label == 1), score >= 0, score <= 1)
    worst = finite.select(id=spec.columns.id, off=off)
    return [(each["id"], Why.ERROR.value) for each in _first(source, worst, [ibis.desc("off"), "id"], most)]


def _odd(source: ModelSource, spec: ModelSpec, window: Window, version: Version, most: int) -> Found:
    rows = source.predictions(window)
    layout, profile = Layout.from_json(version.layout), Profile.from_json(version.profile)
    engine = engine_of(rows)
    found: list[tuple[Any, str]] = []
    for name, feature in spec.features.items():
        if name not in rows.columns:
            continue
        if feature.type is FeatureType.CATEGORICAL:
            known = layout.known(name)
            if known is None or len(known) > KNOWN:
                continue
            value: Any = as_text(rows[name], engine)
            new = rows.select(id=spec.columns.id, value=value).filter(value.notnull(), ~value.isin(known))
            found += [(each["id"], f"{Why.NEW_CATEGORY}: {name}={each['value']}") for each in _first(source, new, ["id"], most)]
            continue
        summary = profile.numeric[name]
        if summary.minimum is None or summary.maximum is None:
            continue
        low = max(summary.minimum, feature.minimum if feature.minimum is not None else summary.minimum)
        high = min(summary.maximum, feature.maximum if feature.maximum is not None else summary.maximum)
        number: Any = finite_only(as_number(rows[name]), rows.schema()[name], engine)
        beyond: Any = ibis.greatest(low - number, number - high)
        off = beyond / ((high - low) or 1.0)
        far = rows.select(id=spec.columns.id, value=number, off=off).filter(off > 0)
        worst = _first(source, far, [ibis.desc("off"), "id"], most)
        found += [(each["id"], f"{Why.OUT_OF_RANGE}: {name}={each['value']:g}") for each in worst]
    return found[:most]


def _unlike(source: ModelSource, spec: ModelSpec, window: Window, version: Version, most: int) -> Found:
    limit = spec.drift.multivariate_rows
    if limit is None:
        return []
    try:
        population = training_population(source, version)
        reference = sampled(population, spec, limit) if population else None
    except SourceError:  # the rows of the training are gone; the rest of the queue stands
        return []
    current = sampled([source.predictions(window)], spec, limit, keyed=True)
    if reference is None or min(len(reference), len(current)) < FEWEST_ROWS:
        return []
    text = source.predictions().schema()[spec.columns.id].is_string()
    ids = [each if text else int(each) for each in current.pop(KEY)]
    categorical = [feature.type is FeatureType.CATEGORICAL for feature in spec.features.values()]
    x = encoded(pd.concat([current, reference], ignore_index=True), categorical)
    score = scores_now(x[: len(current)], x[len(current) :], categorical, np.random.default_rng(spec.training.seed))
    order = np.argsort(-score, kind="stable")[:most]
    return [(ids[place], Why.UNLIKE_TRAINING.value) for place in order if score[place] > UNLIKE]


def _first(source: ModelSource, rows: ibis.Table, by: Sequence[Any], most: int) -> Iterator[Mapping[str, Any]]:
    with source.reading_log():
        found = rows.order_by(list(by)).limit(most).to_pyarrow().to_pylist()
    return iter(found)
