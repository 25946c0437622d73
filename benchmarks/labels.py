"""What plans of labels and prediction-powered estimates save: the width of intervals from 100 labels a window, on real streams.

A model is trained on the first fifth of each stream (``*.parquet`` with ``meta.json``: task, target, time column, columns to drop) and
scores the rest. Of each window four ways are repeated with other seeds: labels drawn uniformly or planned (the product's own
:mod:`vigil.labels`), each evaluated alone and with the scores of all rows (:mod:`vigil.performance.powered`). What is learned before the
window - the size of errors for a plan, the proxy - is learned from 100 uniform labels of each of the 8 windows before. A value is covered
where the interval holds the metric over ALL rows of the window; ``rms_ratio`` compares the true errors, which no interval can gloss over.
``floor`` is the width, relative to uniform labels, that Neyman's best choice of rows would give to who KNEW the spread of the metric's
influence in each of 20 bands of the score: about as narrow as it gets without knowing more of a row than its score. ``bound`` is the same
for who knows far more than any plan can: gradient boosting on features, score and time, given the LABELS of two thirds of all rows of
the stream, those of the same hour among them, says of each row of the last third what influence to expect, which is taken off as a control
variate, and how far it will be off, by which the 20 bands are made.

    python -m benchmarks.labels --data DIR [--budget 100] [--repeats 40] [--windows 10] [--json]
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.errors import NotEnoughData
from vigil.labels.allocation import expected_spread
from vigil.labels.plan import HISTORY, draw, error_sizes, make_strata
from vigil.performance import cores
from vigil.performance.cores import Vector
from vigil.performance.metrics import Estimate, parts_of, value_of
from vigil.performance.powered import prediction_powered
from vigil.performance.proxy import Population, learn_proxy
from vigil.spec.model import Metric, ModelSpec, Task
from vigil.window import Window

BINARY = (Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1)
REGRESSION = (Metric.MAE, Metric.RMSE)
TRAINED = 0.2  # of the stream, first in time
GOAL = 0.7  # of the uniform interval's width
WAYS = ("uniform", "uniform_powered", "planned", "planned_powered")
FLOOR_BANDS = 20
FEATURE = "feature_"

Windows = list[tuple[int, pd.DataFrame]]


def main() -> None:
    options = _options()
    meta = json.loads((options.data / "meta.json").read_text())
    rows = []
    for name, about in sorted(meta.items()):
        stream = scored(options.data / f"{name}.parquet", about)
        binary = about["task"] == "binary"
        chance = _held_out(stream, stream["label"].to_numpy(), binary=True) if binary else None
        _, chosen, _ = chosen_windows(stream, options.budget, options.windows)
        for metric in BINARY if binary else REGRESSION:
            found = measured(stream, about["task"], metric, options.budget, options.repeats, options.windows)
            found["bound"] = bound(stream, metric, chosen, chance)
            found["goal_possible"] = found["bound"] <= GOAL
            rows.append({"stream": name} | found)
    if options.json:
        print(json.dumps(rows, indent=1))  # noqa: T201
        return
    for row in rows:
        print("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))  # noqa: T201


def scored(path: Path, about: dict[str, Any]) -> pd.DataFrame:
    """Return ``time``, ``score``, ``label`` and, named :data:`FEATURE` and so on, the features of the rows after the first fifth, which the
    model is trained on."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rows = pd.read_parquet(path)
    left_out = {about["target"], about["time"], about.get("label_time"), *about["drop"]}
    features = rows[[name for name in rows.columns if name not in left_out]]
    features = features.apply(lambda column: column if pd.api.types.is_numeric_dtype(column) else column.astype("category").cat.codes)
    cut, label = int(TRAINED * len(rows)), rows[about["target"]].to_numpy(dtype=np.float64)
    binary = about["task"] == "binary"
    model = (HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor)(max_iter=60, random_state=0)
    model.fit(features[:cut], label[:cut])
    score = model.predict_proba(features[cut:])[:, 1] if binary else model.predict(features[cut:])
    known = {"time": pd.to_datetime(rows[about["time"]][cut:]).to_numpy(), "score": score, "label": label[cut:]}
    return pd.DataFrame(known | {f"{FEATURE}{name}": features[name][cut:].to_numpy() for name in features})


