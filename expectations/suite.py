"""A model's specification -> the Great Expectations suite of one window.

What is checked of every model, and of each type of model, is data (``suites/*.yaml``); the specification fills in columns,
limits and tolerated shares, the reference's layout the known categories, and adds its own expectations. Nothing runs here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation as GxExpectation
from ruamel.yaml import YAML

from expectations.vocabulary import expectation
from vigil.measurement import WHOLE
from vigil.profile.layout import Layout
from vigil.spec.model import Feature, FeatureType, ModelSpec, Severity, Task
from vigil.window import Window

KNOWN_SET_LIMIT = 2_000  # a longer list of categories is not written into a query; the profile's unseen_share covers it

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_NUMBERS = (*_WHOLE, "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ_NS", "DATE")
_KINDS = {  # DuckDB's names of types, without parameters
    "text_or_whole_types": ("VARCHAR", "UUID", *_WHOLE),
    "time_types": _TIMES,
    "number_types": _NUMBERS,
    "number_or_boolean_types": (*_NUMBERS, "BOOLEAN"),
    "plain_types": ("VARCHAR", "ENUM", "UUID", "BOOLEAN", "TIME", *_NUMBERS, *_TIMES),
}


def build_suite(spec: ModelSpec, layout: Layout | None, window: Window | None = None) -> ExpectationSuite:
    """Return the suite that a window's rows have to meet.

    Every expectation's ``meta`` holds ``metric`` and ``subject`` (together unique in the suite), ``type``, ``columns``,
    ``because``, ``origin`` (``vigil`` where it is generated, ``spec`` where a person wrote it), and ``compared``: ``as text``
    where the values are categories as the layout writes them, whatever their type.

    Args:
        layout: of the reference; without it, and for columns with more than :data:`KNOWN_SET_LIMIT` categories, no category
            is checked to be known.
        window: without it event times are not checked to lie in it.

    Raises:
        SpecError: an expectation of the specification is not in the vocabulary, or its arguments are not.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = [*_generated(spec, layout, window, seen), *_own(spec, seen)]
    return ExpectationSuite(name=f"{spec.model} ({spec.task.value})", expectations=found)


@cache
def templates(task: Task) -> tuple[Mapping[str, Any], ...]:
    """The checks of a type of model as data: those of every model, then its own."""
    folder = files("expectations") / "suites"
    yaml = YAML(typ="safe", pure=True)
    return tuple(entry for name in ("every_model", task.value) for entry in yaml.load((folder / f"{name}.yaml").read_text()))


def _generated(spec: ModelSpec, layout: Layout | None, window: Window | None, seen: Counter[tuple[str, str]]) -> Iterator[GxExpectation]:
    for entry in templates(spec.task):
        for column in _columns(spec, entry.get("of")):
            arguments = _fill(entry.get("arguments", {}), _values(spec, layout, window, column))
            if arguments is not None:
                if column is not None:
                    arguments = {"column": column} | arguments
                severity = Severity(entry.get("severity", Severity.CRITICAL))
                yield _make(
                    spec, entry["expectation"], arguments, severity, entry["because"], "vigil", f"suites/{spec.task.value}.yaml", seen
                )


def _own(spec: ModelSpec, seen: Counter[tuple[str, str]]) -> Iterator[GxExpectation]:
    for index, own in enumerate(spec.quality.expectations):
        key = f"quality.expectations[{index}]"
        yield _make(spec, own.expectation, own.arguments, own.severity, own.because, "spec", key, seen)


def _make(
    spec: ModelSpec,
    name: str,
    arguments: Mapping[str, Any],
    severity: Severity,
    because: str,
    origin: str,
    key: str,
    seen: Counter[tuple[str, str]],
) -> GxExpectation:
    columns = _named(arguments)
    subject = ", ".join(columns) or WHOLE
    seen[name, subject] += 1
    count = seen[name, subject]
    metric = name if count == 1 else f"{name}#{count}"
    meta = {"metric": metric, "subject": subject, "type": name, "columns": columns, "because": because, "origin": origin}
    if origin == "vigil" and "value_set" in arguments:
        meta["compared"] = "as text"
    return expectation(name, arguments, severity=severity, meta=meta, file=f"models/{spec.model}.yaml", key=key)


def _named(arguments: Mapping[str, Any]) -> list[str]:
    """The columns that an expectation's arguments name."""
    single = [arguments[part] for part in ("column", "column_A", "column_B") if part in arguments]
    return [str(column) for column in single or arguments.get("column_list") or ()]


def _columns(spec: ModelSpec, of: str | None) -> Sequence[str | None]:
    log = spec.columns
    if of is None:
        return (None,)
    if of == "required":
        named = [column for own in spec.quality.expectations for column in _named(own.arguments)]
        return tuple(dict.fromkeys((log.id, log.time, log.version, log.score, *spec.features, *named)))
    if of == "features":
        return tuple(spec.features)
    if of in ("numeric", "categorical"):
        return tuple(name for name, feature in spec.features.items() if feature.type is FeatureType(of))
    return (getattr(log, of),)


def _values(spec: ModelSpec, layout: Layout | None, window: Window | None, column: str | None) -> Mapping[str, Any]:
    feature = spec.features.get(column) if column is not None else None
    null_share, unseen_share = spec.quality.tolerated_null_share, spec.quality.tolerated_unseen_share
    if feature is not None:
        null_share = null_share if feature.tolerated_null_share is None else feature.tolerated_null_share
        unseen_share = unseen_share if feature.tolerated_unseen_share is None else feature.tolerated_unseen_share
    return {
        **{name: list(types) for name, types in _KINDS.items()},
        "minimum_rows": spec.quality.minimum_rows,
        "window_start": None if window is None else window.start,
        "window_end": None if window is None else window.end,
        "present_share": 1.0 - null_share,
        "known_share": 1.0 - unseen_share,
        "minimum": None if feature is None else feature.minimum,
        "maximum": None if feature is None else feature.maximum,
        "known_values": _known(layout, column, feature),
    }


def _known(layout: Layout | None, column: str | None, feature: Feature | None) -> list[str] | None:
    if layout is None or column is None or feature is None or feature.type is not FeatureType.CATEGORICAL:
        return None
    known = layout.known(column) if column in layout.categorical else None
    return list(known) if known and len(known) <= KNOWN_SET_LIMIT else None


def _fill(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Put values into the placeholders; None where every optional placeholder is unknown, so there is nothing to check."""
    filled: dict[str, Any] = {}
    optional = unknown = 0
    for name, value in arguments.items():
        if not (isinstance(value, str) and value.startswith("$")):
            filled[name] = value
            continue
        may_miss = value.endswith("?")
        given = values[value.strip("$?")]
        optional, unknown = optional + may_miss, unknown + (may_miss and given is None)
        if given is not None:
            filled[name] = given
    return None if optional and optional == unknown else filled
