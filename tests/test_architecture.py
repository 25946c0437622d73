"""The house's rules, executed: which way imports run, which room knows which outside system, what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vigil", "expectations", "tasks", "flows", "console", "deployments", "examples")
ROOMS = {
    "great_expectations": ("expectations",),
    "duckdb_engine": ("expectations",),
    "evidently": ("tasks/report.py",),
    "mlflow": ("tasks/registry.py",),
    "prefect": ("tasks", "flows", "deployments"),
    "apprise": ("tasks/notify.py",),
    "typer": ("console",),
    "httpx": ("tasks/prometheus.py",),
}
HEAVY = ("prefect", "mlflow", "great_expectations", "evidently", "fastapi", "apprise")


@cache
def imports() -> set[tuple[str, str]]:
    """Return (file, top-level module) of every import statement of the product."""
    found = set()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    names = [node.module]
                found |= {(file.relative_to(ROOT).as_posix(), name.split(".")[0]) for name in names}
    return found


def test_import_contracts_hold() -> None:
    """deployments, console -> examples -> flows -> tasks -> expectations -> vigil, by import-linter's contracts in pyproject.toml."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("system", sorted(ROOMS))
def test_each_outside_system_is_imported_in_its_room_only(system: str) -> None:
    """A change of library is a change of one room."""
    users = {file for file, module in imports() if module == system}
    strangers = {file for file in users if not file.startswith(ROOMS[system])}
    assert users, f"{system} is not imported at all: remove it from ROOMS and from the dependencies"
    assert not strangers


def test_importing_loads_no_heavy_library() -> None:
    """Prefect, MLflow, Great Expectations, Evidently and FastAPI are imported where they are used."""
    modules = ("vigil", "vigil.spec.load", "vigil.project", "vigil.decision.ladder", "console.cli")
    code = f"""
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
    print(module, [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{module} []" for module in modules]


def test_nothing_of_this_machine_stands_in_the_tree() -> None:
    """No index address, no home folder, no path outside the product in any tracked file."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    forbidden = ("index-" + "url", "/ro" + "ot/", "../sha" + "red/", "/work/" + "main")
    found = [
        f"{name}: {word}"
        for name in tracked.stdout.split("\0")
        if name and (ROOT / name).is_file() and (ROOT / name).suffix not in (".png", ".parquet")
        for word in forbidden
        if word in (ROOT / name).read_text(errors="ignore")
    ]
    assert found == []


def test_the_lock_holds_exact_versions_with_hashes_and_no_address() -> None:
    """Universal over Python 3.11 to 3.13, installable from whatever index the user has."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in requirements)
    assert all(line.rstrip().endswith("\\") for line in requirements)
    assert not any("://" in line for line in lines)
