"""What pydantic found wrong, in the words of the person who wrote the file: what was expected, what came, what to write."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from vigil.spec.keys import part_at, sections_with, text_may_stand_at
from vigil.spec.yaml import describe

_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_BOOL_OF_YAML_1_1 = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
_SEXAGESIMAL = re.compile(r"[-+]?\d+(:\d+)+(\.\d*)?")
_GROUPED = re.compile(r"[-+]?\d[\d_,]*\d(\.\d+)?")
_PATTERNS = {  # a pattern of the specification -> what it means
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "a name of lower-case letters, digits, `-` and `_`, at most 63 long",
    r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$": "module:function, such as `training:train`",
    r"^\S+(\s+\S+){4}$": "five fields of cron, such as `0 6 * * *`",
    r"^[^.]+(\.[^.]+){0,2}$": "table, schema.table or catalog.schema.table",
    r"^postgres(ql)?://": "a URL such as `postgresql://reader:${PASSWORD}@host/database`",
    r"^expect_[a-z_]+$": "an expectation's name, such as `expect_column_values_to_be_between`",
}


def complaint(spec: type[BaseModel], where: Sequence[str | int], item: Mapping[str, Any], *, quoted: bool) -> str:
    """Say one error of a ValidationError of ``spec``: ``where`` is its place, ``quoted`` whether the text there stands in quotes."""
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(spec, where)
    if kind == "missing":
        meaning = _meaning(spec, where)
        return f"this key is missing; add it{f', a mapping{meaning}' if meaning else ''}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return f"expected one of {', '.join(allowed)}; got {describe(given)}{_did_you_mean(given, allowed)}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"expected {words} {context[name]:g}, got {describe(given)}"
    if kind == "string_pattern_mismatch":
        return f"expected {_PATTERNS.get(context['pattern'], 'text that matches ' + context['pattern'])}; got {describe(given)}"
    if kind == "too_short":
        return f"expected at least {context['min_length']}, got {context['actual_length']}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}{_meaning(spec, where)}, got {describe(given)}{_hint(kind, given, quoted=quoted)}"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}; got {describe(given)}"


def _unknown_key(spec: type[BaseModel], where: Sequence[str | int]) -> str:
    key, part = str(where[-1]), part_at(spec, where[:-1])
    allowed = list(part.model_fields) if part is not None else []
    guess = _did_you_mean(key, allowed)
    if not guess:
        sections = list(sections_with(spec, key))
        guess = f"; it belongs in `{'` or `'.join(sections)}`" if sections else ""
    return f"unknown key{guess}; the keys here are {', '.join(allowed)}"


def _hint(kind: str, given: Any, *, quoted: bool) -> str:
    if kind == "string_type" and isinstance(given, (bool, int, float)):
        return "; put it in quotes"
    if not isinstance(given, str):
        return ""
    if kind == "bool_type" and _BOOL_OF_YAML_1_1.fullmatch(given):
        meant = "true" if given.lower() in ("y", "yes", "on") else "false"
        return f" (YAML 1.2 reads only true and false as such; write {meant})"
    if kind in ("int_type", "float_type"):
        if _SEXAGESIMAL.fullmatch(given):
            return " (YAML 1.2 reads no base-60 numbers; write the number out)"
        if _GROUPED.fullmatch(given) and ("_" in given or "," in given):
            return f"; write {given.replace('_', '').replace(',', '')}"
        if quoted:
            return "; without quotes it is a number"
    if kind == "tuple_type":
        return f"; write [{given}]"
    return ""


def _meaning(spec: type[BaseModel], where: Sequence[str | int]) -> str:
    part = part_at(spec, where)
    if text_may_stand_at(spec, where):
        return ""
    required = [name for name, info in part.model_fields.items() if info.is_required()] if part is not None else []
    return f" with {', '.join(required)}" if required else ""


def _did_you_mean(given: Any, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(given).lower(), list(allowed), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