def measured(stream: pd.DataFrame, task: str, metric: Metric, budget: int, repeats: int, windows: int) -> dict[str, Any]:
    """Return widths, true errors and coverage of the four ways, over some of the stream's windows."""
    days, chosen, parts = chosen_windows(stream, budget, windows)
    spec = _spec(task, metric)
    found: dict[str, list[Estimate]] = {way: [] for way in WAYS}
    truths: list[float] = []
    skipped = 0
    for number, part in chosen:
        score, label = (part[name].to_numpy(dtype=np.float64) for name in ("score", "label"))
        truth = value_of(metric, score, label)
        for repeat in range(repeats):
            rng = np.random.default_rng([repeat, number])
            earlier = _earlier(parts, number, budget, rng)
            population = Population(score, learn_proxy(spec.task, (*earlier, np.ones(len(earlier[0])))))
            try:
                drawn = [_uniform(score, budget, rng), _planned(spec, score, budget, earlier, rng)]
                each = [way for rows, *design in drawn for way in _both(metric, score[rows], label[rows], design, population)]
            except NotEnoughData:  # nothing called positive among the labels
                skipped += 1
                continue
            truths.append(truth)
            for way, estimated in zip(WAYS, each, strict=True):
                found[way].append(estimated)
    ends = {way: np.array(estimates) for way, estimates in found.items()}
    truth_of_each = np.array(truths)
    width = {way: of[:, 2] - of[:, 1] for way, of in ends.items()}
    rms = {way: np.sqrt(np.mean((of[:, 0] - truth_of_each) ** 2)) for way, of in ends.items()}
    held = {way: np.mean((of[:, 1] <= truth_of_each) & (truth_of_each <= of[:, 2])) for way, of in ends.items()}
    ratio = {way: float(np.median(of / width["uniform"])) for way, of in width.items()}
    return {
        "metric": metric.value,
        "window_days": days,
        "windows": len(chosen),
        "simulations": len(truths),
        "skipped": skipped,
        "labels": budget,
        "width_uniform": float(np.median(width["uniform"])),
        **{f"width_ratio_{way}": ratio[way] for way in WAYS[1:]},
        **{f"rms_ratio_{way}": float(rms[way] / rms["uniform"]) for way in WAYS[1:]},
        **{f"coverage_{way}": float(held[way]) for way in WAYS},
        "floor": float(np.mean([_floor(metric, part["score"].to_numpy(), part["label"].to_numpy(dtype=np.float64)) for _, part in chosen])),
        "goal_reached": ratio["planned_powered"] <= GOAL,
    }


