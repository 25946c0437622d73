"""Which rows of a window to have labelled: a control from all rows alike, and more where they tell most, by strata of segment and score.

Differs from :mod:`vigil.labels.request`, which writes a plan as a file, and :mod:`vigil.labels.answers`, which reads it back.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from vigil.errors import NotAllowed, NotEnoughData
from vigil.labels.allocation import Counts, allocate, expected_spread
from vigil.labels.design import Design
from vigil.measurement import Measurement
from vigil.performance.cores import Vector
from vigil.performance.measure import Mask
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec, Task
from vigil.window import Window

BANDS = 8  # of the score, at most; more gained nothing on three real streams (benchmarks/labels.py)
PER_STRATUM = 8  # labels that each stratum shall have on average; convention
OWN_STRATA = 0.1  # share of the rows from which a segment's value has strata of its own; convention
HISTORY = 8  # earlier windows from whose labels the size of errors is learned (regression)


@dataclass(frozen=True)
class Plan:
    """Rows to have labelled: ``chosen`` has id and stratum, in an order that tells nothing; ``probability`` is each stratum's.

    ``probability`` is that of being chosen by this plan, for a row that had no label.
    ``control`` are the ids among the chosen that were drawn from all rows alike (:mod:`vigil.labels.control`); a plan of before there was
    one has none.
    """

    plan_id: str
    model: str
    budget: int
    seed: int
    made_at: datetime
    design: Design
    chosen: tuple[tuple[Any, int], ...]
    probability: tuple[float, ...]
    control: frozenset[Any] = frozenset()

    @property
    def window(self) -> Window:
        return self.design.window

    def to_json(self) -> str:
        control = [each for each, _ in self.chosen if each in self.control]
        body = {"design": json.loads(self.design.to_json()), "chosen": self.chosen, "probability": self.probability, "control": control}
        return json.dumps(body)

    @classmethod
    def from_json(cls, body: str, **fields: Any) -> Plan:
        found = json.loads(body)
        chosen = tuple((each, int(stratum)) for each, stratum in found["chosen"])
        design, control = Design.from_json(json.dumps(found["design"])), frozenset(found.get("control", ()))
        return cls(design=design, chosen=chosen, probability=tuple(found["probability"]), control=control, **fields)


def plan_id_of(spec: ModelSpec, window: Window, budget: int, seed: int) -> str:
    """Return the id of the one plan of a model for a window, a budget and a seed."""
    return "l-" + hashlib.sha256(json.dumps([spec.model, window.key, budget, seed]).encode()).hexdigest()[:12]


def make_plan(
    source: ModelSource, spec: ModelSpec, window: Window, *, budget: int, seed: int, now: datetime, earlier: Sequence[Plan] = ()
) -> Plan:
    """Choose ``budget`` rows of ``window`` among those that have no label as of ``now`` and that no earlier plan asks for.

    ``labels.control`` of them is the control, drawn from all those rows alike; the rest goes where labels tell most. Given how many of a
    stratum are chosen, they are a simple random sample of it, whichever of the two brought them.
    A second plan of a window keeps the strata of the first (``earlier``, oldest first), so that their labels add up.

    Raises:
        NotAllowed: the window's labels are not due yet, so that those that are here are not like the others.
        NotEnoughData: no row is left to ask for.
    """
    if now < spec.as_of(window):
        raise NotAllowed(
            f"labels of window {window.key} of {spec.model} are due at {spec.as_of(window).isoformat(timespec='minutes')}; plan it then, "
            "for those that come early are not like the others"
        )
    rows = frame_of(source, spec, window, now)
    taken = {each for plan in earlier for each, _ in plan.chosen}
    free = ~rows["labelled"].to_numpy() & ~rows["id"].isin(taken).to_numpy()
    if rows.empty:
        raise NotEnoughData(f"window {window.key} of {spec.model} has no row with a usable score; there is nothing to plan")
    if not free.any():
        raise NotEnoughData(f"every row of window {window.key} of {spec.model} has a label or is asked for; there is nothing to plan")
    score = rows["score"].to_numpy(dtype=np.float64)
    value = rows["segment"].to_numpy(dtype=object) if "segment" in rows else None
    expected = expected_spread(spec.performance.metric, score, spec.performance.scoring, _error_sizes(source, spec, window, now, score))
    plan_id = plan_id_of(spec, window, budget, seed)
    design = _redrawn(earlier[0].design, plan_id) if earlier else make_strata(spec, window, plan_id, score, value, expected, budget)
    stratum = design.strata_of(score, value)
    count = max(design.merged) + 1
    total = np.bincount(stratum, minlength=count)
    mean = np.sqrt(np.bincount(stratum, expected**2, count) / np.maximum(total, 1))
    have = np.bincount(stratum[~free], minlength=count)
    rng = np.random.default_rng([seed, int(plan_id[2:], 16)])
    control, planned = draw(free, stratum, mean, total, budget, spec.labels.control, rng)
    picked = rng.permutation(np.concatenate([control, planned]))
    chosen = tuple(_plain((rows["id"].iloc[place], stratum[place])) for place in picked)
    at_random = frozenset(each for (each, _), drawn in zip(chosen, np.isin(picked, control), strict=True) if drawn)
    asked = np.bincount(stratum[picked], minlength=count)
    probability = tuple(float(n) / float(rest) if rest else 0.0 for n, rest in zip(asked, total - have, strict=True))
    design = Design(**{**vars(design), "asked": tuple(int(n) for n in asked)})
    return Plan(plan_id, spec.model, budget, seed, now, design, chosen, probability, at_random)


def draw(
    free: Mask, stratum: Counts, spread: Vector, total: Counts, budget: int, control: float, rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """Return the places of at most ``budget`` rows to ask for: the control, a share of them drawn from all free rows alike, and the rest.

    Args:
        free: of each row, whether it can be asked for; the others have a label.
        stratum: of each row.
        spread, total: of each stratum, as of :func:`~vigil.labels.allocation.allocate`.
    """
    among = np.flatnonzero(free)
    drawn = rng.choice(among, size=min(max(round(control * budget), 1), len(among)), replace=False)
    left = free.copy()
    left[drawn] = False
    have = np.bincount(stratum[~left], minlength=len(total))
    more = allocate(total, spread, have, budget - len(drawn))
    places = [rng.choice(np.flatnonzero(left & (stratum == index)), size=size, replace=False) for index, size in enumerate(more)]
    return drawn, np.concatenate(places)


def frame_of(source: ModelSource, spec: ModelSpec, window: Window, now: datetime) -> pd.DataFrame:
    """Return the window's rows with a usable score, by id: ``id``, ``score``, ``labelled`` and, where there are segments, ``segment``."""
    columns, rows = spec.columns, source.predictions(window)
    wanted = {"id": rows[columns.id], "score": rows[columns.score].cast("float64")}
    if spec.segments:
        wanted["segment"] = rows[spec.segments[0]].cast("string")
    known = source.labelled([window], now)
    with source.reading_log():
        frame: pd.DataFrame = rows.select(**wanted).to_pandas()
        labelled = known.select(id=known[columns.id]).to_pandas()["id"]
    usable = np.isfinite(frame["score"])
    if spec.task is Task.BINARY:
        usable &= frame["score"].between(0, 1)
    frame = frame[usable].drop_duplicates("id").sort_values("id", ignore_index=True)
    return frame.assign(labelled=frame["id"].isin(labelled))


