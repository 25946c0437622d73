"""``init`` and ``schema``: the way to a first own model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.console.shop import call
from vigil.challenger.fit import fit, load_trainer, score
from vigil.project import Project


def test_a_first_project_opens_as_it_is_written(tmp_path: Path) -> None:
    result = call(None, "init", str(tmp_path / "own"))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(tmp_path / "own" / name) for name in ("vigil.yaml", "models/example.yaml", "training.py")]
    assert list(Project.open(tmp_path / "own").models) == ["example"]


def test_its_trainer_fits_and_scores_missing_and_unseen_values(tmp_path: Path) -> None:
    """Income decides the label, so a fitted model ranks high incomes above low ones."""
    call(None, "init", str(tmp_path))
    spec = Project.open(tmp_path).model("example")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"age": rng.uniform(20, 70, 400), "income": rng.normal(0, 1, 400), "country": rng.choice(["NO", "SE"], 400)})
    rows.loc[:5, "country"] = None
    rows["label"], rows["weight"], rows["event_time"] = (rows["income"] > 0).astype(int), 1.0, pd.Timestamp("2024-01-01", tz="UTC")
    model = fit(load_trainer(tmp_path, spec.training.trainer), rows, spec)
    new = pd.DataFrame({"age": [40.0, None], "income": [2.0, -2.0], "country": ["FI", None]})
    high, low = score(model, new, spec)
    assert high > 0.9
    assert low < 0.1


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text("mine")
    result = call(None, "init", str(tmp_path))
    assert result.exit_code == 5
    assert f"{tmp_path / 'training.py'} is there already; nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["training.py"]
    assert (tmp_path / "training.py").read_text() == "mine"


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = call(None, "init", str(tmp_path / "file" / "own"))
    assert result.exit_code == 2
    assert "vigil.yaml cannot be written (Not a directory); name a folder of your own" in result.stderr


def test_the_schema_is_printed_as_json_of_the_kind_asked_for() -> None:
    assert json.loads(call(None, "schema").stdout)["title"] == "ModelSpec"
    assert json.loads(call(None, "schema", "project").stdout)["title"] == "ProjectSpec"
