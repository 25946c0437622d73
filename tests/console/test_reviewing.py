"""``vigil review``: a session goes out as a file, comes back filled in, and the table says what was found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from console.exit_codes import ExitCode
from tests.console.shop import answer, call
from tests.evaluation.build import MODEL, make_work

OPEN = ("review", "open", MODEL, "--rows", "8", "--window", "2024-03-04")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make_work(tmp_path / "p")
    path = made.project.path("labels/0304.parquet")
    pd.read_parquet(path)[::10].assign(inclusion_probability=0.1).to_parquet(path)
    return made.project.folder


def test_a_session_goes_out_and_comes_back(folder: Path) -> None:
    (first,) = answer(folder, *OPEN)
    assert (first["picked"], first["why"]["random control"]) == (8, 2)
    assert answer(folder, *OPEN) == [first]
    assert "8 predictions of" in call(folder, *OPEN).stderr
    path = Path(first["path"])
    rows = pd.read_csv(path).assign(label=1, vigil_outcome="right")
    rows.to_csv(path, index=False)
    (done,) = answer(folder, "review", "import", MODEL, str(path), "--by", "ada")
    assert (done["reviewed"], done["new"], done["labels"]) == (8, 8, 2)
    (found,) = answer(folder, "review", "status", MODEL)
    assert (found["session_id"], found["reviewed"], found["outcomes"]["right"]) == (first["session_id"], 8, 8)
    assert "8 right" in call(folder, "review", "status", MODEL).stdout


def test_a_file_that_is_wrong_is_an_error_of_the_data(folder: Path) -> None:
    done = call(folder, "review", "import", MODEL, str(folder / "nowhere.csv"))
    assert (done.exit_code, "there is no such file" in done.stderr) == (ExitCode.DATA, True)
    assert "no review session" in call(folder, "review", "status", MODEL).stdout
