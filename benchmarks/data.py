"""Seeded data to measure on: a prediction log of one Parquet file a day, or one file of a side of a comparison.

Of every 20 numeric columns 8 are normal, 6 log-normal, 4 whole numbers and 2 amounts in cents, of which 1 in 100 is null; categories have
3 to 40 values of geometric frequency. Nothing is constant and nothing repeats, so that no encoding makes reading cheaper than a real log's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = datetime(2026, 1, 1, tzinfo=UTC)
LEVELS = (3, 5, 10, 20, 40)
_GROUP = 100_000  # rows made and written at a time, and of a row group


def numeric_names(count: int) -> tuple[str, ...]:
    return tuple(f"n{index:03d}" for index in range(count))


def categorical_names(count: int) -> tuple[str, ...]:
    return tuple(f"c{index:03d}" for index in range(count))


def write_log(folder: Path, *, rows: int, days: int, numeric: int = 20, categorical: int = 5, seed: int = 1) -> str:
    """Write ``rows`` predictions over ``days`` days, one file a day, and return their glob. What is there already is kept."""
    folder = folder / f"log-{rows}-{days}-{numeric}-{categorical}-{seed}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for day in range(days):
            size = rows * (day + 1) // days - rows * day // days
            path = folder / f"day-{day:03d}.parquet"
            _write(path, size, numeric, categorical, START + timedelta(days=day), np.random.default_rng([seed, day]), shift=0.0)
        (folder / "done").touch()
    return str(folder / "day-*.parquet")


def write_side(folder: Path, *, rows: int, numeric: int = 20, categorical: int = 5, seed: int, shift: float) -> Path:
    """Write one side of a comparison to one file; the first numeric column is moved by ``shift``. What is there already is kept."""
    path = folder / f"side-{rows}-{numeric}-{categorical}-{seed}-{shift:g}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        _write(partial, rows, numeric, categorical, START, np.random.default_rng(seed), shift=shift)
        partial.rename(path)
    return path


def _write(path: Path, rows: int, numeric: int, categorical: int, start: datetime, rng: np.random.Generator, *, shift: float) -> None:
    writer: pq.ParquetWriter | None = None
    for begin in range(0, rows, _GROUP):
        size = min(_GROUP, rows - begin)
        columns: dict[str, pa.Array] = {
            "prediction_id": pa.array(np.arange(begin, begin + size)),
            "predicted_at": _times(start, size, rng),
            "model_version": pa.array(np.full(size, "1", dtype=object)),
        }
        columns |= {name: _numbers(index, size, rng, shift if index == 0 else 0.0) for index, name in enumerate(numeric_names(numeric))}
        columns |= {name: _texts(LEVELS[index % len(LEVELS)], size, rng) for index, name in enumerate(categorical_names(categorical))}
        part = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part, row_group_size=_GROUP)
    if writer is not None:
        writer.close()


def _times(start: datetime, size: int, rng: np.random.Generator) -> pa.Array:
    micros = np.sort(rng.integers(0, 86_400_000_000, size)) + int(start.timestamp()) * 1_000_000
    return pa.array(micros, pa.timestamp("us", tz="UTC"))


def _numbers(index: int, size: int, rng: np.random.Generator, shift: float) -> pa.Array:
    kind = index % 20
    if kind < 8:
        return pa.array(rng.normal(shift, 1.0, size))
    if kind < 14:
        return pa.array(rng.lognormal(0.0, 1.0 + (kind - 8) / 4, size))
    if kind < 18:
        return pa.array(rng.poisson(5.0 * 10 ** (kind - 14), size))
    return pa.array(np.round(rng.lognormal(3.0, 1.0, size), 2), mask=rng.random(size) < 0.01)


def _texts(levels: int, size: int, rng: np.random.Generator) -> pa.Array:
    drawn = np.minimum(rng.geometric(1.5 / levels, size) - 1, levels - 1)
    return pa.DictionaryArray.from_arrays(pa.array(drawn.astype(np.int32)), [f"level {level:02d}" for level in range(levels)]).cast(
        pa.string()
    )
