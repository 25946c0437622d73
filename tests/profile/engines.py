"""One table of everything that engines are known to count differently, for tests that they count it alike."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.profile.build import make_spec
from vigil.spec.model import ModelSpec

_FLOATS = [0.1, math.nan, math.inf, -math.inf, -0.0, 0.0, None, 1e300, 5e-324, 1.0]
_WHOLE = [2**63 - 1, -(2**63), 0, None, 1, 2, 3, 4, 5, 2**53 + 1]
_DECIMALS = [Decimal("1.5"), Decimal("-3.125"), None, *(Decimal(number) for number in range(7))]
_DAY, _NIGHT = datetime(2024, 1, 1), datetime(2024, 3, 10, 2, 30, 0, 500_000)  # noqa: DTZ001 - naive on purpose
NUMERIC: dict[str, tuple[pa.DataType, str, list[Any]]] = {  # name -> Arrow type, PostgreSQL type, ten values
    "floats": (pa.float64(), "double precision", _FLOATS),
    "far": (pa.float64(), "double precision", [1.7e308, -1.7e308, 1e-320, 5.0, None, 0.0, -1e-310, 2.0, 3.0, 4.0]),
    "small": (pa.float32(), "real", [0.1, math.nan, math.inf, None, *[1.5] * 6]),
    "whole": (pa.int64(), "bigint", _WHOLE),
    "decimals": (pa.decimal128(12, 3), "numeric(12, 3)", _DECIMALS),
    "flags": (pa.bool_(), "boolean", [True, False, None, True, *[False] * 6]),
    "score": (pa.float64(), "double precision", [index / 10 for index in range(10)]),
}
CATEGORICAL: dict[str, tuple[pa.DataType, str, list[Any]]] = {
    "texts": (pa.string(), "text", ["3", "é", "'; DROP TABLE x", "a%b", None, "\\", "\u202eabc", "x" * 400, "3", ""]),
    "codes": (pa.float64(), "double precision", [0.1, 1e15, 1000000000000000.5, 1e16, 1e-5, math.inf, -math.inf, math.nan, 3.0, -0.0]),
    "numbers": (pa.int64(), "bigint", _WHOLE),
    "prices": (pa.decimal128(12, 3), "numeric(12, 3)", _DECIMALS),
    "answers": (pa.bool_(), "boolean", [True, False, None, True, *[False] * 6]),
    "days": (pa.date32(), "date", [date(2024, 1, 1), None, *[date(1999, 12, 31)] * 8]),
    "naive": (pa.timestamp("us"), "timestamp", [_DAY, None, *[_NIGHT] * 8]),
    "moments": (pa.timestamp("us", "UTC"), "timestamptz", [_DAY.replace(tzinfo=UTC), None, *[_NIGHT.replace(tzinfo=UTC)] * 8]),
    'a"b`c?</script>': (pa.string(), "text", list("aabbccddee")),
}
VERSIONS = (pa.string(), "text", ["1", "1", "1", "2", "2", "2", None, "1", "2", "1"])
EVERYTHING = {**NUMERIC, **CATEGORICAL, "model_version": VERSIONS}


def everything() -> pa.Table:
    return pa.table({name: pa.array(values, kind) for name, (kind, _, values) in EVERYTHING.items()})


def spec_of_everything() -> ModelSpec:
    features = {name: "numeric" for name in NUMERIC if name != "score"} | dict.fromkeys(CATEGORICAL, "categorical")
    return make_spec(features, segments=["texts", "codes"])
