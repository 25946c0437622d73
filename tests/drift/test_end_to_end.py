"""From a Parquet file to verdicts, through every part that really runs."""

from __future__ import annotations

from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from vigil.drift.measure import measure_drift
from vigil.measurement import Verdict
from vigil.profile.layout import Layout, layout_of
from vigil.profile.profile import Profile
from vigil.profile.scan import profile_rows
from vigil.spec.model import ModelSpec

SPEC = ModelSpec.model_validate(
    {
        "model": "flights",
        "owner": "team",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
        "features": {"distance": "numeric", "temperature": "numeric", "carrier": "categorical"},
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "train:fit", "include_reference": False},
    }
)


def flights(rng: np.random.Generator, rows: int, *, warmer: float = 0.0, renamed: bool = False) -> pd.DataFrame:
    carriers = ["UA", "B6", "EX" if renamed else "EV"]
    return pd.DataFrame(
        {
            "distance": rng.gamma(2.0, 500.0, rows).round(),
            "temperature": rng.normal(10.0 + warmer, 5.0, rows),
            "carrier": rng.choice(carriers, rows, p=[0.5, 0.3, 0.2]),
            "score": rng.beta(2.0, 5.0, rows),
            "model_version": "1",
        }
    )


def test_parquet_to_verdicts(tmp_path: Path) -> None:
    """What moved by a standard deviation breaches, a renamed category breaches, and what did not move does not."""
    rng = np.random.default_rng(7)
    flights(rng, 20_000).to_parquet(tmp_path / "reference.parquet")
    flights(rng, 4_000, warmer=5.0, renamed=True).to_parquet(tmp_path / "window.parquet")
    engine = ibis.duckdb.connect()
    before, after = (engine.read_parquet(tmp_path / f"{name}.parquet") for name in ("reference", "window"))

    layout = Layout.from_json(layout_of(before, SPEC).to_json())
    reference = Profile.from_json(profile_rows(before, SPEC, layout)["*", "*"].to_json())
    current = profile_rows(after, SPEC, layout)["1", "*"]
    measured = measure_drift(
        current, reference, SPEC, importance={"distance": 0.2, "temperature": 0.5, "carrier": 0.3, "retired": 9.0}, version="1"
    )

    verdicts = {m.subject: m.verdict for m in measured if m.metric == "psi"}
    assert verdicts == {"distance": Verdict.OK, "temperature": Verdict.BREACH, "carrier": Verdict.BREACH, "score": Verdict.OK}
    window = measured[0]
    assert (window.metric, window.subject, window.value, window.threshold, window.verdict, window.n) == (
        "drift_share",
        "*",
        0.8,  # (0.5 + 0.3) / (0.2 + 0.5 + 0.3)
        0.3,
        Verdict.BREACH,
        4_000,
    )
    assert window.detail["drifted"] == {"temperature": 0.5, "carrier": 0.3}
    shown = {(m.metric, m.subject): m.value for m in measured if m.threshold is None}
    assert abs(shown["mean_shift", "temperature"] - 1.0) < 0.1  # 5 degrees warmer, standard deviation 5
    assert abs(shown["unseen_share", "carrier"] - 0.2) < 0.02  # the share of the renamed carrier
    assert shown["null_share", "distance"] == 0.0
    assert {(m.version, m.reference) for m in measured} == {("1", "training")}
    assert len({m.key for m in measured}) == len(measured)
