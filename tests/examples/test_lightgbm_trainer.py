"""The trainer for LightGBM, where that is installed (extra ``lightgbm``)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.fit import fit, score
from vigil.spec.model import ModelSpec

pytest.importorskip("lightgbm")
from examples.lightgbm_trainer import train

RNG = np.random.default_rng(1)
ROWS = pd.DataFrame({"wind": RNG.normal(size=400), "carrier": RNG.choice(["UA", "DL", np.nan], 400).astype(object), "weight": 1.0})


@pytest.fixture(params=["binary", "regression"])
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    metric = "roc_auc" if request.param == "binary" else "mae"
    params = {"trainer": "examples.lightgbm_trainer:train", "params": {"n_estimators": 20}}
    return spec_of(task=request.param, performance={"metric": metric, "tolerated_loss": 0.1}, training=params)


def test_it_learns_from_a_category_and_takes_one_it_has_not_seen(spec: ModelSpec) -> None:
    """The label is whether the carrier is UA; a carrier that is new is scored like one that is missing."""
    rows = ROWS.assign(label=(ROWS["carrier"] == "UA").astype(int))
    model = fit(train, rows, spec)
    probe = pd.DataFrame({"wind": 0.0, "carrier": ["UA", "DL", "new", np.nan]}).astype({"carrier": object})
    united, delta, new, missing = score(model, probe, spec)
    assert united > 0.8
    assert delta < 0.2
    assert new == missing


def test_the_same_rows_give_the_same_model(spec: ModelSpec) -> None:
    rows = ROWS.assign(label=(ROWS["wind"] > 0).astype(int))
    one, other = (score(fit(train, rows, spec), rows, spec) for _ in range(2))
    assert (one == other).all()
