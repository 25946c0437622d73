"""How long the drift of one model takes over a span of windows whose profiles are stored: no raw row is read.

Makes a store (seeded) with a window a day, in a folder that is gone afterwards, and measures the newest window against the sum of
those before, as :func:`vigil.evaluation.references.drift_from_earlier` does in every look: store, parsing, sum and statistics.

    python -m benchmarks.stored_span [--windows 90] [--features 25] [--segments 5] [--repeats 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vigil.drift.measure import measure_drift
from vigil.evaluation.look import Look
from vigil.evaluation.references import Missing, drift_from_earlier, stored_sum
from vigil.measurement import WHOLE
from vigil.profile.layout import BINS, COUNTED_LEVELS, Layout, Scale
from vigil.profile.profile import FIXED_POINT, CategoricalSummary, NumericSummary, Profile
from vigil.spec.model import ModelSpec
from vigil.store.records import Evaluation, Version
from vigil.store.sql import SqlStore, open_store
from vigil.window import Window

FIRST = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
ROWS = 100_000  # a window
EDGES = tuple(float(edge) for edge in np.linspace(-1.6448536, 1.6448536, BINS - 1))


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{Path(folder) / 'vigil.db'}") as store:
        figures = measured(store, options.windows, options.features, options.segments, options.repeats)
    if options.json:
        print(json.dumps(figures))  # noqa: T201
    else:
        for name, value in figures.items():
            print(f"{name:28} {value:10.1f}" if isinstance(value, float) else f"{name:28} {value:10d}")  # noqa: T201


def measured(store: SqlStore, windows: int, features: int, segments: int, repeats: int) -> dict[str, float | int]:
    """Return medians in milliseconds: of the sum alone, of the sum with all drift from it, and of drift against one profile at hand."""
    spec, layout = a_spec(features, windows), a_layout(features)
    rng = np.random.default_rng(0)
    bodies = [{key: a_profile(rng, layout).to_json() for key in keys(segments)} for _ in range(windows + 1)]
    store.save_spec(spec.model, spec.hash, spec.canonical_json())
    for index, body in enumerate(bodies):
        window = FIRST.shifted(index)
        store.save_profiles(spec.model, window, f"data-{index}", layout.digest, body)
        store.record_evaluation(
            Evaluation(f"e{index}", spec.model, window, "1", window.end, spec.hash, f"data-{index}", "labels", ROWS, 0, True, "0"), []
        )
    training = Profile.from_json(bodies[0]["1", WHOLE])
    current = Profile.from_json(bodies[-1]["1", WHOLE])
    version = Version("m", "1", FIRST.start, spec.hash, "roc_auc", 0.8, {}, {}, layout.to_json(), training.to_json())
    now = FIRST.shifted(windows)
    look = Look("e", spec.model, now, now.end, "1", spec.hash, f"data-{windows}", "labels", ROWS)
    span = tuple(now.shifted(-back) for back in range(1, windows + 1))
    total = stored_sum(store, look, span, layout)
    if isinstance(total, Missing):
        raise SystemExit(total.because)
    return {
        "windows": windows,
        "features": features,
        "stored_profiles": len(keys(segments)) * (windows + 1),
        "kilobytes_per_profile": len(bodies[0]["1", WHOLE]) / 1024,
        "sum_ms": median_ms(lambda: stored_sum(store, look, span, layout), repeats),
        "span_drift_ms": median_ms(lambda: drift_from_earlier(store, spec, look, version, current, training), repeats),
        "one_drift_ms": median_ms(lambda: measure_drift(current, total, spec, importance={}, version="1"), repeats),
    }


def a_spec(features: int, windows: int) -> ModelSpec:
    """Four numbers for each category, compared with a rolling span and with nothing else."""
    return ModelSpec.model_validate(
        {
            "model": "m",
            "owner": "o",
            "task": "binary",
            "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
            "features": {f"f{i}": "categorical" if i % 5 == 4 else "numeric" for i in range(features)},
            "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
            "training": {"trainer": "t:f", "include_reference": False},
            "drift": {"references": {"previous": False, "rolling_windows": windows}},
        }
    )


def a_layout(features: int) -> Layout:
    numeric = [f"f{i}" for i in range(features) if i % 5 != 4] + ["score"]
    categorical = [f"f{i}" for i in range(features) if i % 5 == 4]
    return Layout(
        numeric=dict.fromkeys(numeric, EDGES),
        categorical={name: tuple(f"level {level}" for level in range(COUNTED_LEVELS)) for name in categorical},
        scales=dict.fromkeys(numeric, Scale(0.0, 4.0)),
        tails=dict.fromkeys(categorical, ()),
    )


def keys(segments: int) -> list[tuple[str, str]]:
    return [(version, segment) for version in ("*", "1") for segment in ("*", *(f"origin=s{i}" for i in range(segments)))]


def a_profile(rng: np.random.Generator, layout: Layout) -> Profile:
    numeric = {
        name: NumericSummary(
            edges,
            layout.scales[name],
            tuple(rng.multinomial(ROWS, np.full(BINS, 1 / BINS)).tolist()),
            minimum=float(-4 - rng.random()),
            maximum=float(4 + rng.random()),
            total=int(rng.integers(-ROWS, ROWS)),
            squares=ROWS * FIXED_POINT // 16,
        )
        for name, edges in layout.numeric.items()
    }
    categorical = {
        name: CategoricalSummary(levels, tuple(rng.multinomial(ROWS, np.full(COUNTED_LEVELS, 1 / COUNTED_LEVELS)).tolist()))
        for name, levels in layout.categorical.items()
    }
    return Profile(layout.digest, ROWS, numeric, categorical)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        took.append(1_000 * (time.perf_counter() - start))
    return statistics.median(took)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("windows", 90), ("features", 25), ("segments", 5), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
