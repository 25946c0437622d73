"""Fitting a challenger with the project's trainer, scoring with any version, and how much each feature matters to it.

The trainer's contract: ``function(rows: pd.DataFrame, spec: ModelSpec, params: dict) -> fitted estimator``. ``rows`` are those of
:func:`vigil.challenger.rows.training_rows`: the features, ``label``, ``weight`` and the time column. The estimator takes
``rows[list(spec.features)]`` and answers with ``predict_proba`` (binary) or ``predict`` (regression).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from vigil.challenger.project_code import importable
from vigil.challenger.rows import LABEL, WEIGHT, model_features
from vigil.errors import TrainingFailed, TrainingOutcome
from vigil.performance.metrics import value_of
from vigil.spec.model import ModelSpec, Task

Trainer = Callable[[pd.DataFrame, ModelSpec, dict[str, Any]], Any]
Floats = npt.NDArray[np.float64]


def load_trainer(folder: Path, reference: str) -> Trainer:
    """Import ``module:function`` with the project's folder first on the path, and return the function, which finds it there when called.

    A module of the same name that another folder has given this process is imported afresh from this one.

    Raises:
        TrainingFailed: there is no such module or function (the message names what exists), or importing it raised.
    """
    module_name, _, function_name = reference.partition(":")
    with importable(folder):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise TrainingFailed(
                    f"trainer {reference!r}: no module {error.name!r} in {folder} or installed; "
                    f"Python files there: {_listed(path.name for path in folder.glob('*.py'))}",
                    outcome=TrainingOutcome.RAISED,
                ) from error
            message = f"trainer {reference!r}: importing {module_name} failed: {error}"
            raise TrainingFailed(message, outcome=TrainingOutcome.RAISED) from error
        except Exception as error:  # whatever the project's code raises while it is imported
            message = f"trainer {reference!r}: importing {module_name} raised {_described(error)}"
            raise TrainingFailed(message, outcome=TrainingOutcome.RAISED) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise TrainingFailed(
            f"trainer {reference!r}: {module_name} has no function {function_name!r}; its functions: {_listed(_functions(module))}",
            outcome=TrainingOutcome.RAISED,
        )

    @functools.wraps(function)
    def trainer(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Any:
        with importable(folder):  # what it imports only now
            return function(rows, spec, params)

    return trainer


def fit(trainer: Trainer, rows: pd.DataFrame, spec: ModelSpec) -> Any:
    """Return the estimator that the trainer fits to ``rows`` (of :func:`~vigil.challenger.rows.training_rows`).

    NumPy's global generator is seeded with ``training.seed`` for the call and put back after it, so that fitting the same rows again
    gives the same model even where the trainer sets no ``random_state``.

    Raises:
        TrainingFailed: the trainer raised, or what it returned cannot score the rows.
    """
    try:
        with seeded(spec.training.seed):
            model = trainer(rows.copy(), spec, dict(spec.training.params))
    except TrainingFailed:  # a trainer in a process of its own: it says how it failed
        raise
    except Exception as error:  # whatever the project's code raises
        outcome = TrainingOutcome.OUT_OF_MEMORY if isinstance(error, MemoryError) else TrainingOutcome.RAISED
        raise TrainingFailed(f"trainer {spec.training.trainer!r} raised {_described(error)}", outcome=outcome) from error
    score(model, rows.head(20), spec)
    return model


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which others' code may draw from, for the block, and put it back as it was."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def score(model: Any, rows: pd.DataFrame, spec: ModelSpec) -> Floats:
    """Return the model's score of each row, shape ``(len(rows),)``: the probability of label 1, or the predicted value.

    Raises:
        TrainingFailed: the model lacks the method, raises, returns another shape, NaN, infinity, or a probability outside [0, 1].
        SourceError: a feature is missing from ``rows``.
    """
    features = model_features(rows, spec)
    if features.empty:
        return np.empty(0)
    method = "predict_proba" if spec.task is Task.BINARY else "predict"
    if not hasattr(model, method):
        raise TrainingFailed(f"{spec.model}: a {spec.task} model needs `{method}`, a {type(model).__name__} has none")
    try:
        answer = np.asarray(getattr(model, method)(features), dtype=np.float64)
    except Exception as error:  # whatever the project's model raises
        raise TrainingFailed(f"{spec.model}: `{method}` of {type(model).__name__} raised {_described(error)}") from error
    scores = answer[:, _positive(model, spec)] if spec.task is Task.BINARY and answer.ndim == 2 and answer.shape[1] == 2 else answer
    if scores.shape != (len(rows),):
        expected = f"({len(rows)}, 2)" if spec.task is Task.BINARY else f"({len(rows)},)"
        raise TrainingFailed(f"{spec.model}: `{method}` of {type(model).__name__} returned shape {answer.shape}, expected {expected}")
    if not np.isfinite(scores).all():
        message = f"{spec.model}: {int((~np.isfinite(scores)).sum())} of {len(scores)} scores are NaN or infinite"
        raise TrainingFailed(message, outcome=TrainingOutcome.NOT_A_NUMBER)
    if spec.task is Task.BINARY and (scores.min() < 0 or scores.max() > 1):
        raise TrainingFailed(f"{spec.model}: probabilities lie in [0, 1], got [{scores.min():g}, {scores.max():g}]")
    return scores


def permutation_importance(
    model: Any, rows: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, *, sample_rows: int = 2000, repeats: int = 3
) -> dict[str, float]:
    """Return feature -> share of importance, non-negative, summing to 1: how much drift of each feature matters.

    A feature's importance is the mean loss of the compared metric when its column is shuffled (Breiman 2001, 10.1023/A:1010933404324),
    negative means count as 0. Equal shares where no feature matters. What it cannot see: features that stand in for each other
    share their importance. ``rows`` have ``label`` and ``weight``; a sample of at most ``sample_rows`` of them is scored
    ``repeats`` times per feature.
    """
    from sklearn.inspection import permutation_importance as of_sklearn

    metric = spec.compared_on

    def gain(scored: Any, features: pd.DataFrame, label: pd.Series, sample_weight: pd.Series) -> float:
        scores, labels = score(scored, features, spec), np.asarray(label, dtype=np.float64)
        value = value_of(metric, scores, labels, np.asarray(sample_weight), scoring=spec.performance.scoring)
        return value if metric.larger_is_better else -value

    chosen = np.sort(rng.choice(len(rows), size=min(sample_rows, len(rows)), replace=False))
    sample = rows.iloc[chosen]
    with threadpool_limits(limits=1):  # so few rows at a time: threads would wait for each other longer than they work
        measured = of_sklearn(
            model,
            model_features(sample, spec),
            sample[LABEL],
            scoring=gain,
            n_repeats=repeats,
            random_state=int(rng.integers(2**31)),
            sample_weight=sample[WEIGHT],
        )
    means = np.clip(np.nan_to_num(measured.importances_mean), 0.0, None)
    shares = means / means.sum() if means.sum() > 0 else np.full(len(means), 1.0 / len(means))
    return {name: float(share) for name, share in zip(spec.features, shares, strict=True)}


def _positive(model: Any, spec: ModelSpec) -> int:
    classes = [float(value) for value in getattr(model, "classes_", (0, 1))]
    if sorted(classes) != [0.0, 1.0]:
        raise TrainingFailed(f"{spec.model}: the model's classes are {classes}, expected 0 and 1")
    return classes.index(1.0)


def _functions(module: ModuleType) -> Iterator[str]:
    return (name for name, value in vars(module).items() if callable(value) and getattr(value, "__module__", None) == module.__name__)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
