"""The JSON Schema of the two kinds of specification file, for editors that complete and check YAML.

Descriptions are the docstrings and the comments beside the fields in :mod:`vigil.spec`, so that each is written once.
"""

from __future__ import annotations

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from vigil.spec.keys import part_in
from vigil.spec.model import ModelSpec
from vigil.spec.project import ProjectSpec

KINDS: dict[str, type[BaseModel]] = {"project": ProjectSpec, "model": ModelSpec}


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``vigil.yaml`` (``project``) or of ``models/NAME.yaml`` (``model``).

    >>> json_schema("project")["properties"]["reports"]["default"]
    'state/reports'
    """
    spec = KINDS[kind]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **spec.model_json_schema()}
    definitions = schema.get("$defs", {})
    for part in {spec, *_parts(spec)}:
        properties = (schema if part is spec else definitions[part.__name__])["properties"]
        for name, comment in _comments(part).items():
            properties[name].setdefault("description", comment)
    return schema


def _parts(spec: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for info in spec.model_fields.values():
        for kind in (info.annotation, *get_args(info.annotation)):
            part = part_in(kind)
            if part is not None:
                yield part
                yield from _parts(part)


def _comments(part: type[BaseModel]) -> dict[str, str]:
    """Return field name -> the comment at the end of the field's line, read from the module's source."""
    comments = _comments_by_line(part.__module__)
    tree = ast.parse(inspect.getsource(sys.modules[part.__module__]))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == part.__name__)
    fields = [node for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return {node.target.id: comments[node.end_lineno] for node in fields if node.end_lineno in comments}  # type: ignore[union-attr]


@cache
def _comments_by_line(module: str) -> dict[int, str]:
    source = inspect.getsource(sys.modules[module])
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