def chosen_windows(stream: pd.DataFrame, budget: int, windows: int) -> tuple[int, Windows, Windows]:
    """Return the windows' length in days, those that are measured, and all."""
    days, parts = _windows(stream, 10 * budget)
    return days, parts[HISTORY :: max(1, (len(parts) - HISTORY) // windows)][:windows], parts


def bound(stream: pd.DataFrame, metric: Metric, chosen: Windows, chance: Vector | None) -> float:
    """Return the narrowest width, relative to uniform labels, that was found for who knows two thirds of all labels.

    ``chance``: of each row of a binary stream, to be positive; None: of a regression, what is expected is learned here.
    """
    if chance is None:
        value = parts_of(metric, stream["score"].to_numpy(), stream["label"].to_numpy(dtype=np.float64))[0]
        expected = _held_out(stream, value, binary=False)
        off = _held_out(stream, np.square(value - expected), binary=False)
    found = []
    for _, part in chosen:
        places = stream.index.get_indexer(part.index)
        score, label = part["score"].to_numpy(), part["label"].to_numpy(dtype=np.float64)
        own = influence_of(metric, score, label)
        if chance is None:
            mean, spread = expected[places], off[places]
        else:
            no, yes = (influence_of(metric, score, label, of=np.full(len(label), each)) for each in (0.0, 1.0))
            likely = chance[places]
            mean, spread = no + likely * (yes - no), np.sqrt(likely * (1 - likely)) * np.abs(yes - no)
        found.append(_best(own, own - mean, spread))
    return float(np.mean(found))


def _uniform(score: Vector, budget: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Rows, their weights and their strata, of which there are none."""
    return rng.choice(len(score), budget, replace=False), None, None


def _planned(spec: ModelSpec, score: Vector, budget: int, earlier: tuple[Vector, Vector], rng: np.random.Generator) -> tuple[Any, ...]:
    metric, scoring = spec.performance.metric, spec.performance.scoring
    window = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 8, tzinfo=UTC))
    scale = error_sizes(*earlier, score) if spec.task is Task.REGRESSION else None
    expected = expected_spread(metric, score, scoring, scale)
    design = make_strata(spec, window, "l-benchmark", score, None, expected, budget)
    stratum, count = design.strata_of(score, None), max(design.merged) + 1
    total = np.bincount(stratum, minlength=count)
    spread = np.sqrt(np.bincount(stratum, expected**2, count) / total)
    every = np.ones(len(score), dtype=bool)
    drawn = np.concatenate(draw(every, stratum, spread, total, budget, spec.labels.control, rng))
    asked = np.bincount(stratum[drawn], minlength=count)
    return drawn, (total / np.maximum(asked, 1))[stratum[drawn]], stratum[drawn]


def _both(metric: Metric, score: Vector, label: Vector, design: list[Any], population: Population) -> tuple[Estimate, Estimate]:
    """The estimate from labels alone, and with the scores of all rows."""
    weight, stratum = design
    powered = prediction_powered(metric, score, label, weight, population, stratum=stratum)
    return powered.labels_alone, powered.found


def _earlier(parts: Windows, number: int, budget: int, rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Score and label, by score, of so many uniform labels of each of the windows before."""
    drawn = pd.concat([part.iloc[rng.choice(len(part), budget, replace=False)] for _, part in parts[number - HISTORY : number]])
    seen = drawn.sort_values("score")
    return seen["score"].to_numpy(), seen["label"].to_numpy(dtype=np.float64)


def _floor(metric: Metric, score: Vector, label: Vector) -> float:
    own = influence_of(metric, score, label)
    return _best(own, own, score)


def _best(own: Vector, left: Vector, by: Vector) -> float:
    """The width of Neyman's choice among bands of ``by`` where ``left`` is what is not known of the influence; uniform labels' is 1."""
    bands = np.array_split(left[np.argsort(by, kind="stable")], FLOOR_BANDS)
    return float(sum(len(band) * np.std(band) for band in bands) / len(own) / np.std(own))


def influence_of(metric: Metric, score: Vector, label: Vector, *, of: Vector | None = None) -> Vector:
    """Return each row's influence on the metric of all rows, up to a factor; ``of``: that which it would have with these labels."""
    asked, every = label if of is None else of, np.ones(len(score))
    if metric is Metric.ROC_AUC:
        positive, share, auc = label == 1, float(np.mean(label)), cores.auc(score, label, every)
        below = cores.share_below(score, score[~positive], every[~positive])
        above = 1 - cores.share_below(score, score[positive], every[positive])
        return np.where(asked == 1, (below - auc) / share, (above - auc) / (1 - share))
    mean = cores.weighted_mean(*parts_of(metric, score, label))
    value, times = parts_of(metric, score, asked)
    return (value - mean) * times


def _held_out(stream: pd.DataFrame, target: Vector, *, binary: bool) -> Vector:
    """What gradient boosting on features, score and time expects of each row, from the targets of two thirds of the others."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x = stream[["score", *(name for name in stream if name.startswith(FEATURE))]].assign(time=stream["time"].astype("int64"))
    fold, found = np.random.default_rng(0).permutation(len(x)) % 3, np.empty(len(x))
    for number in range(3):
        make = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
        model = make(max_iter=100, max_leaf_nodes=31, random_state=0).fit(x[fold != number], target[fold != number])
        rows = x[fold == number]
        found[fold == number] = model.predict_proba(rows)[:, 1] if binary else model.predict(rows)
    return found


def _windows(stream: pd.DataFrame, rows: int) -> tuple[int, Windows]:
    """Cut the stream into windows of whole weeks, as many as hold ``rows`` rows on average; the last, partial one is left out."""
    span = (stream["time"].max() - stream["time"].min()) / timedelta(weeks=1)
    weeks = max(1, int(np.ceil(rows / (len(stream) / span))))
    place = (stream["time"] - stream["time"].min()) // timedelta(weeks=weeks)
    parts = [part for _, part in stream.groupby(place) if len(part) >= rows // 2][:-1]
    return 7 * weeks, list(enumerate(parts))


def _spec(task: str, metric: Metric) -> ModelSpec:
    whole = {
        "model": "m",
        "owner": "benchmark",
        "task": task,
        "source": {"predictions": "p", "labels": "l"},
        "features": {"x": "numeric"},
        "performance": {"metric": metric.value, "tolerated_loss": 0.1},
        "training": {"trainer": "t:t", "include_reference": False},
    }
    return ModelSpec.model_validate(whole)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the streams")
    parser.add_argument("--budget", type=int, default=100, help="labels a window")
    parser.add_argument("--repeats", type=int, default=40, help="draws of each window")
    parser.add_argument("--windows", type=int, default=10, help="windows of each stream")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
