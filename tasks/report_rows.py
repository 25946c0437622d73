"""The rows that a report shows: bounded, seeded samples in a fixed order, prepared so that any column can be drawn.

Differs from :mod:`tasks.report`, which hands them to Evidently. Numbers become float64 (infinite is null), categories text:
those counted one by one in the version's layout keep their name, others of the reference are together, as are unseen ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd

from vigil.evaluation.population import training_population
from vigil.profile.columns import as_number, as_text, engine_of, finite_only
from vigil.profile.layout import Layout
from vigil.sources.tables import ModelSource
from vigil.spec.model import FeatureType, ModelSpec
from vigil.store.records import Version
from vigil.window import Window

OTHER, UNSEEN = "(other)", "(unseen)"
_HARMFUL = re.compile(r"[^\w .,:;=/%()+\-]")
_SHOWN_LENGTH = 60


@dataclass(frozen=True)
class DriftRows:
    """Both sides of a drift report: frames with harmless column names, ``names`` (shown -> real), and what was left out and why."""

    current: pd.DataFrame
    reference: pd.DataFrame
    names: Mapping[str, str]
    left_out: Mapping[str, str]


def drift_rows(source: ModelSource, window: Window, spec: ModelSpec, version: Version) -> DriftRows:
    """Sample the window's rows that ``version`` scored, and the rows that it was trained on."""
    layout = Layout.from_json(version.layout)
    in_time = (spec.columns.time, spec.columns.id)  # Evidently draws the window's rows in the order that they come in
    current, wrong = _prepared([_of_version(source.predictions(window), spec, version)], spec, layout, in_time)
    reference, wrong_there = _prepared(training_population(source, version), spec, layout)
    left_out = {name: f"{why} in the reference" for name, why in wrong_there.items()} | wrong
    for side, frame in (("the reference", reference), ("the window", current)):
        left_out |= {name: f"no value in {side}" for name in frame.columns if name not in left_out and frame[name].notna().sum() == 0}
    kept = [name for name in spec.features if name not in left_out]
    shown = harmless_names(kept)
    renamed = {real: name for name, real in shown.items()}
    return DriftRows(current[kept].rename(columns=renamed), reference[kept].rename(columns=renamed), shown, left_out)


def labelled_sample(source: ModelSource, window: Window, spec: ModelSpec, version: Version, as_of: datetime) -> pd.DataFrame:
    """Sample the window's labelled rows of ``version`` as ``score`` and ``label``, both finite."""
    rows = _of_version(source.labelled([window], as_of), spec, version)
    rows = rows.order_by([spec.columns.time, spec.columns.id]).select(
        score=as_number(rows[spec.columns.score]), label=as_number(rows.label)
    )
    frame = sample(rows, spec).replace([np.inf, -np.inf], np.nan)
    return frame.dropna().reset_index(drop=True)


def sample(ordered: ibis.Table, spec: ModelSpec) -> pd.DataFrame:
    """Take at most ``reports.sample_rows`` rows of a table that has an order, the same ones every time, in that order."""
    limit = spec.reports.sample_rows
    first: pd.DataFrame = ordered.limit(limit + 1).to_pandas()
    if len(first) <= limit:
        return first
    count = int(ordered.count().to_pyarrow().as_py())
    chosen = np.random.default_rng(spec.training.seed).choice(count, size=limit, replace=False, shuffle=False)
    frame: pd.DataFrame = ordered.to_pyarrow().take(np.sort(chosen)).to_pandas()
    return frame


def harmless_names(names: Iterable[str]) -> dict[str, str]:
    """Return ``shown -> real``: Evidently's page runs what stands in a column's name, so shown names hold nothing that could run.

    >>> harmless_names(["temp", "<script>"])
    {'temp': 'temp', '_script_': '<script>'}
    """
    shown: dict[str, str] = {}
    for real in names:
        name = unique = harmless(real)
        number = 1
        while unique in shown:
            number += 1
            unique = f"{name} {number}"
        shown[unique] = real
    return shown


def harmless(text: str) -> str:
    """Return ``text`` without anything that a page could take for markup or code, at most 60 characters."""
    plain = _HARMFUL.sub("_", text)
    return plain if len(plain) <= _SHOWN_LENGTH else plain[: _SHOWN_LENGTH - 1] + "…"


def _of_version(rows: ibis.Table, spec: ModelSpec, version: Version) -> ibis.Table:
    return rows.filter(rows[spec.columns.version].cast("string") == version.version)


def _prepared(
    tables: Sequence[ibis.Table], spec: ModelSpec, layout: Layout, order: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Sample the rows of ``tables`` together as a frame of features; and the features that cannot be drawn, each with why.

    ``order``: the columns that order the rows; by default the features do, which every source has.
    """
    wrong = {name: why for name in spec.features for table in tables if (why := _why_not(table, name, spec)) is not None}
    wanted = [name for name in spec.features if name not in wrong]
    if not wanted:
        return pd.DataFrame(), wrong
    prefix = "_" * (1 + max(map(len, wanted)))  # longer than any feature's name
    keys = {f"{prefix}{i}": name for i, name in enumerate(order)}
    parts = [
        table.select(**{name: _plain(table, name, spec) for name in wanted}, **{key: table[name] for key, name in keys.items()})
        for table in tables
    ]
    rows = parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)
    frame = sample(rows.order_by([*keys] or wanted), spec)[wanted]
    for name in wanted:
        if spec.features[name].type is FeatureType.CATEGORICAL:
            frame[name] = _grouped(frame[name], name, layout)
    return frame, wrong


def _why_not(table: ibis.Table, name: str, spec: ModelSpec) -> str | None:
    if name not in table.columns:
        return "the column is missing"
    kind = table.schema()[name]
    if spec.features[name].type is FeatureType.NUMERIC and not (kind.is_numeric() or kind.is_boolean()):
        return f"expected numbers, found {kind}"
    return None


def _plain(table: ibis.Table, name: str, spec: ModelSpec) -> ibis.Value:
    if spec.features[name].type is FeatureType.CATEGORICAL:
        return as_text(table[name], engine_of(table))
    return finite_only(as_number(table[name]), table.schema()[name], engine_of(table))


def _grouped(values: pd.Series, name: str, layout: Layout) -> pd.Series:
    counted = {level: harmless(level) for level in layout.categorical.get(name, ())}
    known = layout.known(name) if name in layout.categorical else None
    rest: dict[Any, str] = dict.fromkeys(known or (), OTHER)
    names = rest | counted
    otherwise = OTHER if known is None else UNSEEN
    return values.map(lambda level: None if pd.isna(level) else names.get(level, otherwise)).astype(object)
