"""The columns that a model's rows are profiled by, as Ibis expressions every engine computes alike.

Differs from :mod:`.layout` (where to count) and :mod:`.scan` (the counting): here a raw column becomes one of two things, a
float64 or a text, and a column that can be neither is refused by name.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import ibis
import ibis.expr.datatypes as dt

from vigil.errors import SourceError
from vigil.spec.model import FeatureType, ModelSpec

_T = TypeVar("_T")
_WHOLE_FLOATS = 2.0**53  # up to here every whole number is a float64


def columns_to_profile(rows: ibis.Table, spec: ModelSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the numeric and the categorical columns to profile: all features, and the score where the rows have it.

    Raises:
        SourceError: a feature's column is missing, or is of a type that cannot be profiled as the spec says.
    """
    for name in spec.features:
        if name not in rows.columns:
            raise SourceError(
                f"the feature is not in the rows; they have {', '.join(rows.columns)}. Rename it in features:, or repair the log",
                source=f"model {spec.model}",
                column=name,
            )
    numeric = [name for name, feature in spec.features.items() if feature.type is FeatureType.NUMERIC]
    categorical = [name for name, feature in spec.features.items() if feature.type is FeatureType.CATEGORICAL]
    if spec.columns.score in rows.columns:
        numeric.append(spec.columns.score)
    schema = rows.schema()
    for name in numeric:
        if not (schema[name].is_numeric() or schema[name].is_boolean() or schema[name].is_null()):
            raise _wrong_type(spec, name, schema[name], "numbers", "declare it categorical")
    for name in categorical:
        if schema[name].is_nested() or schema[name].is_binary():
            raise _wrong_type(spec, name, schema[name], "plain values", "log one value a row")
    return tuple(numeric), tuple(categorical)


def as_number(column: ibis.Column) -> Any:
    """Return the column as float64; NaN and infinities stay what they are, null stays null. PostgreSQL casts no boolean to a float."""
    kind = column.type()
    if kind.is_float64():
        return column
    return (column.cast("int32") if kind.is_boolean() else column).cast("float64")


def finite_only(number: Any, kind: dt.DataType, engine: str) -> Any:
    """Return ``number`` with NaN and infinities as null; ``kind`` is the type of the column it came from."""
    if not may_be_endless(kind):
        return number
    if engine == "pyspark":  # Ibis 12 compiles isinf to FALSE there; NaN is above all numbers
        return ibis.ifelse(number.abs() <= exactly(sys.float_info.max), number, ibis.null("float64"))
    return ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)


def may_be_endless(kind: dt.DataType) -> bool:
    """Tell whether a column of this type can hold NaN or infinities: floats, and PostgreSQL's numeric."""
    return bool(kind.is_floating() or kind.is_decimal())


def as_text(column: ibis.Column, engine: str) -> Any:
    """Return the column as text, so that 3, 3.0 and the text ``3`` are one category; NaN is null.

    ``engine`` is the one that the column is of (:func:`engine_of`). The text is DuckDB's on every engine, for a layout made
    on one counts rows on another.
    """
    kind = column.type()
    if kind.is_string():
        return column
    if kind.is_floating():
        raw: Any = column.cast("float64")
        number: Any = ibis.ifelse(raw.isnan(), ibis.null("float64"), raw)
        near: Any = ibis.ifelse(number.abs() < _WHOLE_FLOATS, number, ibis.null("float64"))
        return ibis.ifelse(near.floor() == near, near.cast("int64").cast("string"), _text_of_float(number, engine))
    text = column.cast("string")
    if kind.is_timestamp() and engine == "pyspark":  # Ibis gives Spark's instants and its naive times one type
        instant: Any = _spark_type(column) == "timestamp"
        return ibis.ifelse(instant, text.concat("+00"), text)
    return text


def _text_of_float(number: Any, engine: str) -> Any:
    """The shortest digits that read back as ``number``, with an exponent below 1e-4 and from 1e16 on: ``inf``, ``1e-05``, ``0.5``."""
    if engine == "duckdb":
        return number.cast("string")
    text = (_text_on_spark if engine == "pyspark" else _text_on_postgresql)(number)
    return ibis.cases((number == exactly(math.inf), "inf"), (number == exactly(-math.inf), "-inf"), else_=text)


def _text_on_postgresql(number: Any) -> Any:
    text = number.cast("string")  # it has an exponent from 1e15 on
    plain = text.cast("decimal").cast("string")
    whole = ibis.ifelse(plain.contains("."), plain, plain.concat(".0"))
    return ibis.ifelse((number.abs() >= 1e15) & (number.abs() < 1e16), whole, text)


def _text_on_spark(number: Any) -> Any:
    """Java before 19 writes some numbers with more digits than they need (2e23): fewer are taken where they read back.

    Its last digit may still be another than DuckDB's: that of 18 of 500,000 random floats, all above 1e17, and of subnormal ones.
    """
    java = number.cast("string")  # with an exponent below 1e-3 and from 1e7 on; 15 digits that read back are the shortest
    tries: list[Any] = [_format_string(f"%.{digits}e", number) for digits in (14, 15, 16)]
    long: Any = ibis.cases(*((text.try_cast("float64") == number, text) for text in tries[:2]), else_=tries[2])
    plain: Any = long.try_cast("decimal(38, 21)").cast("string").re_replace("0+$", "")
    plain = ibis.ifelse(plain.endswith("."), plain.concat("0"), plain)
    size = number.abs()
    return ibis.cases(
        (number.isnull(), ibis.null("string")),  # format_string writes null as a text
        ((size >= 1e-3) & (size < 1e7) & (java.length() <= 16), java),
        ((size >= 1e-4) & (size < 1e16), plain),
        else_=long.re_replace("[.]?0+e", "e"),
    )


@ibis.udf.scalar.builtin(name="typeof")
def _spark_type(moment: dt.Timestamp()) -> str:  # type: ignore[valid-type]
    """Spark's own function: ``timestamp`` (an instant) or ``timestamp_ntz``."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="format_string")
def _format_string(template: str, number: float) -> str:
    """Spark's own function; Ibis only needs its name and types."""
    raise NotImplementedError


def engine_of(rows: ibis.Table) -> str:
    """Return the name of the Ibis backend that ``rows`` are of."""
    return str(rows.get_backend().name)


def exactly(value: float) -> Any:
    """Return a float64 literal that every engine reads back bit for bit.

    A plain ``0.30000000000000004`` is a DECIMAL to DuckDB and may lose its last bit on its way to a double.
    """
    return ibis.literal(repr(float(value))).cast("float64")


def batches(items: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Split ``items`` into runs of ``size``, in order."""
    every = tuple(items)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _wrong_type(spec: ModelSpec, name: str, kind: dt.DataType, expected: str, otherwise: str) -> SourceError:
    return SourceError(
        f"expected {expected}, the column's type is {kind}; repair the log, or {otherwise}", source=f"model {spec.model}", column=name
    )
