"""The trainer in a process of its own: what it returns, how it may end, what is left of it. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from tests.challenger.build import spec_of
from vigil.challenger.trainer import TrainerHere, TrainerProcess
from vigil.errors import TrainingFailed, TrainingOutcome
from vigil.spec.model import ModelSpec

# Needs no scikit-learn, so that a process takes as long as it has to and no longer.
TRAINER = """
import os, signal, sys, time
import numpy as np

class Share:
    classes_ = (0, 1)

    def __init__(self, share):
        self.share, self.trained_in = share, os.getpid()

    def predict_proba(self, rows):
        return np.column_stack([np.full(len(rows), 1 - self.share), np.full(len(rows), self.share)])

def train(rows, spec, params):
    loaded = [name for name in ("prefect", "mlflow", "duckdb", "ibis", "evidently", "sqlalchemy", "sklearn") if name in sys.modules]
    told = f"{list(spec.features)}, hashes by {os.environ.get('PYTHONHASHSEED')}, loaded: {loaded}"
    print(f"fitting {len(rows)} rows for {spec.model}, {told}")
    return Share(rows["label"].mean() + params.get("add", 0))

def knows_nothing(rows, spec, params):
    return Share(float("nan"))

def raises(rows, spec, params):
    print("before it failed", file=sys.stderr)
    raise RuntimeError("the feature store is closed on Sundays")

def exhausts(rows, spec, params):
    raise MemoryError("no room for the kernel matrix")

def hoards(rows, spec, params):
    hoard = [np.ones(10_000_000) for _ in range(12)]
    time.sleep(600)

def hangs(rows, spec, params):
    time.sleep(600)

def asks(rows, spec, params):
    input("which rows? ")

def quits(rows, spec, params):
    sys.exit("no rows for me")

def leaves(rows, spec, params):
    print("the last words")
    os._exit(3)

def leaves_a_child(rows, spec, params):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    print(child)
    os.kill(os.getpid(), signal.SIGKILL)

def dies(rows, spec, params):
    os.kill(os.getpid(), signal.SIGSEGV)

def cannot_be_saved(rows, spec, params):
    model = Share(0.5)
    model.lock = __import__("threading").Lock()
    return model

