"""``python -m benchmarks.profile``: what profiling costs, beside a raw scan and beside other tools, in one run on this machine.

Ratios of processor time stand first: unlike the clock's, they hardly move with what else the machine does. Nothing is asserted.
A side that cannot run is skipped by name.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import categorical_names, numeric_names, write_log, write_side

HERE = Path(__file__).parent
DAYS = 10
WARM_ROWS = 1_000  # each tool first compares so few rows, unmeasured: what it imports and prepares once in a process is not timed
Found = dict[str, Any]


def main() -> None:
    given = _arguments()
    if given.side:
        print(json.dumps(_measure(given.side, given.values, given.repeat, given.warm)))  # noqa: T201
        return
    table = _run(given)
    print(json.dumps(table, indent=1) if given.json else _text(table))  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the log that is scanned")
    parser.add_argument("--peer-rows", type=int, default=1_000_000, help="rows of each side in the comparison with other tools; 0 for none")
    parser.add_argument("--columns", type=int, nargs=2, default=[20, 5], metavar=("NUMERIC", "CATEGORICAL"))
    parser.add_argument("--seconds", type=float, default=900.0, help="the longest that one side may take")
    parser.add_argument("--repeat", type=int, default=2, help="the best of so many scans counts")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "vigil-benchmark", help="where the data is kept")
    parser.add_argument("--nannyml-python", help="the interpreter of an environment that has nannyml")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--warm", nargs=2, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("values", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(given: argparse.Namespace) -> Found:
    numeric, categorical = given.columns
    found: list[Found] = []
    for rows in given.rows:
        log = write_log(given.folder, rows=rows, days=DAYS, numeric=numeric, categorical=categorical)
        values = [log, numeric, categorical, DAYS]
        base = _side("raw_scan", values, given)
        found.append({"what": f"raw scan, {rows:,} rows", **base})
        found.append(_beside(f"profile by day, {rows:,} rows", _side("profile_by_day", values, given), base))
        found.append(_beside(f"profile by day and two segment columns, {rows:,} rows", _side("profile_by_segment", values, given), base))
    if given.peer_rows:
        found += _peers(given, numeric, categorical)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    return {"columns": {"numeric": numeric, "categorical": categorical}, "machine": machine, "measured": found}


def _peers(given: argparse.Namespace, numeric: int, categorical: int) -> list[Found]:
    rows = given.peer_rows
    paths, few = (
        [
            write_side(given.folder, rows=size, numeric=numeric, categorical=categorical, seed=seed, shift=shift)
            for seed, shift in ((11, 0.0), (12, 0.5))
        ]
        for size in (rows, WARM_ROWS)
    )
    values = [*paths, numeric, categorical]
    base = _side("verdicts", values, given, warm=few)
    name = f"both sides to verdicts, {rows:,} rows each"
    found = [{"what": f"{name}: vigil, psi", **base}]
    found.append(_beside(f"{name}: vigil, stored reference", _side("verdicts_stored", values, given, warm=few), base))
    found.append(_beside(f"{name}: Evidently DataDriftPreset, psi", _side("evidently", values, given, warm=few), base))
    nannyml: Found = {"skipped": "give --nannyml-python an environment with nannyml"}
    if given.nannyml_python:
        columns = [*numeric_names(numeric), *categorical_names(categorical)]
        nannyml = _child([given.nannyml_python, str(HERE / "nannyml_side.py"), *map(str, [*few, *paths]), *columns], given.seconds)
    found.append(_beside(f"{name}: NannyML univariate, jensen_shannon", nannyml, base))
    return found


def _side(name: str, values: Sequence[object], given: argparse.Namespace, warm: Sequence[Path] = ()) -> Found:
    """Measure a side in a process of its own: the best of some scans, or, warmed up by few rows, one comparison."""
    how = ["--warm", *map(str, warm), "--repeat", "1"] if warm else ["--repeat", str(given.repeat)]
    return _child([sys.executable, "-W", "ignore", "-m", "benchmarks.profile", "--side", name, *how, *map(str, values)], given.seconds)


def _child(command: list[str], seconds: float) -> Found:
    environment = {**os.environ, "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=HERE.parent, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"took longer than {seconds:g} s"}
    if done.returncode != 0:
        return {"skipped": (done.stderr.strip().splitlines() or ["failed without a word"])[-1]}
    answer: Found = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _measure(side: str, values: Sequence[str], repeat: int, warm: Sequence[str] | None) -> Found:
    from benchmarks import sides

    if warm:
        getattr(sides, side)(*warm, *map(int, values[2:]))()
    run = getattr(sides, side)(*(int(value) if value.isdigit() else value for value in values))
    times: list[tuple[float, float]] = []
    for _ in range(repeat):
        used, begun = time.process_time(), time.perf_counter()
        run()
        times.append((time.process_time() - used, time.perf_counter() - begun))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": min(wall for _, wall in times), "cpu_s": min(cpu for cpu, _ in times), "peak_mb": peak}


def _beside(what: str, measured: Found, base: Found) -> Found:
    ratios = {
        f"{kind}_ratio": measured[f"{kind}_s"] / base[f"{kind}_s"] for kind in ("cpu", "wall") if "cpu_s" in measured and "cpu_s" in base
    }
    return {"what": what, **measured, **ratios}


def _text(table: Found) -> str:
    machine = table["machine"]
    lines = [
        f"{machine['cores']} cores, {machine['machine']}, Python {machine['python']}, load {machine['load']:.1f}. "
        "A ratio is to the nearest row above without one.",
        "",
        "| what | processor | clock | ratio, processor | ratio, clock | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for row in table["measured"]:
        if "skipped" in row:
            lines.append(f"| {row['what']} | skipped: {row['skipped']} | | | | |")
            continue
        ratios = [f"{row[key]:.2f}" if key in row else "" for key in ("cpu_ratio", "wall_ratio")]
        lines.append(
            f"| {row['what']} | {row['cpu_s']:.2f} s | {row['wall_s']:.2f} s | {ratios[0]} | {ratios[1]} | {row['peak_mb']:,.0f} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
