"""Every page of docs/: its commands are run, what it shows of their output is found there, its specifications load."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.loop.small_project import MODEL, RETRAINED, copy_of, look_at
from vigil.alerts.alerting import incidents_of
from vigil.project import Project
from vigil.spec.load import load_model, load_project

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
README = DOCS.parent / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each ``$`` line of a block with the output lines that it shows."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.strip().splitlines()
        yield command, [line for line in shown if line.strip()]


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, before_retraining: Path) -> Path:
    """The small project with a challenger that waits for approval."""
    folder = copy_of(before_retraining, tmp_path_factory.mktemp("docs") / "project", promotion="approve")
    look_at(folder, RETRAINED)
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(DOCS / page, "console")])
def test_the_commands_of_a_page_say_what_it_shows(page: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shown line is found in the output, in order, whatever the width of the terminal. One process runs all: imports take longest."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "400")
    incident = next(found.incident_id for found in incidents_of(Project.open(project).store(), MODEL).values() if found.active)
    (waiting,) = [found.decision_id for found in Project.open(project).store().retrainings(MODEL)]
    for block in blocks(DOCS / page, "console"):
        for command, shown in commands(block):
            assert command.startswith("vigil ")
            for name, meant in (("WAITING", waiting), ("INCIDENT", incident)):
                command = command.replace(name, meant)
            done = CliRunner().invoke(app, shlex.split(command.removeprefix("vigil ")))
            assert done.exit_code == 0, done.output
            rest = squeezed(done.stdout)
            for line in map(squeezed, shown):
                before, found, rest = rest.partition(line)
                assert found, f"{command!r} does not say {line!r} after {before[-200:]!r}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(DOCS / page, "yaml")])
def test_the_specifications_of_a_page_load(page: str, tmp_path: Path) -> None:
    """What a reader copies is right."""
    for number, block in enumerate(blocks(DOCS / page, "yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        (load_model if block.startswith("model:") else load_project)(path)


@pytest.mark.parametrize("page", [DOCS / page for page in PAGES] + [README], ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """A page that names another one names it right."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [DOCS / page for page in PAGES] + [README], ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """``vigil/drift/measure.py`` in a page is a file of this tree."""
    for named in re.findall(r"`((?:vigil|expectations|tasks|flows|examples|deployments|infra|tests)/[\w./-]*)`", page.read_text()):
        assert (DOCS.parent / named).exists(), named
