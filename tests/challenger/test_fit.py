"""Loading a trainer, fitting, scoring, and the importance of features. Models here are real scikit-learn, or classes that misbehave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.challenger.build import spec_of
from vigil.challenger.fit import fit, load_trainer, permutation_importance, score
from vigil.errors import TrainingFailed

SPEC = spec_of(features={"wind": "numeric", "heat": "numeric"})
REGRESSION = spec_of(
    task="regression", features={"wind": "numeric", "heat": "numeric"}, performance={"metric": "mae", "tolerated_loss": 1.0}
)


def rows(count: int = 400) -> pd.DataFrame:
    """The label is 1 exactly where ``wind`` is above its middle; ``heat`` says nothing."""
    rng = np.random.default_rng(5)
    wind = rng.permutation(np.linspace(-1, 1, count))
    return pd.DataFrame({"wind": wind, "heat": rng.normal(size=count), "label": (wind > 0).astype(int), "weight": 1.0})


def logistic(frame: pd.DataFrame, spec: Any, params: dict[str, Any]) -> LogisticRegression:
    return LogisticRegression(C=params.get("C", 1.0)).fit(frame[list(spec.features)], frame["label"], frame["weight"])


class Answers:
    """An estimator that answers what it was told to."""

    def __init__(self, answer: Any, classes: tuple[int, ...] = (0, 1)) -> None:
        self.answer, self.classes_ = answer, classes

    def predict_proba(self, features: pd.DataFrame) -> Any:
        return self.answer

    def predict(self, features: pd.DataFrame) -> Any:
        return self.answer


def write(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(body)
    return folder


# loading ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "code",
    [
        "from vt_neighbour import answer\ndef train(rows, spec, params): return answer()\n",
        "def train(rows, spec, params):\n    from vt_neighbour import answer\n    return answer()\n",
    ],
    ids=["at once", "when it trains"],
)
def test_a_trainer_is_imported_from_the_projects_folder_with_its_neighbours(tmp_path: Path, code: str) -> None:
    """The module imports another one of the folder; the path is as before afterwards."""
    write(tmp_path, "vt_neighbour", "def answer(): return 42\n")
    write(tmp_path, "vt_trainer", code)
    before = list(sys.path)
    assert load_trainer(tmp_path, "vt_trainer:train")(None, None, {}) == 42  # type: ignore[arg-type]
    assert sys.path == before


def test_two_projects_with_a_trainer_of_the_same_name_each_get_their_own(tmp_path: Path) -> None:
    """One process may retrain models of both, and the neighbours of a trainer are as much its own."""
    for name in ("first", "second"):
        write(tmp_path / name, "vt_shared", f"NAME = {name!r}\n")
        write(tmp_path / name, "vt_same", "from vt_shared import NAME\ndef train(rows, spec, params): return NAME\n")
    trained = [load_trainer(tmp_path / name, "vt_same:train")(None, None, {}) for name in ("first", "second", "first")]  # type: ignore[arg-type]
    assert trained == ["first", "second", "first"]


def test_a_file_of_the_project_does_not_replace_an_imported_module_of_the_library_or_of_vigil(tmp_path: Path) -> None:
    """A project may have a json.py, a vigil.py or a pandas.py of its own lying about."""
    main = sys.modules["__main__"]
    for name in ("json", "vigil", "pandas", "__main__", "vt_plain"):
        write(tmp_path, name, "def train(rows, spec, params): return 1\n")
    load_trainer(tmp_path, "vt_plain:train")
    assert (sys.modules["json"], sys.modules["pandas"], sys.modules["__main__"]) == (json, pd, main)
    assert "load_trainer" in vars(sys.modules["vigil.challenger.fit"])


def test_a_missing_module_is_told_with_the_files_that_are_there(tmp_path: Path) -> None:
    """The usual cause is a misspelt name."""
    write(tmp_path, "vt_delays", "")
    with pytest.raises(TrainingFailed, match=r"no module 'vt_delay' .*Python files there: vt_delays.py"):
        load_trainer(tmp_path, "vt_delay:train")


def test_a_missing_function_is_told_with_the_functions_that_are_there(tmp_path: Path) -> None:
    """What the module imports from elsewhere is not among them."""
    write(tmp_path, "vt_has", "from json import dumps\ndef train_model(rows, spec, params): ...\n")
    with pytest.raises(TrainingFailed, match=r"no function 'train'; its functions: train_model$"):
        load_trainer(tmp_path, "vt_has:train")


@pytest.mark.parametrize(
    ("body", "message"), [("1 / 0", "ZeroDivisionError: division by zero"), ("import vt_absent", "No module named 'vt_absent'")]
)
def test_an_error_while_the_trainer_is_imported_is_passed_on(tmp_path: Path, body: str, message: str) -> None:
    """Including a module that the trainer itself lacks: that is not the trainer missing."""
    write(tmp_path, "vt_broken", body)
    with pytest.raises(TrainingFailed, match=message):
        load_trainer(tmp_path, "vt_broken:train")


# fitting ------------------------------------------------------------------------------------------------------------
def test_the_trainer_is_given_rows_spec_and_params() -> None:
    """C = 1e-6 shrinks the coefficients nearly to nothing, C = 1 does not."""
    tight = fit(logistic, rows(), spec_of(features={"wind": "numeric", "heat": "numeric"}, training={"params": {"C": 1e-6}}))
    assert np.abs(tight.coef_).max() < 0.01 < np.abs(fit(logistic, rows(), SPEC).coef_).max()


def test_a_trainers_error_is_passed_on() -> None:
    """The original message is what helps."""

    def failing(frame: pd.DataFrame, spec: Any, params: dict[str, Any]) -> Any:
        raise RuntimeError("the feature store is closed on Sundays")

    with pytest.raises(TrainingFailed, match=r"trainer 'trainer:train' raised RuntimeError: the feature store is closed on Sundays"):
        fit(failing, rows(), SPEC)


def test_a_trainer_that_returns_no_model_is_refused() -> None:
    """It forgot its return statement."""
    with pytest.raises(TrainingFailed, match="a binary model needs `predict_proba`, a NoneType has none"):
        fit(lambda frame, spec, params: None, rows(), SPEC)


def test_a_trainer_cannot_change_the_rows() -> None:
    """They are compared on, hashed and summarised afterwards."""

    def spoiling(frame: pd.DataFrame, spec: Any, params: dict[str, Any]) -> Any:
        model = logistic(frame, spec, params)
        frame["wind"] = 0.0
        return model

    given = rows()
    fit(spoiling, given, SPEC)
    pd.testing.assert_frame_equal(given, rows())


def test_fitting_again_gives_the_same_model_though_the_trainer_draws_from_the_global_generator() -> None:
    """The generator is seeded by the specification for the call, and afterwards is where it was."""

    def drawing(frame: pd.DataFrame, spec: Any, params: dict[str, Any]) -> Any:
        kept = frame.sample(frac=0.2)
        return logistic(kept, spec, params)

    np.random.seed(99)
    expected = np.random.random(2)
    np.random.seed(99)
    before = np.random.random(1)
    first = fit(drawing, rows(), SPEC)
    after = np.random.random(1)
    assert np.array_equal(first.coef_, fit(drawing, rows(), SPEC).coef_)
    assert not np.array_equal(
        first.coef_, fit(drawing, rows(), spec_of(features={"wind": "numeric", "heat": "numeric"}, training={"seed": 1})).coef_
    )
    assert np.array_equal(np.r_[before, after], expected)


# scoring ------------------------------------------------------------------------------------------------------------
def test_the_score_is_the_probability_of_label_one_wherever_the_model_keeps_it() -> None:
    """Classes (1, 0) put it in the first column."""
    answer = np.array([[0.9, 0.1], [0.3, 0.7]])
    assert score(Answers(answer, (0, 1)), rows(2), SPEC).tolist() == [0.1, 0.7]
    assert score(Answers(answer, (1, 0)), rows(2), SPEC).tolist() == [0.9, 0.3]


def test_a_regression_is_scored_by_what_it_predicts() -> None:
    """y = 2 wind + 1, without noise."""
    frame = rows().assign(label=lambda f: 2 * f["wind"] + 1)
    model = LinearRegression().fit(frame[["wind", "heat"]], frame["label"])
    np.testing.assert_allclose(score(model, frame, REGRESSION), frame["label"], atol=1e-12)


def test_no_rows_have_no_scores() -> None:
    """The model is not asked: scikit-learn refuses an empty frame."""
    assert score(Answers(None), rows(2).head(0), SPEC).shape == (0,)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.array([[0.5, 0.5]]), r"returned shape \(1, 2\), expected \(2, 2\)"),
        (np.array([[1.0], [1.0]]), r"returned shape \(2, 1\), expected \(2, 2\)"),
        (np.array([[0.5, np.nan], [0.5, 0.5]]), "1 of 2 scores are NaN or infinite"),
        (np.array([[0.5, 1.5], [0.5, 0.5]]), r"probabilities lie in \[0, 1\], got \[0.5, 1.5\]"),
        ([["often", "rarely"]], "raised ValueError"),
    ],
)
def test_what_cannot_be_scores_is_refused(answer: Any, message: str) -> None:
    """A wrong length, one class only, NaN, no probability, no number."""
    with pytest.raises(TrainingFailed, match=message):
        score(Answers(answer), rows(2), SPEC)


def test_a_model_of_other_classes_is_refused() -> None:
    """Which of them is the event cannot be known."""
    with pytest.raises(TrainingFailed, match="classes are"):
        score(Answers(np.full((2, 2), 0.5), (1, 2)), rows(2), SPEC)  # type: ignore[arg-type]
    with pytest.raises(TrainingFailed, match="classes are"):
        score(Answers(np.full((2, 2), 0.5), (2, 3)), rows(2), SPEC)


# importance ---------------------------------------------------------------------------------------------------------
def test_importance_falls_on_the_feature_that_the_label_follows() -> None:
    """The label is a function of wind alone, so shuffling heat costs nearly nothing."""
    shares = permutation_importance(fit(logistic, rows(), SPEC), rows(), SPEC, np.random.default_rng(0))
    assert set(shares) == {"wind", "heat"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["wind"] > 0.95
    assert shares["heat"] >= 0.0


def test_importance_is_shared_equally_where_no_feature_matters() -> None:
    """A constant model loses nothing whatever is shuffled."""
    constant = DummyClassifier(strategy="prior").fit(rows()[["wind", "heat"]], rows()["label"])
    assert permutation_importance(constant, rows(), SPEC, np.random.default_rng(0)) == {"wind": 0.5, "heat": 0.5}


def test_importance_of_a_loss_is_the_loss_that_shuffling_adds() -> None:
    """For the mean absolute error smaller is better; y = 2 wind + 1, so all importance is wind's."""
    frame = rows().assign(label=lambda f: 2 * f["wind"] + 1)
    model = LinearRegression().fit(frame[["wind", "heat"]], frame["label"])
    assert permutation_importance(model, frame, REGRESSION, np.random.default_rng(0))["wind"] == pytest.approx(1.0)


