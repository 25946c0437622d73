"""How far each feature moves a version's score: mean absolute SHAP values on held-out rows, where the extra ``shap`` is installed.

Differs from :func:`vigil.challenger.fit.permutation_importance`, which says what the metric loses without a feature and needs labels: here
no label is asked for, so that a feature which moves the score in vain counts too. It is shown on the model card and decides nothing.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from vigil.challenger.fit import Floats, score, seeded
from vigil.challenger.rows import WEIGHT, model_features
from vigil.spec.model import ModelSpec

SHAP = "shap"  # its key among what is kept with a version
ROWS, BACKGROUND = 100, 25  # explained at most, and what each is compared with (convention)
COALITIONS = 4  # sets of features scored for each feature (convention)
LEAST_ROWS = 20
SCORED = 50_000  # rows that a version scores for it, where that leaves LEAST_ROWS: some two seconds of a boosted model behind encoders
SECONDS = 10.0


def is_installed() -> bool:
    return importlib.util.find_spec("shap") is not None


def mean_absolute_shap(
    model: Any,
    rows: pd.DataFrame,
    spec: ModelSpec,
    rng: np.random.Generator,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any] | None:
    """Return plain JSON: ``mean_abs`` (feature -> mean |SHAP value|), ``rows``, ``background``; or ``failed``, why not. None without shap.

    The value of a feature of a row is its mean contribution to the score (probability, or predicted value) over all sets of features that
    take the row's values where the others take a background row's, estimated from ``COALITIONS`` such sets a feature by Kernel SHAP
    (Lundberg & Lee 2017, arXiv:1705.07874): exact where the score is a sum of effects of single features. Its explainers for orders of
    features, or for trees, compile for ten seconds in each process, or take some models only. The mean is weighted by the rows' ``weight``.
    Rows and background are drawn from ``rows``; where these are few, both are all of them.

    What it cannot see: which features occur together. Background values are combined with the row's as if features were independent.

    Args:
        rows: the features and ``weight``.
        seconds: nothing further is explained after so long, and nothing is returned but that.
    """
    if not is_installed():
        return None
    try:
        with threadpool_limits(limits=1):  # so few rows at a time: threads would wait for each other longer than they work
            return _explained(model, rows, spec, rng, clock() + seconds, clock)
    except Exception as error:  # whatever shap raises, or its import: a card without it is a card
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _explained(
    model: Any, rows: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, until: float, clock: Callable[[], float]
) -> dict[str, Any]:
    import shap

    features = model_features(rows, spec)
    coded = [pd.factorize(features[name], use_na_sentinel=False) for name in features]  # shap computes with numbers: those of the values

    def scored(codes: Floats) -> Floats:
        known = {name: values.take(codes[:, at].astype(int)) for at, (name, (_, values)) in enumerate(zip(features, coded, strict=True))}
        return score(model, pd.DataFrame(known), spec)

    codes = np.column_stack([each.astype(np.float64) for each, _ in coded])
    order, coalitions = rng.permutation(len(rows)), COALITIONS * len(features.columns)
    background = codes[order[-BACKGROUND:]]
    chosen = order[: min(ROWS, max(LEAST_ROWS, SCORED // (coalitions * BACKGROUND)))]
    found: list[Floats] = []
    with seeded(int(rng.integers(2**31))):  # shap draws its sets by the global generator
        explainer = shap.KernelExplainer(scored, background)
        for row in chosen:
            if clock() > until:
                return {"failed": f"{len(found)} of {len(chosen)} rows were explained when the time for it was over"}
            found.append(explainer.shap_values(codes[row], nsamples=coalitions, l1_reg=False, silent=True))
    means = np.average(np.abs(found), axis=0, weights=rows[WEIGHT].to_numpy(dtype=np.float64)[chosen])
    named = {name: float(mean) for name, mean in zip(features, means, strict=True)}
    return {"mean_abs": named, "rows": len(chosen), "background": len(background)}
