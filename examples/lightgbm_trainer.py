"""A trainer for any model: gradient-boosted trees of LightGBM (the extra ``lightgbm``), on the specification's features as they are.

``training.trainer: examples.lightgbm_trainer:train``; ``training.params`` go to LightGBM's scikit-learn estimator. Categories are split on
as categories, a category that was not seen in training counts as missing. Name what serving needs in ``training.requirements``.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from vigil.spec.model import FeatureType, ModelSpec, Task

MISSING = -1  # a negative category is missing to LightGBM


def train(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Pipeline:
    categorical = [name for name, feature in spec.features.items() if feature.type is FeatureType.CATEGORICAL]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=MISSING, encoded_missing_value=MISSING)
    estimator = lightgbm.LGBMClassifier if spec.task is Task.BINARY else lightgbm.LGBMRegressor
    trees = estimator(**{"random_state": spec.training.seed, "deterministic": True, "n_jobs": 1, "verbose": -1, **params})
    model = make_pipeline(make_column_transformer((encode, categorical), remainder="passthrough"), trees)
    step = trees.__class__.__name__.lower()
    given = {f"{step}__sample_weight": rows["weight"], f"{step}__categorical_feature": list(range(len(categorical)))}
    return model.fit(rows[list(spec.features)], rows["label"], **given)
