"""Mutation score: what share of small faults, planted one at a time in the rules that decide, do their own tests find?

mutmut plants them (``[tool.mutmut]`` of pyproject.toml): thousands, of which a seeded sample is played, for all take hours. Found is what
makes a test fail or hang; a fault in what no test calls is not found.

    make mutation [ARGS='--sample 200 --seed 0']
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

FAULTS = Path("mutants/vigil/decision")
UNDECIDED = (None, 37)  # not played; refused by the type checker
SURVIVED = (0, 33)  # every test passed; no test calls it


def main() -> None:
    options = _options()
    _mutmut("vigil.decision.pending.*")  # the few of one module: plants all faults, and learns which tests call what
    names = sorted(_outcomes())
    drawn = np.random.default_rng(options.seed).permutation(len(names))[: options.sample]
    sample = [names[place] for place in sorted(drawn)]
    _mutmut(*sample)
    played = {name: outcome for name, outcome in _outcomes().items() if name in set(sample) and outcome not in UNDECIDED}
    survived = [name for name, outcome in played.items() if outcome in SURVIVED]
    for name in survived:
        print(f"not found: {name}")  # noqa: T201
    share = 1 - len(survived) / len(played)
    error = 1.96 * math.sqrt(share * (1 - share) / len(played))
    print(  # noqa: T201
        f"{len(played) - len(survived)} of {len(played)} faults found: {share:.1%}, give or take {error:.1%} "
        f"(a sample of {len(names):,}, seed {options.seed}); `mutmut show NAME` shows one"
    )


def _mutmut(*names: str) -> None:
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": ".mutation"}, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"mutmut failed; `make mutation` installs it into .mutation/. {(done.stdout + done.stderr)[-2000:]}")


def _outcomes() -> dict[str, int | None]:
    """The exit code of the tests under each fault; None where it was not played."""
    found: dict[str, int | None] = {}
    for path in sorted(FAULTS.glob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=200, help="how many faults are played")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
