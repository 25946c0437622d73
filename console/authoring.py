"""Commands for writing specifications: ``init`` (a first project to edit) and ``schema`` (for editors)."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from console.output import say

FILES = {"vigil.yaml": "vigil.yaml", "example.yaml": "models/example.yaml", "training.py": "training.py"}


class Kind(StrEnum):
    """The two kinds of specification file."""

    MODEL = "model"
    PROJECT = "project"


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the project is to lie. Default: here.")] = Path(),
) -> None:
    """Write a first project to edit. vigil.yaml, models/example.yaml and training.py; nothing that exists is overwritten."""
    from console.exit_codes import UsageError
    from vigil.errors import NotAllowed

    standing = [str(folder / target) for target in FILES.values() if (folder / target).exists()]
    if standing:
        raise NotAllowed(f"{', '.join(standing)} is there already; nothing was written. Choose another folder, or move it away")
    for name, target in FILES.items():
        text = resources.files("console").joinpath("first_project", name).read_text(encoding="utf-8")
        try:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{folder / target} cannot be written ({error.strerror}); name a folder of your own") from None
        sys.stdout.write(f"{folder / target}\n")
    say(f"Next: name your columns in {folder / 'models/example.yaml'}, then `vigil --project {folder} check`.")


def schema(kind: Annotated[Kind, typer.Argument(help="vigil.yaml (project) or models/NAME.yaml (model).")] = Kind.MODEL) -> None:
    """Print the JSON Schema of a specification file. Editors complete and check YAML with it."""
    from vigil.spec.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(kind.value), indent=2) + "\n")
