"""The year's flights, read once, and a version fitted to a part of January."""

from pathlib import Path

import pandas as pd
import pytest

from examples.flights.demo import TEMPLATE
from examples.flights.feed import FEATURES, read_flights
from vigil.challenger.fit import load_trainer
from vigil.spec.load import load_model
from vigil.spec.model import ModelSpec


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    return read_flights()


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return load_model(TEMPLATE / "models" / "flight-delay.yaml")


@pytest.fixture(scope="session")
def model(flights: pd.DataFrame, spec: ModelSpec):
    rows = flights[flights["label"].notna()].head(3000)[[*FEATURES, "label"]].astype({"label": "int64"}).assign(weight=1.0)
    return load_trainer(TEMPLATE, spec.training.trainer)(rows, spec, {"max_iter": 5})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
