"""The smallest challenger: the champion as it is, with its scores put right on recent labels.

Differs from :mod:`vigil.challenger.fit`, which trains anew with the project's trainer: here scikit-learn's own estimators are put around
the champion, so that the version loads and serves wherever the champion does, and needs no vigil.
"""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from vigil.challenger.rows import LABEL, WEIGHT, model_features
from vigil.errors import TrainingFailed
from vigil.spec.model import ModelSpec, Task

CHAMPION = "champion"  # the name of the champion within a recalibrated regression model
ISOTONIC_ROWS = 1000  # with fewer an isotonic curve fits noise: scikit-learn's user guide, 1.16.3 (Niculescu-Mizil & Caruana 2005)
LINE, STEPS = "sigmoid", "isotonic"


def method_for(rows: int) -> str:
    """Return the curve that so many labelled rows can carry: a line (Platt 1999), or from :data:`ISOTONIC_ROWS` any that rises."""
    return STEPS if rows >= ISOTONIC_ROWS else LINE


def recalibrate(champion: Any, rows: pd.DataFrame, spec: ModelSpec) -> Any:
    """Return an estimator that scores as the champion does and then puts the score right; weighted, fitted to ``rows``.

    Binary: Platt's line on the champion's decision function (its probabilities where it has none) or an isotonic curve. Regression: a line
    or an isotonic curve of the predicted value. A champion that is itself a recalibrated version is recalibrated anew, not twice.

    Args:
        rows: of :func:`vigil.challenger.rows.training_rows`.

    Raises:
        TrainingFailed: the champion cannot be put into scikit-learn's estimators.
    """
    from sklearn import ensemble, isotonic, linear_model
    from sklearn.calibration import CalibratedClassifierCV

    features, label, weight = model_features(rows, spec), rows[LABEL].to_numpy(), rows[WEIGHT].to_numpy()
    method, inner = method_for(len(rows)), _frozen(champion)
    around: Any
    try:
        if spec.task is Task.BINARY:
            around = CalibratedClassifierCV(inner, method=method)  # type: ignore[no-untyped-call]
        else:
            steps: Any = isotonic.IsotonicRegression
            line: Any = linear_model.LinearRegression
            last = steps(out_of_bounds="clip") if method == STEPS else line()
            around = ensemble.StackingRegressor([(CHAMPION, inner)], last, cv="prefit")  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Since FrozenEstimator does not appear", UserWarning)  # nor is it fitted
            return around.fit(features, label, sample_weight=weight)
    except Exception as error:  # whatever the project's model raises
        raise TrainingFailed(f"{spec.model}: the champion cannot be recalibrated: {type(error).__name__}: {error}") from error


def _frozen(champion: Any) -> Any:
    """The champion, not to be fitted again; of a recalibrated version the model inside."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import StackingRegressor
    from sklearn.frozen import FrozenEstimator

    inside = None
    if isinstance(champion, CalibratedClassifierCV):
        inside = champion.estimator
    elif isinstance(champion, StackingRegressor) and [name for name, _ in champion.estimators] == [CHAMPION]:
        inside = champion.estimators[0][1]
    return inside if isinstance(inside, FrozenEstimator) else FrozenEstimator(champion)  # type: ignore[no-untyped-call]
