"""Prefect's pages as ``vigil up`` serves them: a browser that opens them calls nobody else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import prefect

from deployments.up import without_analytics


def test_the_key_is_taken_out_of_the_pages_that_are_installed(tmp_path: Path) -> None:
    """Once, and nothing else; a release of Prefect that gives its key in another way fails here."""
    installed = Path(prefect.__ui_v2_static_path__)
    pages = Path(shutil.copytree(installed, tmp_path / "v2"))
    assert [without_analytics(pages), without_analytics(pages)] == [1, 0]
    assert {path.relative_to(pages) for path in pages.rglob("*")} == {path.relative_to(installed) for path in installed.rglob("*")}
    (changed,) = (path for path in pages.rglob("*.js") if path.read_bytes() != (installed / path.relative_to(pages)).read_bytes())
    assert len(changed.read_bytes()) == len((installed / changed.relative_to(pages)).read_bytes()) - 32
    assert re.search(r"amplitude", changed.read_text(encoding="utf-8"))
    assert not re.search(r"[\"'`][0-9a-f]{32}[\"'`]", changed.read_text(encoding="utf-8"))
