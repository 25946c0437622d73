"""When to retrain: what each policy costs on each stream, beside the best in hindsight.

A stream's first fifth trains the first version; 50 windows follow. The cost of a policy is the mean loss of the versions that it let serve,
as a share of the first version's, plus ``c`` for each retraining. Losses: log loss, or the absolute error. Regret: that cost less the cost
of the best choice of versions in hindsight. vigil's policy has one template for all streams; it is told ``c`` as its price.

    python -m benchmarks.policy --data DIR [--made-up] [--only NAME] [--keep 1.0] [--sampled 1.0] [--seeds 1] [--river-python PYTHON]
                                [--json]

``DIR`` holds Parquet files and ``meta.json`` (task, target, time, label_delay or label_time, drop, by the file's name). Without
``--river-python`` (a Python with river) its two detectors are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.policy.play import Course, Played, play_decisions, play_times
from benchmarks.policy.streams import WINDOWS, Stream, made_up_streams, real_streams
from benchmarks.policy.triggers import evidently_asks, river_times
from benchmarks.policy.versions import FIRST, Span, Version
from vigil.decision.hindsight import best_versions

COSTS = (0.0, 0.005, 0.02, 0.05)
EVERY = (1, 5, 10)
VIGIL, HINDSIGHT = "vigil", "hindsight"
WORSE = 0.02  # at most so much worse than never retraining: the goal


@dataclass(frozen=True)
class Row:
    """One policy on one stream at one price."""

    stream: str
    seed: int
    c: float
    policy: str
    cost: float
    retrainings: int
    labels: int
    regret: float


def main() -> None:
    options = _options()
    rows = [
        row for seed in range(options.seeds) for stream in _streams(options, seed) for row in measured(stream, seed, options.river_python)
    ]
    if not rows:
        raise SystemExit("no stream: give --data DIR with a meta.json, or --made-up")
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "mean": summary(rows), "goals": goals(rows)}, indent=1))  # noqa: T201
        return
    for line in table(rows):
        print(line)  # noqa: T201


def measured(stream: Stream, seed: int, river_python: str | None) -> Iterator[Row]:
    """Yield the rows of one stream."""
    course = Course(stream, seed=seed)
    played = {"never": play_times(course, lambda _, __: False)}
    for every in EVERY:
        played["every window" if every == 1 else f"every {every}"] = play_times(course, lambda at, _, n=every: (at + 1) % n == 0)
    looked_at = course.known(WINDOWS - 2) - course.known(FIRST)
    for name, times in (river_times(course, river_python) if river_python else {}).items():
        played[name] = play_times(course, lambda at, _, asked=tuple(times): at in asked, looked_at)
    played["Evidently drift"] = play_times(course, evidently_asks(course, seed))
    unit = course.mean_loss((Version(FIRST),) * WINDOWS)
    for c in COSTS:
        here = played | {VIGIL: play_decisions(course, c), HINDSIGHT: best(course, c * unit)}
        costs = {name: course.mean_loss(found.served) / unit + c * len(found.retrained) for name, found in here.items()}
        for name, found in here.items():
            yield Row(stream.name, seed, c, name, costs[name], len(found.retrained), found.labels, costs[name] - costs[HINDSIGHT])
    print(f"{stream.name}, seed {seed}: {course.versions.fits} versions fitted", file=sys.stderr)  # noqa: T201


def best(course: Course, cost: float) -> Played:
    """The best choice among all versions, known only afterwards; ``cost`` of a change of version, in units of the mean loss."""
    versions = [Version(FIRST), *(Version(cut, span) for cut in range(WINDOWS - 1) for span in Span)]
    value = -np.array([course.versions.losses(version) for version in versions]) / WINDOWS
    path = best_versions(value, [version.cut + 1 for version in versions], cost)
    served = tuple(versions[place] for place in path)
    changes = tuple(version.cut for version in dict.fromkeys(served) if version.cut > FIRST)
    return Played(served, changes, course.known(WINDOWS - 2) - course.known(FIRST) if changes else 0)


def summary(rows: list[Row]) -> list[dict[str, Any]]:
    """Mean regret and retrainings over streams by price and policy, with the spread of the mean regret between seeds."""
    found: list[dict[str, Any]] = []
    for c in COSTS:
        for policy in dict.fromkeys(row.policy for row in rows):
            here = [row for row in rows if (row.c, row.policy) == (c, policy)]
            by_seed = [np.mean([row.regret for row in here if row.seed == seed]) for seed in sorted({row.seed for row in here})]
            found.append(
                {
                    "c": c,
                    "policy": policy,
                    "regret": float(np.mean(by_seed)),
                    "spread": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
                    "retrainings": float(np.mean([row.retrainings for row in here])),
                    "worst_cost": max(row.cost for row in here),
                }
            )
    return found


def goals(rows: list[Row]) -> list[dict[str, Any]]:
    """What was aimed at, and whether it is reached, at each price."""
    found: list[dict[str, Any]] = []
    means = summary(rows)
    for c in COSTS:
        here = {str(mean["policy"]): mean for mean in means if mean["c"] == c}
        others = {name: float(mean["regret"]) for name, mean in here.items() if name not in (VIGIL, HINDSIGHT)}
        nearest = min(others, key=lambda name: others[name])
        clock = min((name for name in others if name.startswith("every")), key=lambda name: others[name])
        mine = here[VIGIL]
        found.append(
            {
                "c": c,
                "regret": mine["regret"],
                "best_other": nearest,
                "best_other_regret": others[nearest],
                "lowest": float(mine["regret"]) <= others[nearest],
                "worst_cost": mine["worst_cost"],
                "never_much_worse": float(mine["worst_cost"]) <= 1 + WORSE,
                "share_of_best_clock": float(mine["retrainings"]) / float(here[clock]["retrainings"]),
            }
        )
    return found


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of Markdown tables: each stream, the mean over streams, the goals."""
    policies = list(dict.fromkeys(row.policy for row in rows))
    for stream in dict.fromkeys(row.stream for row in rows):
        yield from ("", f"{stream}: cost (retrainings), mean over seeds", "")
        yield f"| policy | {' | '.join(f'c = {100 * c:g} %' for c in COSTS)} | labels |"
        yield "|---|" + "---|" * (len(COSTS) + 1)
        for policy in policies:
            mine = [row for row in rows if (row.stream, row.policy) == (stream, policy)]
            cells = [[row for row in mine if row.c == c] for c in COSTS]
            said = [f"{np.mean([r.cost for r in cell]):.3f} ({np.mean([r.retrainings for r in cell]):.3g})" for cell in cells]
            yield f"| {policy} | {' | '.join(said)} | {np.mean([row.labels for row in mine]):,.0f} |"
    yield from ("", "mean regret over streams, ± its standard deviation between seeds (retrainings)", "")
    yield f"| policy | {' | '.join(f'c = {100 * c:g} %' for c in COSTS)} |"
    yield "|---|" + "---|" * len(COSTS)
    means = summary(rows)
    for policy in policies:
        said = [f"{mean['regret']:.4f}{_spread(mean['spread'])} ({mean['retrainings']:.3g})" for mean in means if mean["policy"] == policy]
        yield f"| {policy} | {' | '.join(said)} |"
    yield ""
    for goal in goals(rows):
        yield (
            f"c = {100 * float(goal['c']):g} %: mean regret {goal['regret']:.4f}, the lowest other {goal['best_other_regret']:.4f} "
            f"({goal['best_other']}): {'reached' if goal['lowest'] else 'NOT reached'}; worst cost {goal['worst_cost']:.3f} of never, "
            f"at most {1 + WORSE:g}: {'reached' if goal['never_much_worse'] else 'NOT reached'}; "
            f"{goal['share_of_best_clock']:.2f} of the retrainings of the best clock"
        )


def _spread(spread: float | None) -> str:
    return "" if spread is None else f" ± {spread:.4f}"


def _streams(options: argparse.Namespace, seed: int) -> Iterator[Stream]:
    chosen = {"sampled": options.sampled, "only": options.only, "keep": options.keep}
    real = real_streams(options.data, seed=seed, **chosen) if options.data is not None else ()
    return chain(real, made_up_streams(seed=seed) if options.made_up else ())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the streams")
    parser.add_argument("--made-up", action="store_true", help="also seeded streams of several kinds of change")
    parser.add_argument("--sampled", type=float, default=1.0, help="share of the labels that ever arrive")
    parser.add_argument("--seeds", type=int, default=1, help="how many; each but the first leaves a tenth of the rows out, at random")
    parser.add_argument("--keep", type=float, help="share of the rows of --data that is played, at random, under every seed")
    parser.add_argument("--only", help="the one stream of --data to play")
    parser.add_argument("--river-python", help="a Python with river, for ADWIN and Page-Hinkley")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
