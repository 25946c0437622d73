"""The rows of a training or a comparison: one frame with the features as a model sees them, ``label``, ``weight`` and time.

Differs from :mod:`vigil.challenger.training_data`, which chooses windows and never sees a row. The same rows in another
order, from other files, give the same frame, so that fitting again gives the same model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object

from vigil.errors import NotEnoughData, SourceError
from vigil.spec.model import FeatureType, ModelSpec, Task

LABEL, WEIGHT = "label", "weight"  # the names that trainers are given
GROUP = "group: "  # before the name of a column that models are not given


def model_features(rows: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return the features in the spec's order and in the types that every trainer and model is given.

    Numeric features are float64 (null as NaN), categorical ones are object columns (null as NaN).

    Raises:
        SourceError: a feature is missing, or a numeric one holds something that is not a number.
    """
    columns: dict[str, pd.Series] = {}
    for name, feature in spec.features.items():
        if name not in rows.columns:
            raise SourceError(f"missing among the columns {', '.join(map(str, rows.columns))}", source=spec.model, column=name)
        if feature.type is FeatureType.NUMERIC:
            try:
                columns[name] = rows[name].astype("float64")
            except (TypeError, ValueError) as error:
                raise SourceError(f"expected numbers ({error})", source=spec.model, column=name) from error
        else:
            values = rows[name].astype(object)
            columns[name] = values.where(values.notna(), np.nan)
    return pd.DataFrame(columns, index=rows.index)


def labelled_rows(rows: pd.DataFrame, spec: ModelSpec, also: Collection[str] = ()) -> pd.DataFrame:
    """Return labelled rows in canonical order: the features, ``label``, ``weight`` and the time column (UTC, NaT where absent).

    ``rows`` have the log's own names (``spec.columns``). ``weight`` is 1 / inclusion probability, 1 where the column is not there.
    ``also`` are columns that no model is given (protected ones), carried along as ``group: NAME``. Rows without a label are left out.
    The order is by time, then id, then content, so that it does not depend on the order in which the rows came.

    Raises:
        SourceError: a feature or the label is missing, an inclusion probability is not in (0, 1], or a binary label is not 0 or 1.
    """
    columns = spec.columns
    if columns.label not in rows.columns:
        raise SourceError("missing from the labelled rows", source=spec.model, column=columns.label)
    rows = rows[rows[columns.label].notna()].reset_index(drop=True)
    frame = model_features(rows, spec)
    frame[LABEL] = _labels(rows[columns.label], spec)
    frame[WEIGHT] = _weights(rows, spec)
    frame[columns.time] = _times(rows, columns.time)
    for name in also:
        frame[GROUP + name] = _present(rows, name, spec)
    ids = rows[columns.id].astype(str) if columns.id in rows.columns else pd.Series("", index=rows.index)
    content = hash_pandas_object(frame, index=False)
    order = pd.DataFrame({"time": frame[columns.time], "id": ids, "content": content}).sort_values(["time", "id", "content"]).index
    ordered: pd.DataFrame = frame.loc[order].reset_index(drop=True)
    return ordered


def training_rows(
    labelled: pd.DataFrame,
    reference: pd.DataFrame | None,
    spec: ModelSpec,
    *,
    before: datetime | None = None,
    also: Collection[str] = (),
    minimum: int | None = None,
) -> pd.DataFrame:
    """Return what the trainer is given: the reference's rows before those of the windows, each in canonical order.

    Args:
        before: rows at or after this moment are left out; those without a time stay.
        also: as of :func:`labelled_rows`.

    Raises:
        NotEnoughData: fewer rows than ``minimum`` (default ``training.minimum_rows``), or one class only.
        SourceError: as :func:`labelled_rows`.
    """
    parts = [labelled_rows(part, spec, also) for part in (reference, labelled) if part is not None and len(part)]
    if before is not None:
        parts = [part[~(part[spec.columns.time] >= before)] for part in parts]
    count = sum(map(len, parts))
    needed = spec.training.minimum_rows if minimum is None else minimum
    if count < needed:
        raise NotEnoughData(
            f"{spec.model}: training needs {needed} labelled rows, found {count}; wait for more labels, or lower training.minimum_rows"
        )
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    if spec.task is Task.BINARY and frame[LABEL].nunique() < 2:
        raise NotEnoughData(f"{spec.model}: training needs rows of both classes, all {count} have label {frame[LABEL].iloc[0]}")
    return frame


def before_gap(rows: pd.DataFrame, later: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return the rows that are earlier than all of ``later`` by the label delay at least; those without a time stay."""
    begins = later[spec.columns.time].min() - timedelta(days=spec.labels.delay_days)
    kept: pd.DataFrame = rows[~(rows[spec.columns.time] >= begins)].reset_index(drop=True)
    return kept


def groups_of(rows: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return the segment and protected columns of labelled rows as text, under their own names; null is ``(null)``."""
    named = {name: name for name in spec.segments} | {name: GROUP + name for name in spec.fairness.protected if GROUP + name in rows}
    return pd.DataFrame({name: rows[column].astype("string").fillna("(null)") for name, column in named.items()}, index=rows.index)


def rows_digest(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's column names and values, in its order (canonical where made by this module).

    Numbers count as float64, times as microseconds since 1970 UTC, all else as text; null is null. Equal content gives an equal digest
    on every platform and pandas version.
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(json.dumps([str(name), len(column)]).encode())
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            digest.update(column.dt.as_unit("us").dt.tz_localize(None).to_numpy().astype("<i8").tobytes())
        elif pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype="<f8", na_value=np.nan)
            digest.update(np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8").tobytes())
        else:
            digest.update(json.dumps([None if pd.isna(value) else str(value) for value in column]).encode())
    return digest.hexdigest()


def _present(rows: pd.DataFrame, name: str, spec: ModelSpec) -> pd.Series:
    if name not in rows.columns:
        raise SourceError("a protected column is missing from the labelled rows", source=spec.model, column=name)
    found: pd.Series = rows[name]
    return found


def _labels(label: pd.Series, spec: ModelSpec) -> np.ndarray:
    name = spec.columns.label
    try:
        values = label.astype("float64").to_numpy()
    except (TypeError, ValueError) as error:
        raise SourceError(f"expected numbers ({error})", source=spec.model, column=name) from error
    if spec.task is not Task.BINARY:
        if not np.isfinite(values).all():
            raise SourceError("expected finite numbers", source=spec.model, column=name)
        return values
    odd = np.unique(values[(values != 0) & (values != 1)])
    if odd.size:
        raise SourceError(f"expected 0 or 1, found {odd[:5].tolist()}", source=spec.model, column=name)
    return values.astype(np.int64)


def _weights(rows: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    name = spec.columns.inclusion_probability
    if name is None or name not in rows.columns:
        return np.ones(len(rows))
    probability = rows[name].astype("float64").to_numpy()
    if not ((probability > 0) & (probability <= 1)).all():
        raise SourceError("an inclusion probability lies in (0, 1]", source=spec.model, column=name)
    return np.asarray(1.0 / probability)


def _times(rows: pd.DataFrame, name: str) -> pd.Series:
    if name not in rows.columns:
        return pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    times: pd.Series = pd.to_datetime(rows[name], utc=True).dt.as_unit("us")
    return times
