"""What others retrain by: river's detectors of change in the errors, and Evidently's alarm of drift in the inputs."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.policy.play import Course
from benchmarks.policy.streams import WINDOWS
from benchmarks.policy.versions import FIRST, Version

SAMPLE = 1_000  # rows a side that Evidently compares
SHARE = 0.5  # of the columns that have to drift: its own default


def river_times(course: Course, python: str) -> dict[str, list[int]]:
    """Return, by detector, the windows after which it asked for a retraining, each playing on with the version that it got.

    Losses are in units of the first version's baseline, for the detectors' own thresholds do not scale.
    """
    unit = course.baselines[Version(FIRST)]
    chosen = {FIRST: Version(FIRST)} | {at: course.retrained(at, Version(FIRST)).version for at in range(WINDOWS - 1)}
    losses = {
        f"{cut}:{window}": (course.row_losses(version, window) / unit).astype(np.float32)
        for cut, version in chosen.items()
        for window in range(cut + 1, WINDOWS - 1)
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "losses.npz", due=np.minimum(course.due, WINDOWS), **losses)
        command = [python, str(Path(__file__).with_name("river_side.py")), str(Path(folder) / "losses.npz")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{python} could not run river: {done.stderr.strip().splitlines()[-1]}")
    return {name: list(times) for name, times in json.loads(done.stdout).items()}


def evidently_asks(course: Course, seed: int) -> Callable[[int, Version], bool]:
    """Retrain where Evidently says that the data set has drifted from what the version in service was trained on; it needs no labels."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    features, rng = course.stream.features, np.random.default_rng(seed)

    def sample(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.iloc[np.sort(rng.choice(len(rows), min(SAMPLE, len(rows)), replace=False))]

    def asks(window: int, serving: Version) -> bool:
        before, now = sample(features[course.versions.trained_on(serving)]), sample(features[course.stream.rows_of(window)])
        columns = [name for name in features if before[name].notna().any() and now[name].notna().any()]  # one empty column stops it
        definition = DataDefinition(numerical_columns=columns)
        sides = (Dataset.from_pandas(side[columns], data_definition=definition) for side in (now, before))
        found = Report([DataDriftPreset(drift_share=SHARE)]).run(*sides)
        return float(found.dict()["metrics"][0]["value"]["share"]) >= SHARE

    return asks
