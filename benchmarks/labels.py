"""What a plan of labels saves: the width of intervals from 100 planned labels a window against 100 drawn uniformly, on real streams.

A model is trained on the first fifth of each stream (``*.parquet`` with ``meta.json``: task, target, time column, columns to drop) and
scores the rest. Of each window both ways of drawing are repeated with other seeds. The plan is the product's own
(:mod:`vigil.labels`); for a regression it learns the size of errors from 100 uniform labels of each of the 8 windows before. A value is
covered where the interval holds the metric over ALL rows of the window; ``rms_ratio`` compares the true errors, which no interval can gloss
over.

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
from vigil.labels.allocation import allocate, expected_spread
from vigil.labels.plan import HISTORY, error_sizes, make_strata
from vigil.performance.cores import Vector
from vigil.performance.metrics import Estimate, estimate, value_of
from vigil.spec.model import Metric, ModelSpec
from vigil.window import Window

BINARY = (Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1)
REGRESSION = (Metric.MAE, Metric.RMSE)
TRAINED = 0.2  # of the stream, first in time
GOAL = 0.7  # of the uniform interval's width


def main() -> None:
    options = _options()
    meta = json.loads((options.data / "meta.json").read_text())
    rows = []
    for name, about in sorted(meta.items()):
        stream = scored(options.data / f"{name}.parquet", about)
        for metric in BINARY if about["task"] == "binary" else REGRESSION:
            found = measured(stream, about["task"], metric, options.budget, options.repeats, options.windows)
            rows.append({"stream": name} | found)
    if options.json:
        print(json.dumps(rows, indent=1))  # noqa: T201
        return
    for row in rows:
        print("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()))  # noqa: T201


def scored(path: Path, about: dict[str, Any]) -> pd.DataFrame:
    """Return ``time``, ``score`` and ``label`` of the rows after the first fifth, which the model is trained on."""
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
    return pd.DataFrame({"time": pd.to_datetime(rows[about["time"]][cut:]), "score": score, "label": label[cut:]})


def measured(stream: pd.DataFrame, task: str, metric: Metric, budget: int, repeats: int, windows: int) -> dict[str, Any]:
    """Return widths, true errors and coverage of both ways of drawing, over some of the stream's windows."""
    days, parts = _windows(stream, 10 * budget)
    spec = _spec(task, metric)
    chosen = parts[HISTORY :: max(1, (len(parts) - HISTORY) // windows)][:windows]
    widths: dict[str, list[float]] = {"uniform": [], "planned": []}
    errors: dict[str, list[float]] = {"uniform": [], "planned": []}
    held: dict[str, list[bool]] = {"uniform": [], "planned": []}
    skipped = 0
    for number, part in chosen:
        score, label = (part[name].to_numpy(dtype=np.float64) for name in ("score", "label"))
        truth = value_of(metric, score, label)
        for repeat in range(repeats):
            rng = np.random.default_rng([repeat, number])
            scale = None if task == "binary" else _error_sizes(parts, number, score, budget, rng)
            try:
                uniform = _uniform(metric, score, label, budget, rng)
                found = {"uniform": uniform, "planned": _planned(spec, score, label, budget, scale, rng)}
            except NotEnoughData:  # nothing called positive among the labels
                skipped += 1
                continue
            for way, (value, low, high) in found.items():
                widths[way].append(high - low)
                errors[way].append(value - truth)
                held[way].append(low <= truth <= high)
    ratio = float(np.median(np.array(widths["planned"]) / np.array(widths["uniform"])))
    return {
        "metric": metric.value,
        "window_days": days,
        "windows": len(chosen),
        "simulations": len(widths["planned"]),
        "skipped": skipped,
        "labels": budget,
        "width_uniform": float(np.median(widths["uniform"])),
        "width_planned": float(np.median(widths["planned"])),
        "width_ratio": ratio,
        "rms_ratio": float(np.sqrt(np.mean(np.square(errors["planned"])) / np.mean(np.square(errors["uniform"])))),
        "coverage_uniform": float(np.mean(held["uniform"])),
        "coverage_planned": float(np.mean(held["planned"])),
        "goal_reached": ratio <= GOAL,
    }


def _uniform(metric: Metric, score: Vector, label: Vector, budget: int, rng: np.random.Generator) -> Estimate:
    drawn = rng.choice(len(score), budget, replace=False)
    return estimate(metric, score[drawn], label[drawn])


def _planned(spec: ModelSpec, score: Vector, label: Vector, budget: int, scale: Vector | None, rng: np.random.Generator) -> Estimate:
    metric, scoring = spec.performance.metric, spec.performance.scoring
    window = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 8, tzinfo=UTC))
    expected = expected_spread(metric, score, scoring, scale)
    design = make_strata(spec, window, "l-benchmark", score, None, expected, budget)
    stratum, count = design.strata_of(score, None), max(design.merged) + 1
    total = np.bincount(stratum, minlength=count)
    spread = np.sqrt(np.bincount(stratum, expected**2, count) / total)
    asked = allocate(total, spread, np.zeros(count, dtype=np.int64), budget)
    drawn = np.concatenate([rng.choice(np.flatnonzero(stratum == each), asked[each], replace=False) for each in range(count)])
    weight = (total / np.maximum(asked, 1))[stratum[drawn]]
    return estimate(metric, score[drawn], label[drawn], weight, stratum=stratum[drawn])


def _error_sizes(parts: list[tuple[int, pd.DataFrame]], number: int, score: Vector, budget: int, rng: np.random.Generator) -> Vector:
    earlier = pd.concat([part.iloc[rng.choice(len(part), budget, replace=False)] for _, part in parts[number - HISTORY : number]])
    seen = earlier.sort_values("score")
    return error_sizes(seen["score"].to_numpy(), seen["label"].to_numpy(), score)


def _windows(stream: pd.DataFrame, rows: int) -> tuple[int, list[tuple[int, pd.DataFrame]]]:
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
