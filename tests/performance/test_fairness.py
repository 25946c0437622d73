"""How groups fare: values by hand, intervals that hold together, and a limit that a person set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.performance.test_measure import by_key, make_spec
from vigil.measurement import Verdict
from vigil.performance.fairness import measure_fairness

SPEC = make_spec(fairness={"protected": ["sex"]})


def rows_of(rng: np.random.Generator, n: int = 400) -> pd.DataFrame:
    """Two groups alike: half are 1, of which seven in ten are called so; every score is right on average."""
    label = rng.integers(0, 2, n).astype(float)
    score = np.where(rng.uniform(size=n) < np.where(label == 1, 0.7, 0.3), 0.7, 0.3)
    return pd.DataFrame({"score": score, "label": label, "inclusion_probability": 1.0, "sex": rng.choice(["f", "m"], n)})


def called_of(rows: pd.DataFrame) -> dict[str, dict[str, tuple[int, int]]]:
    sex, called = rows["sex"].to_numpy(dtype=object), rows["score"].to_numpy() >= 0.5
    return {"sex": {each: (int(np.sum(sex == each)), int(np.sum(called[sex == each]))) for each in ("f", "m")}}


def test_the_differences_are_of_the_group_and_all_others() -> None:
    """f: 30 of 100 called, m: 60 of 100; of the positives 10 of 20 and 30 of 40; f's mean label is .2, its mean score .32."""
    f = pd.DataFrame({"score": [0.6] * 30 + [0.2] * 70, "label": [1] * 10 + [0] * 20 + [1] * 10 + [0] * 60, "sex": "f"})
    m = pd.DataFrame({"score": [0.6] * 60 + [0.2] * 40, "label": [1] * 30 + [0] * 30 + [1] * 10 + [0] * 30, "sex": "m"})
    rows = pd.concat([f, m], ignore_index=True).assign(inclusion_probability=1.0)
    found = by_key(measure_fairness(rows, called_of(rows), SPEC, version="1"))
    values = [found[metric, "sex=f"].value for metric in ("demographic_parity", "equal_opportunity", "group_calibration")]
    assert values == pytest.approx([-0.3, -0.25, -0.12])
    assert found["demographic_parity", "sex=m"].value == pytest.approx(0.3)


def test_without_a_difference_all_intervals_together_hold_0() -> None:
    """At least 93 % of 1,000 simulations, for each metric over both groups."""
    rng, held = np.random.default_rng(1), {"demographic_parity": 0, "equal_opportunity": 0, "group_calibration": 0}
    for _ in range(1000):
        rows = rows_of(rng)
        found = measure_fairness(rows, called_of(rows), SPEC, version="1")
        for metric in held:
            held[metric] += all(m.low <= 0 <= m.high for m in found if m.metric == metric)  # type: ignore[operator]
    assert all(count >= 930 for count in held.values()), held


def test_a_limit_is_judged_by_the_whole_interval() -> None:
    rows = rows_of(np.random.default_rng(2))
    called = {"sex": {"f": (500, 400), "m": (500, 100)}}
    for limit, verdict in ((0.3, Verdict.WARNING), (0.59, Verdict.OK)):
        spec = make_spec(fairness={"protected": ["sex"], "tolerated_difference": limit})
        assert by_key(measure_fairness(rows, called, spec, version="1"))["demographic_parity", "sex=f"].verdict is verdict


def test_a_group_of_few_is_not_measured() -> None:
    rows = rows_of(np.random.default_rng(3))[:15].assign(sex=["f"] * 9 + ["m"] * 6)
    assert {m.verdict for m in measure_fairness(rows, called_of(rows), SPEC, version="1")} == {Verdict.NOT_ENOUGH_DATA}


def test_a_protected_column_is_no_feature_and_of_a_binary_model() -> None:
    with pytest.raises(ValidationError, match="for measuring only"):
        make_spec(fairness={"protected": ["origin"]})
    with pytest.raises(ValidationError, match="binary models only"):
        make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 1}, fairness={"protected": ["sex"]})