def tells_where(rows, spec, params):
    with open(params["file"], "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
"""
ROWS = pd.DataFrame({"wind": np.linspace(0, 1, 20), "carrier": ["UA", np.nan] * 10, "label": [0, 0, 0, 1] * 5, "weight": 1.0})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vt_process.py").write_text(TRAINER)
    return tmp_path


def spec(function: str, **training: Any) -> ModelSpec:
    return spec_of(training={"trainer": f"vt_process:{function}", **training})


def test_each_frame_gets_the_model_that_was_fitted_to_it_in_another_process(folder: Path) -> None:
    """The classes of the project's module come back without the module being imported here; what was printed is kept.

    The specification is as here, its features in their own order: that of the columns. The process loads neither orchestrator nor registry
    nor engine, so that it starts at little cost, and seeds the hashes of text, so that a trainer that goes through a set goes the same way
    again.
    """
    with TrainerProcess(folder, spec("train", params={"add": 0.125})) as trainer:
        one, other = trainer.fit(ROWS, ROWS.assign(label=0))
    assert (one.share, other.share) == (0.375, 0.125)
    assert one.trained_in == other.trained_in != os.getpid()
    assert one.predict_proba(ROWS).shape == (20, 2)
    assert "vt_process" not in sys.modules
    assert trainer.code_digest == sha256(f"vt_process {len(TRAINER)}\n{TRAINER}".encode()).hexdigest()
    assert trainer.output == "fitting 20 rows for delay, ['wind', 'carrier'], hashes by 0, loaded: []\n" * 2


@pytest.mark.parametrize(
    ("function", "limits", "outcome", "message"),
    [
        ("raises", {}, TrainingOutcome.RAISED, "raised RuntimeError: the feature store is closed on Sundays"),
        ("absent", {}, TrainingOutcome.RAISED, "no function 'absent'; its functions: .*hangs"),
        ("exhausts", {}, TrainingOutcome.OUT_OF_MEMORY, "no room for the kernel matrix"),
        ("hoards", {"memory_mb": 600}, TrainingOutcome.OUT_OF_MEMORY, r"held [\d,]+ MB, training.limits.memory_mb is 600"),
        ("hangs", {"seconds": 0.5}, TrainingOutcome.TIMED_OUT, r"was not done after 0.5 s \(training.limits.seconds\)"),
        ("asks", {}, TrainingOutcome.RAISED, "raised EOFError"),
        ("quits", {}, TrainingOutcome.RAISED, "trainer 'vt_process:quits' raised SystemExit: no rows for me"),
        ("leaves", {}, TrainingOutcome.CRASHED, "ended with exit code 3 before it answered. The last it printed: the last words"),
        ("dies", {}, TrainingOutcome.CRASHED, "was ended by SIGSEGV"),
        ("knows_nothing", {}, TrainingOutcome.NOT_A_NUMBER, "20 of 20 scores are NaN or infinite"),
        ("cannot_be_saved", {}, TrainingOutcome.UNUSABLE, "the fitted model cannot be saved: TypeError"),
    ],
)
def test_each_way_to_fail_has_a_name(folder: Path, function: str, limits: dict[str, Any], outcome: TrainingOutcome, message: str) -> None:
    """And ends the process."""
    with (
        TrainerProcess(folder, spec(function, limits=limits)) as trainer,
        pytest.raises(TrainingFailed, match=message) as failed,
    ):
        trainer.fit(ROWS)
    assert failed.value.outcome is outcome
    assert trainer._process.poll() is not None
    if function == "raises":
        assert trainer.output.startswith("before it failed\nTraceback")


def test_where_it_was_killed_its_own_children_end_with_it(folder: Path) -> None:
    """As where memory runs out: the system ends the trainer and leaves its workers, with what they hold."""
    with TrainerProcess(folder, spec("leaves_a_child")) as trainer, pytest.raises(TrainingFailed, match="was ended by SIGKILL"):
        trainer.fit(ROWS)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(trainer.output)).wait(10)


def test_what_is_made_ready_meanwhile_is_ready_when_it_has_trained_and_fails_nothing(folder: Path) -> None:
    """A trainer that fails is awaited too; what fails beside one is lost, for it fails again where it is needed."""
    done = []

    def meanwhile() -> None:
        trainer._process.wait()  # longer than there is to train
        done.append(threading.current_thread() is not threading.main_thread())
        raise RuntimeError("MLflow is not running")

    with TrainerProcess(folder, spec("train"), meanwhile) as trainer:
        (model,) = trainer.fit(ROWS)
    with TrainerProcess(folder, spec("raises"), meanwhile) as trainer, pytest.raises(TrainingFailed):
        trainer.fit(ROWS)
    assert (model.share, done) == (0.25, [True, True])


def test_it_is_ended_where_it_is_not_asked(folder: Path) -> None:
    """The caller found too few rows."""
    with TrainerProcess(folder, spec("train")) as trainer:
        pid = trainer._process.pid
    assert not psutil.pid_exists(pid)


def test_it_ends_with_its_parent_however_that_ends(folder: Path) -> None:
    """A parent that is killed cannot end anything; the closed pipe tells the child."""
    told = folder / "pid"
    code = f"""
import pandas as pd
from pathlib import Path
from tests.challenger.test_trainer import ROWS, spec
from vigil.challenger.trainer import TrainerProcess
with TrainerProcess(Path({str(folder)!r}), spec("tells_where", params={{"file": {str(told)!r}}})) as trainer:
    trainer.fit(ROWS)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None
        time.sleep(0.02)
    child = psutil.Process(int(told.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child.wait(60)


def test_what_it_imports_only_when_it_trains_is_found(folder: Path) -> None:
    """Another module of the project; what of it is in the model goes with the model."""
    late = "def late(rows, spec, params):\n    from vt_late import share_of\n    return Share(share_of(rows))\n"
    (folder / "vt_process.py").write_text(f"{TRAINER}\n{late}")
    (folder / "vt_late.py").write_text("def share_of(rows):\n    return rows['label'].mean()\n")
    with TrainerProcess(folder, spec("late")) as trainer:
        (model,) = trainer.fit(ROWS)
    assert model.share == 0.25


def test_here_it_is_fitted_in_this_process(folder: Path) -> None:
    """The back-test's way: the same contract."""
    (model,) = TrainerHere(folder, spec("train")).fit(ROWS)
    assert (model.share, model.trained_in) == (0.25, os.getpid())


def test_other_code_has_another_digest_also_where_the_trainer_imports_it(tmp_path: Path) -> None:
    """The module that the trainer imports counts; a file that it does not import does not."""

    def digest(name: str, helper: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        helped = "def helped(rows, spec, params):\n    return vt_helper.made(Share)\n"
        (folder / "vt_process.py").write_text(f"import vt_helper\n{TRAINER}\n{helped}")
        (folder / "vt_helper.py").write_text(f"def made(share):\n    return share({helper})\n")
        (folder / f"vt_{name}.py").write_text("")
        here = TrainerHere(folder, spec("helped"))
        here.fit(ROWS)
        return here.code_digest

    assert digest("one", "0.5") == digest("same", "0.5") != digest("other", "0.25")
