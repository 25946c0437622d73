"""Which keys may stand where in a specification, read from the pydantic models themselves; for messages only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def part_at(spec: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model that is parsed at ``path``; None where plain values stand.

    >>> from vigil.spec.model import ModelSpec
    >>> part_at(ModelSpec, ("policy", "drift")).__name__
    'Sustained'
    """
    kind: Any = spec
    for step in path:
        model = part_in(kind)
        if model is not None and step in model.model_fields:
            kind = model.model_fields[str(step)].annotation
        elif get_origin(kind) in (dict, tuple):
            kind = get_args(kind)[1 if get_origin(kind) is dict else 0]
        else:
            return None
    return part_in(kind)


def text_may_stand_at(spec: type[BaseModel], path: Sequence[str | int]) -> bool:
    """Tell whether text is an alternative to the model that is parsed at ``path``, as a file's pattern is to a table."""
    parent = part_at(spec, path[:-1])
    if parent is None or path[-1] not in parent.model_fields:
        return False
    kinds = get_args(parent.model_fields[str(path[-1])].annotation)
    return any(kind is str or get_args(kind)[:1] == (str,) for kind in kinds)


def sections_with(spec: type[BaseModel], key: str, prefix: str = "") -> Iterator[str]:
    """Yield the sections below ``spec`` in which ``key`` may stand, as dotted paths."""
    for name, info in spec.model_fields.items():
        part = part_in(info.annotation)
        if part is not None:
            if key in part.model_fields:
                yield f"{prefix}{name}"
            yield from sections_with(part, key, f"{prefix}{name}.")


def part_in(kind: Any) -> type[BaseModel] | None:
    """Return the model that an annotation holds directly or optionally; None for plain values and collections."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (dict, tuple):
        return None
    return next((model for argument in get_args(kind) if (model := part_in(argument)) is not None), None)
