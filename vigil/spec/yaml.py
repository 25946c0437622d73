"""YAML 1.2 text as a tree that knows the line of every key. What the values mean is :mod:`vigil.spec.load`'s matter.

Differs from a plain loader: a duplicate key is an error that names both lines, ``NO`` and ``12:30`` are text (YAML 1.1
reads False and 750), and dates stay text. Scalars are read by the core schema of YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from vigil.errors import SpecError

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 400  # characters: no specification needs more, and Python refuses whole numbers of thousands; it stays text
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_SYNTAX = {  # what ruamel says -> what helps the person who wrote it
    r"found character '\t' that cannot start any token": "a tab stands where YAML expects spaces; indent with spaces",
    "mapping values are not allowed here": "a second `: ` in one value, or a line indented too far; quote the text or align the line",
}


@dataclass(frozen=True)
class Node:
    """A value with the line it starts on (1-based); for a mapping also each key's line.

    ``value`` is a dict of nodes, a list of nodes, or a plain None, bool, int, float or str.
    """

    value: Any
    line: int
    key_lines: dict[str, int] = field(default_factory=dict)
    quoted: bool = False

    def plain(self) -> Any:
        """Return the value without lines: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, path: Sequence[str | int]) -> tuple[Node, int]:
        """Return the deepest node on ``path`` that exists, and the line of its key."""
        node, line = self, self.line
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                line = node.key_lines[str(step)]
                node = node.value[step]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.line
            else:
                break
        return node, line


def read_mapping(text: str, file: str) -> Node:
    """Parse ``text`` as one YAML 1.2 document whose root is a mapping; raises SpecError with ``file`` and line."""
    try:
        events = list(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except YAMLError as error:
        raise SpecError(f"expected YAML text, got a character that YAML does not allow ({_first_line(error)})", file=file) from None
    starts = [event for event in events if isinstance(event, DocumentStartEvent)]
    if not starts:
        raise SpecError("the file is empty; expected a mapping of `key: value` lines", file=file)
    if len(starts) > 1:
        raise SpecError(
            "a second document begins here; expected one document in the file, write another file for it",
            file=file,
            line=_line(starts[1]),
        )
    body = iter(events[events.index(starts[0]) + 1 :])
    root = _Builder(body, file).build(next(body))
    if not isinstance(root.value, dict):
        raise SpecError(f"expected a mapping of `key: value` lines, got {describe(root.value)}", file=file, line=root.line)
    return root


def describe(value: Any) -> str:
    """Name a value as a person would: its kind, and the value where it is short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57]!r}..."
    return "a mapping" if isinstance(value, dict) else "a list"


class _Builder:
    """Builds nodes from parse events; aliases share the node of their anchor."""

    def __init__(self, events: Iterator[Event], file: str) -> None:
        self._events, self._file = events, file
        self._anchors: dict[str, Node] = {}

    def build(self, event: Event) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent))
        if event.ctag is not None:
            self._fail(f"the tag {event.ctag} is not used here; put text in quotes, write other values plainly", event)
        if isinstance(event, MappingStartEvent):
            node = self._mapping(event)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event)
        else:
            plain = event.implicit[0]
            node = Node(_scalar(event.value) if plain else event.value, _line(event), quoted=not plain)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            self._fail(f"*{event.anchor} refers to an anchor &{event.anchor} that is not written above it", event)
        return self._anchors[event.anchor]

    def _sequence(self, start: SequenceStartEvent) -> Node:
        items = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self.build(event))
        return Node(items, _line(start))

    def _mapping(self, start: MappingStartEvent) -> Node:
        values: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.value == "":
                self._fail("expected a key that is a word, such as `owner:`", event)
            key = str(event.value)
            if key == "<<":
                self._fail("YAML 1.2 has no merge key `<<`; write the keys out", event)
            if key in lines:
                self._fail(f"this key is written twice, first on line {lines[key]}; keep one", event, key=key)
            lines[key] = _line(event)
            values[key] = self.build(next(self._events))
        return Node(values, _line(start), lines)

    def _fail(self, message: str, event: Event, *, key: str | None = None) -> NoReturn:
        raise SpecError(message, file=self._file, line=_line(event), key=key)


def _scalar(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text.lower() == "true"
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _syntax_error(error: MarkedYAMLError, file: str) -> SpecError:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context)
    message = _SYNTAX.get(problem, f"this is not YAML: {problem}")
    if problem not in _SYNTAX and error.context and error.context_mark:
        message += f" ({error.context} that begins on line {error.context_mark.line + 1})"
    return SpecError(message, file=file, line=None if mark is None else int(mark.line) + 1)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
