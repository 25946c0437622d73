"""Search the trainer's parameters: a bounded number of fits to the earlier rows, judged on the later ones (Optuna's TPE sampler).

Differs from :mod:`vigil.challenger.fit`, which fits once, and from :mod:`vigil.challenger.span`, which tries how far back to learn from.
The rows that champion and challenger are compared on are in no frame that comes here: what is chosen is chosen without them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vigil.challenger.fit import Trainer, fit, score
from vigil.challenger.rows import LABEL, WEIGHT, before_gap
from vigil.errors import NotEnoughData, TrainingFailed, TrainingOutcome
from vigil.performance.metrics import value_of
from vigil.spec.model import ModelSpec
from vigil.spec.search import Choices, FloatRange, IntRange


@dataclass(frozen=True)
class Trial:
    """One fit that was tried. ``value`` is the compared metric on the later rows; None where it failed, and ``failure`` says how."""

    number: int
    params: Mapping[str, Any]
    value: float | None
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Searched:
    """A search that came to an end.

    Attributes:
        fitted, judged: how many rows each trial was fitted to, and how many later ones judged it.
        chosen: the best trial's parameters; empty where nothing was tried, and ``skipped`` says why.
    """

    metric: str
    fitted: int
    judged: int
    trials: tuple[Trial, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Searched:
        return cls(**{**body, "trials": tuple(Trial(**trial) for trial in body["trials"])})

    def summary(self) -> dict[str, Any]:
        """Plain JSON without the trials one by one: what the lineage keeps."""
        values = [trial.value for trial in self.trials if trial.value is not None]
        best = next((trial.value for trial in self.trials if trial.params == self.chosen), None)
        counts = {"trials": len(self.trials), "failed": len(self.trials) - len(values)}
        body = {"metric": self.metric, "value": best, "fitted": self.fitted, "judged": self.judged, **counts}
        return body | {"chosen": dict(self.chosen), "skipped": self.skipped}


def fit_searched(trainer: Trainer, frames: tuple[pd.DataFrame, ...], spec: ModelSpec) -> tuple[tuple[Any, ...], Searched | None]:
    """Return a model fitted to each frame, with the parameters that a search in the FIRST finds best, where the specification wants one.

    Raises:
        TrainingFailed: as :func:`vigil.challenger.fit.fit`, or as :func:`search`.
    """
    found = None if spec.training.search is None else search(trainer, frames[0], spec)
    chosen = with_params(spec, {} if found is None else found.chosen)
    return tuple(fit(trainer, rows, chosen) for rows in frames), found


def with_params(spec: ModelSpec, params: Mapping[str, Any]) -> ModelSpec:
    """Return the specification with these parameters over its own, and no search."""
    training = spec.training.model_copy(update={"params": {**spec.training.params, **params}, "search": None})
    return spec.model_copy(update={"training": training})


def search(trainer: Trainer, rows: pd.DataFrame, spec: ModelSpec, clock: Callable[[], float] = time.monotonic) -> Searched:
    """Try ``training.search.trials`` sets of parameters, seeded by ``training.seed``, and return them with the best.

    The latest ``validation`` share of the rows judges by the compared metric, weighted; the label delay before them is left out of what
    is fitted, as between a training and its comparison. What ``training.params`` says of the space is tried first. A trial that fails is
    kept with its failure and the search goes on. Of equal trials the earliest is best.

    What it cannot see: how sure it is. The best of many trials looks better on these rows than it is; only the comparison, on rows that
    come later still, says whether it is better than the champion.

    Args:
        rows: of :func:`vigil.challenger.rows.training_rows`.
        clock: seconds.

    Raises:
        TrainingFailed: every trial failed, or Optuna is not installed.
    """
    asked, metric = spec.training.search, spec.compared_on
    if asked is None:
        raise ValueError(f"{spec.model}: training.search is not given")
    early, late = inner_split(rows, spec, asked.validation)
    if min(len(early), len(late)) < spec.labels.minimum or min(early[LABEL].nunique(), late[LABEL].nunique()) < 2:
        skipped = f"{len(early)} and {len(late)} rows of both classes are too few to search on (labels.minimum {spec.labels.minimum})"
        return Searched(metric.value, len(early), len(late), skipped=skipped)
    label, weight = late[LABEL].to_numpy(dtype=np.float64), late[WEIGHT].to_numpy(dtype=np.float64)
    optuna, trials = require_optuna(), list[Trial]()

    def tried(trial: Any) -> float:
        params, began = {name: _suggested(trial, name, each) for name, each in asked.space.items()}, clock()
        try:
            chosen = with_params(spec, params)
            scores = score(fit(trainer, early, chosen), late, chosen)
            value = value_of(metric, scores, label, weight, scoring=spec.performance.scoring)
            if not math.isfinite(value):
                raise TrainingFailed(f"{metric} is {value}", outcome=TrainingOutcome.NOT_A_NUMBER)
        except (TrainingFailed, NotEnoughData) as error:
            trials.append(Trial(trial.number, params, None, clock() - began, str(error)))
            raise
        trials.append(Trial(trial.number, params, value, clock() - began))
        return value

    study = optuna.create_study(
        direction="maximize" if metric.larger_is_better else "minimize", sampler=optuna.samplers.TPESampler(seed=spec.training.seed)
    )
    written = {name: spec.training.params[name] for name in asked.space if name in spec.training.params}
    if written:
        study.enqueue_trial(written)
    study.optimize(tried, n_trials=asked.trials, timeout=asked.seconds, catch=(TrainingFailed, NotEnoughData))
    return Searched(metric.value, len(early), len(late), tuple(trials), _best(trials, spec).params)


def inner_split(rows: pd.DataFrame, spec: ModelSpec, validation: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to fit to and the latest ``validation`` share, in order of time, the label delay left out between them.

    Rows without a time come first: they are a reference's, and older than what was served.
    """
    ordered = rows.sort_values(spec.columns.time, kind="stable", na_position="first", ignore_index=True)
    cut = len(ordered) - round(len(ordered) * validation)
    late = ordered.iloc[cut:].reset_index(drop=True)
    return before_gap(ordered.iloc[:cut], late, spec), late


def require_optuna() -> Any:
    """Return the module ``optuna``, quiet.

    Raises:
        TrainingFailed: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise TrainingFailed(
            "training.search needs Optuna, which is not installed here: `pip install 'vigil[search]'`, or remove training.search",
            outcome=TrainingOutcome.RAISED,
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # each trial is kept; it need not be printed too
    return optuna


def _suggested(trial: Any, name: str, each: FloatRange | IntRange | Choices) -> Any:
    if isinstance(each, Choices):
        return trial.suggest_categorical(name, each.choices)
    suggest = trial.suggest_float if isinstance(each, FloatRange) else trial.suggest_int
    return suggest(name, each.low, each.high, log=each.log)


def _best(trials: list[Trial], spec: ModelSpec) -> Trial:
    sign = 1.0 if spec.compared_on.larger_is_better else -1.0
    sound = [trial for trial in trials if trial.value is not None]
    if not sound:
        first = f"; the first: {trials[0].failure}" if trials else ""
        raise TrainingFailed(f"trainer {spec.training.trainer!r}: none of {len(trials)} trials of training.search gave a model{first}")
    return max(sound, key=lambda trial: (sign * (trial.value or 0.0), -trial.number))
