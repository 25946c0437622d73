"""What registering a version costs beside training it: the measuring, MLflow, the store and the card, part by part.

A made-up project of one binary model (numeric and categorical features, gradient boosting) is adopted several times, each time in a folder
of its own whose databases are there already. Everything is the product's own: the trainer runs in its process. ``first`` is the first time
in this process, in which nothing was imported before: what that costs is made ready while the model is trained. The processor's time is
this process's, without that: on a busy machine it says more than the clock, and of the training, which is another process, nothing.

    python -m benchmarks.registering [--rows 20000] [--repeat 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

MODEL, NUMERIC = "loans", 10
READY = "made ready meanwhile, processor"
PARTS = ("measuring", "registering", "moving the champion", "model card")
SPEC = """\
model: loans
owner: benchmark
task: binary
source: {predictions: log/*.parquet, labels: labels/*.parquet, reference: reference.parquet}
features: {region: categorical, product: categorical, FEATURES}
segments: [region]
window: {days: 7}
performance: {metric: roc_auc, tolerated_loss: 0.05}
training: {trainer: "trainer:train"}
"""
TRAINER = """\
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def train(rows, spec, params):
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((encode, ["region", "product"]), remainder="passthrough")
    model = make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0))
    return model.fit(rows[list(spec.features)], rows["label"])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        maker = multiprocessing.get_context("spawn").Process(target=make_project, args=(made, asked.rows))
        maker.start()
        maker.join()
        taken = [parts_of(shutil.copytree(made, Path(scratch) / str(number))) for number in range(asked.repeat)]
    found = {part: {"first": taken[0][part], "median": statistics.median(each[part] for each in taken)} for part in taken[0]}
    if asked.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    sys.stdout.write(f"seconds, {asked.rows:,} rows, median of {asked.repeat}\n")
    for part, each in found.items():
        sys.stdout.write(f"{part:34} first {each['first']:6.2f}  median {each['median']:6.2f}\n")


def make_project(folder: Path, rows: int) -> None:
    """Write specification, trainer and reference rows, and make the tables of both databases."""
    from tasks.registry import Registry
    from vigil.project import Project

    (folder / "models").mkdir(parents=True)
    (folder / "vigil.yaml").write_text("project: benchmark\n")
    features = ", ".join(f"x{number}: numeric" for number in range(NUMERIC))
    (folder / "models" / f"{MODEL}.yaml").write_text(SPEC.replace("FEATURES", features))
    (folder / "trainer.py").write_text(TRAINER)
    rng = np.random.default_rng(1)
    values = {f"x{number}": rng.normal(size=rows) for number in range(NUMERIC)}
    kinds = {name: rng.choice([f"{name}-{n}" for n in range(8)], rows) for name in ("region", "product")}
    label = (rng.random(rows) < 1 / (1 + np.exp(-values["x0"] - values["x1"]))).astype(int)
    pd.DataFrame({**values, **kinds, "label": label}).to_parquet(folder / "reference.parquet")
    project = Project.open(folder)
    Registry(project)
    project.store().close()


def parts_of(folder: Path) -> dict[str, float]:
    """Adopt the model and return the seconds that each part took."""
    from tasks.card import publish_card
    from tasks.promotion import move_champion
    from tasks.retraining import make_ready, register
    from vigil.challenger.make import make_first
    from vigil.challenger.trainer import TrainerProcess
    from vigil.store.records import PromotionKind
    from vigil.workspace import Workspace

    taken: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        began = time.perf_counter(), time.process_time()
        yield
        taken[part] = time.perf_counter() - began[0]
        taken[f"{part}, processor"] = time.process_time() - began[1]

    def meanwhile() -> None:
        make_ready(work.project)
        taken[READY] = time.thread_time()

    now = datetime.now(UTC)
    work = Workspace.open(folder, MODEL)
    with timed("measuring"), TrainerProcess(folder, work.spec, meanwhile) as trainer:
        made = make_first(work, trainer)
    taken["measuring"] -= trainer.seconds
    taken["measuring, processor"] -= taken[READY]
    with timed("registering"):
        version = register(work, replace(made, output=trainer.output), decision_id=None, parent=None, at=now)
    with timed("moving the champion"):
        move_champion(work, version, kind=PromotionKind.ADOPTED, by="benchmark", reason="", at=now, decision_id=None)
    with timed("model card"):
        publish_card.fn(str(folder), MODEL, version)
    work.store.close()
    for kind in ("", ", processor"):
        taken[f"beyond training{kind}"] = sum(taken[part + kind] for part in PARTS)
    return {"training (2 fits)": trainer.seconds, **taken}


if __name__ == "__main__":
    main()
