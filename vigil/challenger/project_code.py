"""The project's own Python code: how its folder is put on the import path, which of the imported modules are its own, and their digest."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

ROOMS = frozenset({"vigil", "expectations", "tasks", "flows", "console", "deployments", "examples"})  # vigil's own packages


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Put ``folder`` first on the import path for the block.

    Modules that another project gave this process under a name that this folder offers too are forgotten, to be imported from
    here; the standard library, installed packages and vigil's own are never replaced.
    """
    folder = folder.resolve()
    code = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))}
    offered = code - sys.stdlib_module_names - ROOMS - {"__main__"}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in offered and not (_lies_in(module, folder) or "site-packages" in str(_location(module))):
            del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def project_modules(folder: Path) -> tuple[ModuleType, ...]:
    """Return the imported modules that are the project's own code: those in its folder, not installed ones nor vigil's."""
    folder = folder.resolve()
    return tuple(
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in ROOMS | {"__main__"} and "site-packages" not in str(_location(module)) and _lies_in(module, folder)
    )


def code_digest(folder: Path, reference: str) -> str:
    """Return the SHA-256 of the names and texts of the project's imported modules, and of the one of ``module:function``.

    Modules that have not been imported yet are not in it: ask after the function has run. Installed ones have versions.
    """
    modules = {module.__name__: module for module in (*project_modules(folder), sys.modules[reference.partition(":")[0]])}
    digest = hashlib.sha256()
    for name in sorted(modules):
        file, text = getattr(modules[name], "__file__", None), b""  # a package may have none
        with suppress(OSError):  # a file that is gone, or lies in an archive
            text = b"" if file is None else Path(file).read_bytes()
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()


@contextmanager
def by_value(folder: Path) -> Iterator[None]:
    """Let cloudpickle take the project's own modules by value for the block: a version must not need the folder as it was."""
    import cloudpickle  # type: ignore[import-untyped]

    own = project_modules(folder)
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            with suppress(ValueError):  # another thread has ended its block on the same module
                cloudpickle.unregister_pickle_by_value(module)


def _location(module: ModuleType) -> str | None:
    """The module's file; of a package without ``__init__.py`` its first folder."""
    file = getattr(module, "__file__", None)
    return file if file is not None else next(iter(getattr(module, "__path__", ())), None)


def _lies_in(module: ModuleType, folder: Path) -> bool:
    location = _location(module)
    return location is not None and location.startswith(f"{folder}{os.sep}")  # no look at the disk: there are thousands of modules
