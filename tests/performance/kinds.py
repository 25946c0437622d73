"""Labelled rows before and after a change of one kind, scored by a model that knew the relation of before."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit


def changed(kind: str, rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (before, now), each with features ``x``, ``u``, the score, the label and ``chance``, with which the row was labelled.

    Before: x is -3 or 3 (easy) in 4 of 5 rows, else near 0 (hard), u is noise; the label is 1 with probability expit(x), which is the
    score. Now: calibration, the score says expit(x + 2.5); relation, the label is 1 with expit(x / 4); population, 3 of 10 rows have x
    near 8, where the label is 1 with probability 1/2; harder cases, 7 of 10 rows are hard.
    """
    return _side("none", rows, rng), _side(kind, rows, rng)


def _side(kind: str, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    hard = rng.uniform(size=rows) < (0.7 if kind == "harder_cases" else 0.2)
    x = np.where(hard, rng.normal(0, 0.3, rows), rng.choice([-3.0, 3.0], rows) + rng.normal(0, 0.3, rows))
    chance = expit(x / 4 if kind == "relation" else x)
    if kind == "population":
        new = rng.uniform(size=rows) < 0.3
        x = np.where(new, rng.normal(8, 0.3, rows), x)
        chance = np.where(new, 0.5, chance)
    score = expit(x + 2.5 if kind == "calibration" else x)
    label = (rng.uniform(size=rows) < chance).astype(float)
    return pd.DataFrame({"x": x, "u": rng.normal(size=rows), "score": score, "label": label, "chance": np.where(hard, 1.0, 0.5)})
