"""What the domain classifier adds to a look at one window: sampling both sides in DuckDB, fitting, and which features carry it.

Makes a project (seeded) with one window and 50,000 reference rows, in a folder that is gone afterwards. Medians of wall and CPU time; the
first call, which imports scikit-learn, is apart.

    python -m benchmarks.domain_classifier [--rows 6500] [--sample 1000] [--features 11] [--shift 0.5] [--repeats 9] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.evaluation.look import Look
from vigil.evaluation.multivariate import multivariate_drift
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.records import Version
from vigil.window import Window

WEEK = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
REFERENCE_ROWS = 50_000


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), options.rows, options.sample, options.features, options.shift, options.repeats)
    if options.json:
        print(json.dumps(figures))  # noqa: T201
    else:
        for name, value in figures.items():
            print(f"{name:20} {value:10.3f}")  # noqa: T201


def measured(folder: Path, count: int, sample: int, features: int, shift: float, repeats: int) -> dict[str, float]:
    """Return seconds of one call of :func:`vigil.evaluation.multivariate.multivariate_drift`, and the AUC that it found."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" if i % 4 == 3 else f"x{i}" for i in range(features)]
    reference, current = drawn(rng, names, REFERENCE_ROWS, 0.0), drawn(rng, names, count, shift)
    reference.assign(label=0.0, prediction_id=[f"r{i}" for i in range(REFERENCE_ROWS)]).to_parquet(folder / "reference.parquet")
    times = [WEEK.start + timedelta(days=7) * (i / count) for i in range(count)]
    logged = current.assign(prediction_id=[f"p{i}" for i in range(count)], event_time=times, model_version="1", score=0.5)
    logged.to_parquet(folder / "log.parquet")
    logged[["prediction_id"]].head(1).assign(label=0.0, observed_at=WEEK.end).to_parquet(folder / "labels.parquet")
    spec = a_spec(names, sample)
    source = ModelSource(folder, spec)
    version = Version("m", "1", WEEK.start, spec.hash, "roc_auc", 0.8, {}, {"trained_on": [], "include_reference": True}, "", "")
    look = Look("e", "m", WEEK, WEEK.end, "1", spec.hash, "data", "labels", count)
    took, found = [], None
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        (found,) = multivariate_drift(source, spec, look, version)
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    if found is None or found.value is None:
        raise SystemExit("nothing was measured")
    again = took[1:]
    return {
        "first_wall_s": took[0][0],
        "wall_s": statistics.median(wall for wall, _ in again),
        "cpu_s": statistics.median(cpu for _, cpu in again),
        "auc": found.value,
    }


def drawn(rng: np.random.Generator, names: list[str], count: int, shift: float) -> pd.DataFrame:
    """Normal numbers, the first of them shifted, and categories of eight levels."""
    columns = {name: rng.normal(size=count) if name[0] == "x" else rng.choice(list("abcdefgh"), count) for name in names}
    return pd.DataFrame(columns).assign(**{names[0]: columns[names[0]] + shift})


def a_spec(names: list[str], sample: int) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model": "m",
            "owner": "o",
            "task": "binary",
            "source": {"predictions": "log.parquet", "labels": "labels.parquet", "reference": "reference.parquet"},
            "columns": {"latency_ms": None, "error": None, "inclusion_probability": None},
            "features": {name: "numeric" if name[0] == "x" else "categorical" for name in names},
            "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
            "training": {"trainer": "t:f"},
            "drift": {"multivariate_rows": sample},
        }
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("rows", 6_500), ("sample", 1_000), ("features", 11), ("repeats", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--shift", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