def test_importance_is_the_same_for_the_same_generator_and_sees_no_more_than_the_sample() -> None:
    """A model that counts the rows it is asked for is asked for 50 at a time."""
    asked: list[int] = []
    counting = make_pipeline(FunctionTransformer(lambda x: (asked.append(len(x)), x)[1]), LogisticRegression())
    counting.fit(rows()[["wind", "heat"]], rows()["label"])
    asked.clear()
    first = permutation_importance(counting, rows(), SPEC, np.random.default_rng(1), sample_rows=50, repeats=2)
    assert asked == [50] * (1 + 2 * 2)  # once as it is, then twice for each of two features
    assert first == permutation_importance(counting, rows(), SPEC, np.random.default_rng(1), sample_rows=50, repeats=2)


def test_importance_weights_the_rows() -> None:
    """Of two halves, one follows wind and one heat; the heavy half's feature matters."""
    frame = rows()
    half = np.arange(len(frame)) % 2 == 0
    frame["label"] = np.where(half, frame["wind"] > 0, frame["heat"] > 0).astype(int)
    model = LogisticRegression().fit(frame[["wind", "heat"]], frame["label"])
    shares = [
        permutation_importance(model, frame.assign(weight=np.where(half, heavy, 1 / heavy)), SPEC, np.random.default_rng(0))["wind"]
        for heavy in (30.0, 1 / 30.0)
    ]
    assert shares[0] > 0.6 > 0.4 > shares[1]
