"""How a version of the example model is trained. vigil chooses the rows; this chooses the model."""

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def train(rows, spec, params):
    """Return a fitted estimator that takes ``rows[list(spec.features)]``.

    ``rows`` has the features, ``label`` and ``weight`` (one over the chance that the label was sampled).
    """
    categorical = [name for name, feature in spec.features.items() if feature.type == "categorical"]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    model = make_pipeline(
        make_column_transformer((encode, categorical), remainder="passthrough"),
        HistGradientBoostingClassifier(random_state=spec.training.seed, **params),
    )
    return model.fit(rows[list(spec.features)], rows["label"], histgradientboostingclassifier__sample_weight=rows["weight"])
