"""Streams to play: real ones from a folder with a ``meta.json``, and seeded made-up ones of several kinds of change.

A stream's first fifth, in order of time, trains the first version; the rest is cut into 50 windows of equally many rows. A label is known
from the end of the window in which it arrives on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.spec.model import Task

TRAINED = 0.2  # of the rows, first in time
WINDOWS = 50
NEVER = np.iinfo(np.int32).max  # the window by whose end a label that never comes is known
KEPT = 0.9  # of the rows, at random, under every seed but 0: so that seeds differ on a real stream
DELAY = re.compile(r"^\s*([\d.]+)\s*(minute|hour|day|week)s?\s*$")

Vector = npt.NDArray[np.float64]
Windows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """Rows in order of time.

    Attributes:
        features: numbers; texts as codes.
        window: of each row, 0 to 49; below 0 for the rows of the first fifth, in parts of the same size.
        known: the window by whose end the row's label is known.
    """

    name: str
    task: Task
    features: pd.DataFrame
    label: Vector
    window: Windows
    known: Windows

    def rows_of(self, window: int) -> slice:
        begin, end = np.searchsorted(self.window, [window, window + 1])
        return slice(int(begin), int(end))


def real_streams(folder: Path, *, sampled: float, seed: int, only: str | None = None, keep: float | None = None) -> Iterator[Stream]:
    """Yield the streams that ``meta.json`` names, in the order of their names.

    Args:
        sampled: the share of labels that ever arrive, drawn at random.
        seed: of that draw; under any but 0 a tenth of the rows, drawn by it, is left out as well.
        only: the one stream to read; None: all.
        keep: the share of rows that is not left out, whatever the seed; None: as above.
    """
    for name, about in sorted(json.loads((folder / "meta.json").read_text()).items()):
        if only not in (None, name):
            continue
        yield read_stream(name, folder / f"{name}.parquet", about, sampled=sampled, seed=seed, keep=keep)


def read_stream(name: str, path: Path, about: dict[str, Any], *, sampled: float, seed: int, keep: float | None = None) -> Stream:
    rng = np.random.default_rng(seed)
    rows = pd.read_parquet(path).sort_values(about["time"], kind="stable", ignore_index=True)
    if seed or keep is not None:
        rows = rows[rng.random(len(rows)) < (KEPT if keep is None else keep)].reset_index(drop=True)
    left_out = {about["target"], about["time"], about.get("label_time"), *about["drop"]}
    features = rows[[column for column in rows.columns if column not in left_out]].apply(_as_numbers)
    time = pd.to_datetime(rows[about["time"]], utc=True)
    arrives = pd.to_datetime(rows[about["label_time"]], utc=True) if about.get("label_time") else time + _delay(name, about["label_delay"])
    window = _windows(len(rows))
    ends = time.groupby(window).max().loc[0:].to_numpy()
    known = np.maximum(np.searchsorted(ends, arrives.to_numpy()), window)
    known[window < 0] = np.minimum(known, -1)[window < 0]  # the first version was trained when the labels of its rows were there
    known[(rng.random(len(rows)) >= sampled) & (window >= 0)] = NEVER
    label = rows[about["target"]].to_numpy(dtype=np.float64)
    return Stream(name, Task(about["task"]), features, label, window, known)


def _as_numbers(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype("float64")
    codes = column.astype("category").cat.codes.astype("float64")
    return codes.where(codes >= 0)


def _delay(name: str, text: str) -> pd.Timedelta:
    found = DELAY.match(text)
    if found is None:
        raise SystemExit(f"meta.json: {name}: label_delay {text!r} is not a number of minutes, hours, days or weeks; or name a label_time")
    return pd.Timedelta(float(found[1]), unit=found[2])


def _windows(count: int) -> Windows:
    first = int(TRAINED * count)
    place = np.arange(count) - first
    return np.floor_divide(place * WINDOWS, count - first)


def made_up_streams(*, seed: int, rows: int = 7_500) -> Iterator[Stream]:
    """Yield one stream of each kind of change, in turn a regression and a classification."""
    for number, (name, change) in enumerate(CHANGES.items()):
        yield made_up(name, change, Task.REGRESSION if number % 2 else Task.BINARY, rows, np.random.default_rng([seed, number]))


def made_up(name: str, change: Callable[[Vector], dict[str, Vector]], task: Task, rows: int, rng: np.random.Generator) -> Stream:
    """Six normal features; the outcome follows a smooth function of them, which turns towards another one by ``turn`` in [0, 1]."""
    window = _windows(rows)
    time = np.clip(window / WINDOWS, -1, 1)
    how = {"turn": np.zeros(rows), "shift": np.zeros(rows), "noise": np.ones(rows)} | change(time)
    x = rng.normal(size=(rows, 6)) + how["shift"][:, None] * np.array([1.5, 1, 0, 0, 0, 0])
    before = x[:, 0] + np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3]
    after = x[:, 4] - np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3]
    signal = (1 - how["turn"]) * before + how["turn"] * after
    if task is Task.BINARY:
        label = (rng.random(rows) < 1 / (1 + np.exp(-2 * signal / how["noise"]))).astype(np.float64)
    else:
        label = signal + how["noise"] * rng.normal(size=rows) / 2
    features = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    return Stream(name, task, features, label, window, window)


CHANGES: dict[str, Callable[[Vector], dict[str, Vector]]] = {
    "stable": lambda time: {},
    "step": lambda time: {"turn": (time >= 0.4) * 0.7},
    "ramp": lambda time: {"turn": np.clip(time, 0, 1)},
    "seasonal": lambda time: {"turn": 0.25 - 0.25 * np.cos(4 * np.pi * time)},
    "covariate": lambda time: {"shift": np.clip(time, 0, 1)},
    "label noise": lambda time: {"noise": 1 + 1.5 * (time >= 0.5)},
    "small step": lambda time: {"turn": (time >= 0.3) * 0.2},
    "stable regression": lambda time: {},
}