def labels_needed(measured: Measurement, spec: ModelSpec) -> int | None:
    """Return how many more labels decide whether the limit is kept; 0 where it is decided, None where the value is the limit.

    The interval's half width falls with the root of the labels: ``n (half / gap)^2 - n``. Planned labels say more each, so it is at most
    about so many. Too few to measure, or without a limit: those that ``labels.minimum`` lacks.
    """
    lacking = max(spec.labels.minimum - measured.n, 0)
    if measured.value is None or measured.threshold is None or measured.low is None or measured.high is None:
        return lacking
    gap = measured.value - measured.threshold
    half = measured.value - measured.low if gap > 0 else measured.high - measured.value
    if abs(gap) >= half:
        return 0
    return None if gap == 0 else math.ceil(measured.n * (half / gap) ** 2) - measured.n


def make_strata(spec: ModelSpec, window: Window, plan_id: str, score: Vector, value: Any, spread: Vector, budget: int) -> Design:
    """Part rows by score, and by values of the first segment that hold a tenth of them where the budget allows three bands of each."""
    names: list[str] = []
    if value is not None:
        shares = pd.Series(value).value_counts(normalize=True)
        names = sorted(str(name) for name, share in shares.items() if share >= OWN_STRATA)
    bands = max(1, min(BANDS, budget // (PER_STRATUM * max(len(names), 1))))
    if bands < min(BANDS, 3):
        names, bands = [], max(1, min(BANDS, budget // PER_STRATUM))
    edges = band_edges(score, spread, bands)
    segment = spec.segments[0] if names else None
    whole = tuple(range((len(names) + 1) * (len(edges) + 1)))
    cells = Design(plan_id, window, segment, tuple(names), tuple(float(edge) for edge in edges), whole, ())
    counts = np.bincount(cells.strata_of(score, value), minlength=len(whole))
    return Design(**{**vars(cells), "merged": _merged(counts)})


def band_edges(score: Vector, spread: Vector, bands: int) -> Vector:
    """Return the scores that part ``bands`` bands: half of each band's share is of rows, half of their expected spread.

    Bands of equal spread are near the best (Dalenius & Hodges 1959, doi:10.1080/01621459.1959.10501501); bands of equal rows do not
    depend on what is expected. Fewer where scores are tied.
    """
    levels, place = np.unique(score, return_inverse=True)
    even = np.full(len(score), 1 / len(score))
    share = even + (spread / spread.sum() if spread.sum() > 0 else even)
    reached = np.cumsum(np.bincount(place, share)) / 2
    at = np.searchsorted(reached, np.arange(1, bands) / bands)
    return levels[np.unique(at[at < len(levels) - 1])]


def _merged(counts: Any) -> tuple[int, ...]:
    """Number the strata: a cell with fewer than ``PER_STRATUM`` rows goes with the cell before it, the first with the next."""
    numbers, last = [], -1
    for count in counts:
        if last < 0 or count >= PER_STRATUM:
            last += 1
        numbers.append(last)
    if len(numbers) > 1 and counts[0] < PER_STRATUM and last > 0:
        numbers = [max(number - 1, 0) for number in numbers]
    return tuple(numbers)


def _redrawn(design: Design, plan_id: str) -> Design:
    return Design(**{**vars(design), "plan_id": plan_id, "asked": (), "answered": (), "answered_at": None})


def _error_sizes(source: ModelSource, spec: ModelSpec, window: Window, now: datetime, score: Vector) -> Vector | None:
    """Regression: the mean absolute error of labels of earlier windows whose scores are like each row's; None without enough of them."""
    if spec.task is Task.BINARY:
        return None
    known = source.labelled([window.shifted(-back) for back in range(1, HISTORY + 1)], now)
    with source.reading_log():
        seen = known.select(score=known[spec.columns.score].cast("float64"), label=known["label"]).to_pandas()
    seen = seen[np.isfinite(seen["score"])].sort_values("score", ignore_index=True)
    if len(seen) < 2 * BANDS * PER_STRATUM:
        return None
    return error_sizes(seen["score"].to_numpy(), seen["label"].to_numpy(), score)


def error_sizes(seen: Vector, label: Vector, score: Vector) -> Vector:
    """Return for each of ``score`` the mean absolute error of the tenth of ``seen`` (in order) whose scores are like it."""
    parts = np.array_split(np.abs(seen - label), 10)
    edges = [part[0] for part in np.array_split(seen, 10)[1:]]
    sizes = np.array([part.mean() for part in parts])
    return np.asarray(sizes[np.searchsorted(edges, score, side="right")])


def _plain(pair: tuple[Any, int]) -> tuple[Any, int]:
    each, stratum = pair
    return (each.item() if isinstance(each, np.generic) else each), int(stratum)
