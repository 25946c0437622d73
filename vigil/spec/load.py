"""A specification file -> frozen objects, once, at the edge. Every error says file, line, key, what was expected and what came.

Differs from :mod:`vigil.spec.yaml`, which knows lines but no specification, and from :mod:`vigil.spec.keys`, which
knows which keys may stand where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from vigil.errors import SpecError
from vigil.spec.complaint import complaint
from vigil.spec.model import ModelSpec
from vigil.spec.project import ProjectSpec
from vigil.spec.yaml import Node, read_mapping

PROJECT_FILE = "vigil.yaml"
MODELS_FOLDER = "models"

Spec = TypeVar("Spec", bound=BaseModel)


def load_project(path: Path) -> ProjectSpec:
    """Parse ``vigil.yaml``. Raises SpecError for the file's first error by line; ``others`` holds the rest."""
    return _load(path, ProjectSpec)


def load_model(path: Path) -> ModelSpec:
    """Parse one file of ``models/``. Raises SpecError for the file's first error by line; ``others`` holds the rest."""
    return _load(path, ModelSpec)


def load_models(folder: Path) -> tuple[dict[str, ModelSpec], tuple[SpecError, ...]]:
    """Parse every ``models/*.yaml`` of a project's folder: the models by name, and why a file gives none, by file.

    Of two files that specify the same model neither does, and a ``.yml`` or ``.YAML`` file gives none: it would not be read.
    """
    models: dict[str, ModelSpec] = {}
    refused = [
        SpecError(f"only *.yaml files are read here; rename it to {path.with_suffix('.yaml').name}", file=str(path))
        for path in (folder / MODELS_FOLDER).glob("*.*")
        if path.suffix != ".yaml" and path.suffix.lower() in (".yaml", ".yml")
    ]
    files: dict[str, Path] = {}
    for path in sorted((folder / MODELS_FOLDER).glob("*.yaml")):
        try:
            spec = load_model(path)
        except SpecError as error:
            refused.append(error)
            continue
        if spec.model in files:
            models.pop(spec.model, None)
            refused.append(_second(spec.model, path, files[spec.model]))
        else:
            models[spec.model], files[spec.model] = spec, path
    return models, tuple(sorted(refused, key=lambda error: error.file))


def _second(model: str, path: Path, first: Path) -> SpecError:
    return SpecError(
        f"the model {model!r} is specified in {first} already; give one of them another name, or delete one",
        file=str(path),
        line=read_mapping(path.read_text(encoding="utf-8-sig"), str(path)).key_lines["model"],
        key="model",
    )


def _load(path: Path, spec: type[Spec]) -> Spec:
    return cast(Spec, _parsed(_text(path), str(path), spec))


@lru_cache(maxsize=512)  # every task of a flow opens its project anew; the text is the key, so a changed file is read anew
def _parsed(text: str, file: str, spec: type[BaseModel]) -> BaseModel:
    try:
        root = read_mapping(text, file)
        plain = json.dumps(root.plain())
    except RecursionError:
        raise SpecError("lists or mappings stand in each other too deeply to be read; write them flatter", file=file) from None
    try:
        # Strict JSON: "5" is no number and "yes" no bool, while lists, enums and dates arrive from their text.
        return spec.model_validate_json(plain, strict=True)
    except ValidationError as error:
        raise _first(_errors(error, root, spec, file)) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"expected UTF-8 text, got other bytes at position {error.start}; save it as UTF-8", file=str(path)) from None
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", file=str(path)) from None


def _errors(error: ValidationError, root: Node, spec: type[BaseModel], file: str) -> list[SpecError]:
    found = []
    for item in error.errors(include_url=False):
        where = tuple(step for step in item["loc"] if step not in ("[key]", "[files]", "[table]"))  # pydantic's marks, no keys
        node, line = root.find(where)
        message = complaint(spec, where, item, quoted=node.quoted)
        if item["type"] == "value_error" and not where:
            where, message = _relocated(message, root)
            line = root.find(where)[1]
        found.append((line, SpecError(message, file=file, line=line, key=_dotted(where) or None)))
    return [made for _, made in sorted(found, key=lambda pair: pair[0])]


def _relocated(message: str, root: Node) -> tuple[tuple[str, ...], str]:
    """Find the key that a message about parts which don't fit together begins with; none where that key is not written."""
    match = re.match(r"([a-z_]+(?:\.[a-z_]+)*):? (?=\S)", message)
    if match is None or match[1].split(".")[0] not in root.value:
        return (), message
    return tuple(match[1].split(".")), message[match.end() :]


def _first(errors: Sequence[SpecError]) -> SpecError:
    first, others = errors[0], errors[1:]
    if not others:
        return first
    assert first.line is not None
    lines = list(dict.fromkeys(str(other.line) for other in others))
    shown = ", ".join(lines[:5]) + (", ..." if len(lines) > 5 else "")
    text = str(first).removeprefix(f"{first.file}:{first.line}: ")
    if first.key is not None:
        text = text.removeprefix(f"`{first.key}`: ")
    more = f"{text} (and {len(others)} more {'error' if len(others) == 1 else 'errors'}, line {shown})"
    return SpecError(more, file=first.file, line=first.line, key=first.key, others=others)


def _dotted(where: Sequence[str | int]) -> str:
    """Write a path as people do: ``policy.anomalies[0].start``."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
