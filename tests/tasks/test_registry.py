"""The registry: real MLflow on SQLite, real processes killed, a real server."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.utils import requirements_utils
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from tasks.registry import CHALLENGER, CHAMPION, Registry
from tests.tasks.build import DIGEST, MODEL, ROWS, SPEC, candidate, project
from vigil.challenger.fit import load_trainer
from vigil.challenger.search import Searched, Trial
from vigil.errors import RegistryError, TrainingFailed
from vigil.spec.model import ModelSpec

NAME = SPEC.model
TRAINER = """
from sklearn.linear_model import LogisticRegression

class Doubling(LogisticRegression):
    def fit(self, X, y):
        return super().fit(2 * X[["wind"]], y)
    def predict_proba(self, X):
        return super().predict_proba(scaled(X))

def scaled(X):
    return 2 * X[["wind"]]

def train(rows, spec, params):
    return Doubling().fit(rows, rows["label"])
"""


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make its tables; the tests copy them."""
    folder = tmp_path_factory.mktemp("mlflow")
    Registry(project(folder))
    return folder / "state"


@pytest.fixture
def folder(empty_database: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty_database, tmp_path / "project" / "state")
    return tmp_path / "project"


@pytest.fixture
def registry(folder: Path) -> Registry:
    return Registry(project(folder))


def client(folder: Path) -> mlflow.MlflowClient:
    uri = f"sqlite:///{folder}/state/mlflow.db"
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def versions(folder: Path) -> list[Any]:
    return list(client(folder).search_model_versions(f"name = '{NAME}'"))


def runs(folder: Path) -> list[Any]:
    experiment = client(folder).get_experiment_by_name(NAME)
    return [] if experiment is None else list(client(folder).search_runs([experiment.experiment_id]))


# registering --------------------------------------------------------------------------------------------------------
def test_a_registered_model_scores_as_the_fitted_one(registry: Registry) -> None:
    """Bit for bit, by version."""
    version = registry.register(SPEC, candidate())
    assert version == "1"
    loaded = registry.load_model(NAME, version)
    assert np.array_equal(loaded.predict_proba(ROWS[["wind"]]), MODEL.predict_proba(ROWS[["wind"]]))


def test_registering_a_decision_again_is_the_same_version_and_writes_nothing(registry: Registry, folder: Path) -> None:
    """Even where the second fit differs: what was registered stands."""
    first = registry.register(SPEC, candidate("d-1"))
    again = registry.register(SPEC, candidate("d-1", training_digest="f" * 64, metrics={"holdout_roc_auc": 0.9}))
    assert (first, again) == ("1", "1")
    assert (len(versions(folder)), len(runs(folder))) == (1, 1)


def test_a_rehearsal_reads_what_a_first_save_needs_and_registers_nothing(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow goes through all that is installed once in a process: by far the longest part of a first registration."""
    monkeypatch.setattr(requirements_utils, "_MODULES_TO_PACKAGES", None)
    registry.rehearse()
    assert requirements_utils._MODULES_TO_PACKAGES is not None
    assert (versions(folder), runs(folder), client(folder).search_registered_models()) == ([], [], [])


def test_each_decision_has_a_version_of_its_own(registry: Registry) -> None:
    """The first version is adopted; two decisions follow."""
    assert [registry.register(SPEC, candidate(decision)) for decision in ("adopted", "d-1", "d-2")] == ["1", "2", "3"]
    assert registry.find(NAME, "d-1") == "2"
    assert registry.find(NAME, "d-3") is None
    assert registry.find("another-model", "d-1") is None


def test_a_version_says_where_it_comes_from(registry: Registry) -> None:
    """Tags that can be searched for: decision, digests, windows, parent, baseline."""
    registry.register(SPEC, candidate("d-9", parent="4"))
    assert registry.tags(NAME, "1") == {
        "vigil.decision_id": "d-9",
        "vigil.model": "flight-delay",
        "vigil.owner": "ops@example.org",
        "vigil.spec_hash": SPEC.hash,
        "vigil.code_version": "0.1.0",
        "vigil.training_digest": DIGEST,
        "vigil.trainer": "trainer:train",
        "vigil.trained_on": "w1, w2",
        "vigil.holdout": "w4",
        "vigil.excluded": "w3",
        "vigil.parent": "4",
        "vigil.baseline": "roc_auc=0.75",
    }


def test_the_run_has_params_metrics_and_the_dataset_with_our_digest(registry: Registry, folder: Path) -> None:
    """The digest is of all rows; MLflow's own would be of the first 10,000. Its column takes 36 characters."""
    registry.register(SPEC, candidate())
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"trainer": "trainer:train", "seed": "7", "C": "0.5"}
    assert run.data.metrics == {"holdout_roc_auc": 0.75}
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.digest, given.tags[0].value) == (DIGEST[:36], "training")
    assert run.data.tags["vigil.training_digest"] == DIGEST
    assert run.info.run_id == versions(folder)[0].run_id
    assert versions(folder)[0].source.endswith(f"{run.outputs.model_outputs[0].model_id}/artifacts")


def test_the_registered_model_has_its_description_and_owner(registry: Registry, folder: Path) -> None:
    """What a person sees first in MLflow."""
    registry.register(SPEC, candidate())
    found = client(folder).get_registered_model(NAME)
    assert (found.description, found.tags["vigil.owner"]) == ("Will this flight arrive late?", "ops@example.org")


def test_the_models_folder_has_signature_requirements_example_and_our_documents(registry: Registry, folder: Path) -> None:
    """Given, not inferred; the example has the features and nothing else of the log."""
    registry.register(SPEC, candidate())
    place = Path(client(folder).get_model_version_download_uri(NAME, "1").removeprefix("file://"))
    signature = mlflow.models.Model.load(str(place)).signature
    assert [(column.name, column.type.name) for column in signature.inputs] == [("wind", "double"), ("carrier", "string")]
    assert signature.outputs.inputs[0].shape == (-1, 2)
    assert "scikit-learn==" in (place / "requirements.txt").read_text()
    assert json.loads((place / "input_example.json").read_text())["columns"] == ["wind", "carrier"]
    assert json.loads((place / "vigil" / "lineage.json").read_text())["excluded"] == {"w3": "data quality failed"}
    assert json.loads((place / "vigil" / "importance.json").read_text()) == {"wind": 0.9, "carrier": 0.1}
    assert (place / "vigil" / "layout.json").read_text() == '{"layout": 1}'
    assert (place / "vigil" / "profile.json").read_text() == '{"profile": 1}'
    assert ModelSpec.model_validate_json((place / "vigil" / "spec.json").read_text()).hash == SPEC.hash


def test_requirements_of_the_specification_are_those_of_the_version(registry: Registry, folder: Path) -> None:
    """For models of other libraries."""
    spec = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"requirements": ("lightgbm==4.6.0",)})})
    registry.register(spec, candidate())
    place = Path(client(folder).get_model_version_download_uri(NAME, "1").removeprefix("file://"))
    assert {line for line in (place / "requirements.txt").read_text().split() if not line.startswith("mlflow")} == {"lightgbm==4.6.0"}


def test_a_forest_and_a_regression_can_be_registered(registry: Registry) -> None:
    """MLflow's default format refuses forests; a regression answers with one column."""
    forest = RandomForestClassifier(n_estimators=3, random_state=0).fit(ROWS[["wind"]], ROWS["label"])
    registry.register(SPEC, candidate("d-forest", model=forest))
    regression = ModelSpec.model_validate(
        {**SPEC.model_dump(), "model": "delay-minutes", "task": "regression", "performance": {"metric": "mae", "tolerated_loss": 1}}
    )
    line = LinearRegression().fit(ROWS[["wind"]], ROWS["label"])
    registry.register(regression, candidate(model=line))
    assert registry.load_model(NAME, "1").predict(ROWS[["wind"]]).tolist() == forest.predict(ROWS[["wind"]]).tolist()
    assert np.array_equal(registry.load_model("delay-minutes", "1").predict(ROWS[["wind"]]), line.predict(ROWS[["wind"]]))


def test_a_model_of_the_projects_own_class_loads_after_its_module_has_changed(registry: Registry, folder: Path) -> None:
    """A version carries the code it was trained by; in a fresh process, where the module is gone, it scores the same."""
    (folder / "vt_own.py").write_text(TRAINER)
    model = load_trainer(folder, "vt_own:train")(ROWS, SPEC, {})
    registry.register(SPEC, candidate(model=model))
    (folder / "vt_own.py").unlink()
    script = (
        "import sys; from pathlib import Path; from tests.tasks.build import *; from tasks.registry import Registry;"
        f"print(Registry(project(Path(sys.argv[1]))).load_model('{NAME}', '1').predict_proba(ROWS)[:, 1].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(model.predict_proba(ROWS)[:, 1].tolist()), done.stderr


def test_a_model_that_cannot_be_saved_is_a_failed_training_and_leaves_nothing_open(registry: Registry, folder: Path) -> None:
    """A lock cannot be pickled. The next attempt of the decision starts afresh."""
    broken = RandomForestClassifier()
    broken.lock = threading.Lock()
    with pytest.raises(TrainingFailed, match=r"cannot be saved: .*cannot pickle"):
        registry.register(SPEC, candidate("d-1", model=broken))
    assert [run.info.status for run in runs(folder)] == ["FAILED"]
    assert registry.register(SPEC, candidate("d-1")) == "1"


def test_metrics_that_are_not_finite_are_refused() -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match="not finite: loss"):
        candidate(metrics={"loss": float("nan"), "auc": 0.5})


def test_the_process_wide_tracking_uri_is_left_alone(folder: Path) -> None:
    """Two projects in one process do not write into each other's registry."""
    before = mlflow.get_tracking_uri()
    other = folder.parent / "other"
    shutil.copytree(folder / "state", other / "state")
    first, second = Registry(project(folder)), Registry(project(other))
    first.register(SPEC, candidate("d-1"))
    second.register(SPEC, candidate("d-2"))
    assert (first.find(NAME, "d-2"), second.find(NAME, "d-1")) == (None, None)
    assert mlflow.get_tracking_uri() == before
    assert (other / "state" / "mlflow-artifacts" / NAME).is_dir()


# aliases ------------------------------------------------------------------------------------------------------------
def test_an_alias_names_one_version_and_moves(registry: Registry) -> None:
    """None before it is set, and for a model that is not there."""
    assert registry.alias_version(NAME, CHAMPION) is None
    registry.register(SPEC, candidate("adopted"))
    registry.register(SPEC, candidate("d-1"))
    registry.set_alias(NAME, CHALLENGER, "1")
    registry.set_alias(NAME, CHALLENGER, "2")
    assert (registry.alias_version(NAME, CHALLENGER), registry.alias_version(NAME, CHAMPION)) == ("2", None)


def test_the_champions_alias_follows_the_store(registry: Registry) -> None:
    """It moves where it names another version or none, and says so; else nothing is written."""
    registry.register(SPEC, candidate("adopted"))
    registry.register(SPEC, candidate("d-1"))
    assert [registry.reconcile_alias(NAME, version) for version in ("1", "1", "2", "2")] == [True, False, True, False]
    assert registry.alias_version(NAME, CHAMPION) == "2"


def test_an_alias_that_vigil_did_not_move_is_told_from_one_that_lags_behind(registry: Registry, folder: Path) -> None:
    """Vigil set version 1. A kill before the move to 2 leaves what vigil set last; a hand leaves anything else."""
    for number in ("adopted", "d-1", "d-2"):
        registry.register(SPEC, candidate(number))
    registry.set_alias(NAME, CHAMPION, "1")
    assert registry.moved_by_hand(NAME, "2") is None  # nothing is noted: an older vigil set it
    registry.reconcile_alias(NAME, "1")
    assert registry.moved_by_hand(NAME, "1") is None
    assert registry.moved_by_hand(NAME, "2") is None  # it lags
    client(folder).set_registered_model_alias(NAME, CHAMPION, "3")
    assert (registry.moved_by_hand(NAME, "1"), registry.moved_by_hand(NAME, "2"), registry.moved_by_hand(NAME, "3")) == ("3", "3", None)
    client(folder).delete_registered_model_alias(NAME, CHAMPION)
    assert registry.moved_by_hand(NAME, "1") is None
    assert registry.reconcile_alias(NAME, "2")
    assert registry.moved_by_hand(NAME, "2") is None


# what is not there --------------------------------------------------------------------------------------------------
def test_a_version_that_is_not_there_is_told_with_those_that_are(registry: Registry) -> None:
    """For aliases, loading and tags alike; MLflow is there, so nobody is sent to start it."""
    registry.register(SPEC, candidate())
    for ask in (
        lambda: registry.set_alias(NAME, CHAMPION, "7"),
        lambda: registry.load_model(NAME, "7"),
        lambda: registry.tags(NAME, "7"),
    ):
        with pytest.raises(RegistryError, match=r"has no version 7 of flight-delay; its versions: 1$"):
            ask()


def test_a_model_that_cannot_be_loaded_names_its_requirements(registry: Registry, folder: Path) -> None:
    """A damaged file, or a library that is not installed."""
    registry.register(SPEC, candidate())
    place = Path(client(folder).get_model_version_download_uri(NAME, "1").removeprefix("file://"))
    (place / "model.pkl").write_bytes(b"not a model")
    with pytest.raises(RegistryError, match=r"version 1 cannot be loaded here .*requirements\.txt"):
        registry.load_model(NAME, "1")


def test_a_model_whose_project_was_moved_says_where_its_files_are_missed(registry: Registry, folder: Path) -> None:
    """MLflow keeps absolute paths; a link in the old place is enough."""
    registry.register(SPEC, candidate())
    moved = folder.rename(folder.with_name("moved project"))
    with pytest.raises(RegistryError, match=rf"version 1 are not at {folder}/.*was moved, move it back, or leave a symbolic link"):
        Registry(project(moved)).load_model(NAME, "1")
    folder.symlink_to(moved)
    assert Registry(project(moved)).load_model(NAME, "1").n_features_in_ == 1


def test_a_copied_project_keeps_its_versions_in_its_own_folder(registry: Registry, folder: Path) -> None:
    """What is tried in a copy leaves no file in the folder that it is a copy of; old versions are read from where they lie."""
    registry.register(SPEC, candidate())
    before = sorted(folder.rglob("*"))
    copied = Path(shutil.copytree(folder, folder.with_name("copy")))
    in_copy = Registry(project(copied))
    for _ in range(2):
        assert in_copy.register(SPEC, candidate("d-2")) == "2"
    assert in_copy.register(SPEC, candidate("d-3")) == "3"
    assert sorted(folder.rglob("*")) == before
    assert [in_copy.load_model(NAME, version).n_features_in_ for version in "123"] == [1, 1, 1]
    assert len(client(copied).search_experiments(filter_string=f"name LIKE '{NAME}%'")) == 2


def test_a_folder_of_files_is_refused_as_registry(tmp_path: Path) -> None:
    """MLflow's file store has no registry; the message names what is expected."""
    with pytest.raises(RegistryError, match=r"expected sqlite:///state/mlflow\.db"):
        Registry(project(tmp_path, tracking_uri="./mlruns"))


def test_a_file_that_is_no_database_is_told_apart(tmp_path: Path) -> None:
    """The error is ours, with MLflow's reason."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mlflow.db").write_text("this is a letter, not a database, and long enough to be read as one" * 20)
    with pytest.raises(RegistryError, match=r"connecting: .*not a database"):
        Registry(project(tmp_path))


def test_an_unreachable_server_is_told_within_its_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A port of this machine that nobody listens on; the password of the address is not repeated."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(RegistryError, match=rf"MLflow at http://me:\*\*\*@127\.0\.0\.1:{port}, connecting: .*vigil up.*vigil doctor"):
        Registry(project(tmp_path, tracking_uri=f"http://me:secret@127.0.0.1:{port}", timeout_seconds=20))
    assert time.monotonic() - started < 20
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_server_that_never_answers_is_told_within_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and keeps silent: one try and one more, two seconds each."""
    for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "TIMEOUT"):
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(RegistryError, match=r"connecting: .*imed out"):
            Registry(project(tmp_path, tracking_uri=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=2))
    assert 2 <= time.monotonic() - started < 15


# killed and started again -------------------------------------------------------------------------------------------
def register_and_die(folder: str, steps: list[tuple[str, str]]) -> None:
    """Run in a child process: register, killed before or after the named call of MLflow's client."""
    for moment, name in steps:
        original = getattr(mlflow.MlflowClient, name)

        def killed(*args: Any, moment: str = moment, original: Any = original, **kwargs: Any) -> Any:
            if moment == "after":
                original(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(mlflow.MlflowClient, name, killed)
    Registry(project(Path(folder))).register(SPEC, candidate("d-1"))


@pytest.fixture(scope="module")
def children() -> Any:
    """Children of a fresh process that has the libraries loaded already."""
    context = multiprocessing.get_context("forkserver")
    stores = ["mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"]
    context.set_forkserver_preload(["tests.tasks.test_registry", "mlflow.sklearn", "mlflow.pyfunc", *stores])
    return context


def kill(children: Any, folder: Path, moment: str, name: str) -> None:
    child = children.Process(target=register_and_die, args=(str(folder), [(moment, name)]))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL


def assert_one_complete_version(folder: Path) -> None:
    registry = Registry(project(folder))
    assert registry.register(SPEC, candidate("d-1")) == "1"
    (version,) = versions(folder)
    assert np.array_equal(registry.load_model(NAME, "1").predict(ROWS[["wind"]]), MODEL.predict(ROWS[["wind"]]))
    by_id = {run.info.run_id: run for run in runs(folder)}
    whole = by_id.pop(version.run_id)
    assert (whole.info.status, whole.data.metrics) == ("FINISHED", {"holdout_roc_auc": 0.75})
    assert {run.info.status for run in by_id.values()} <= {"KILLED"}


@pytest.mark.parametrize(
    ("moment", "name", "run_count"),
    [
        ("after", "create_experiment", 1),
        ("after", "create_run", 2),
        ("after", "create_logged_model", 2),
        ("after", "log_model_artifacts", 2),
        ("after", "finalize_logged_model", 1),
        ("after", "create_model_version", 1),
        ("before", "set_terminated", 1),
    ],
)
def test_a_process_killed_anywhere_and_started_again_leaves_one_version(
    children: Any, folder: Path, moment: str, name: str, run_count: int
) -> None:
    """A whole model is taken up by the second attempt; a part of one is marked killed and made anew."""
    kill(children, folder, moment, name)
    assert_one_complete_version(folder)
    assert len(runs(folder)) == run_count


def test_a_process_killed_twice_leaves_one_version(children: Any, folder: Path) -> None:
    """First with half a model, then with a whole one that has no version."""
    kill(children, folder, "before", "log_model_artifacts")
    kill(children, folder, "before", "create_model_version")
    assert_one_complete_version(folder)
    assert sorted(run.info.status for run in runs(folder)) == ["FINISHED", "KILLED"]


def test_a_whole_model_of_other_training_rows_is_not_taken_up(children: Any, folder: Path) -> None:
    """Labels that arrived between the attempts make other rows: what is registered is what was fitted now."""
    kill(children, folder, "before", "create_model_version")
    registry = Registry(project(folder))
    assert registry.register(SPEC, candidate("d-1", training_digest="f" * 64)) == "1"
    assert registry.tags(NAME, "1")["vigil.training_digest"] == "f" * 64
    assert sorted(run.info.status for run in runs(folder)) == ["FINISHED", "KILLED"]


def test_a_version_that_another_process_made_meanwhile_is_kept_and_ours_withdrawn(
    folder: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one registers between our looking and our making: the earlier version stands."""
    create = mlflow.MlflowClient.create_model_version
    others: list[str] = []

    def overtaken(self: mlflow.MlflowClient, *args: Any, **kwargs: Any) -> Any:
        if not others:
            others.append("begun")
            others[0] = Registry(project(folder)).register(SPEC, candidate("d-1", training_digest="e" * 64))
        return create(self, *args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", overtaken)
    assert registry.register(SPEC, candidate("d-1")) == others[0] == "1"
    assert [int(version.version) for version in versions(folder)] == [1]


# a server -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def server(tmp_path: Path, empty_database: Path) -> Iterator[str]:
    shutil.copytree(empty_database, tmp_path / "server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server/mlflow.db", "--artifacts-destination", str(tmp_path / "server")]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(480):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "server.log").read_text()
                    time.sleep(0.25)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def test_a_server_is_used_as_the_database_is(server: str, tmp_path: Path) -> None:
    """Artifacts go through the server; register twice, move the alias, load: the same answers."""
    registry = Registry(project(tmp_path / "project", tracking_uri=server, timeout_seconds=60))
    (tmp_path / "project").mkdir()
    assert [registry.register(SPEC, candidate("d-1")) for _ in range(2)] == ["1", "1"]
    assert registry.reconcile_alias(NAME, "1")
    assert registry.alias_version(NAME, CHAMPION) == "1"
    assert np.array_equal(registry.load_model(NAME, "1").predict(ROWS[["wind"]]), MODEL.predict(ROWS[["wind"]]))
    assert list((tmp_path / "project").iterdir()) == []
    with pytest.raises(RegistryError, match=r"its versions: 1$"):
        registry.load_model(NAME, "2")


def test_each_trial_of_a_search_is_a_run_below_the_versions(registry: Registry, folder: Path) -> None:
    """With its parameters and its value; one that failed says how. The version's run has the chosen parameters."""
    trials = (Trial(0, {"C": 2.0}, 0.7, 1.5), Trial(1, {"C": 8.0}, None, 0.5, "did not converge"))
    registry.register(SPEC, candidate(searched=Searched("roc_auc", 30, 10, trials, {"C": 2.0})))
    parent = versions(folder)[0].run_id
    below = {run.info.run_name: run for run in runs(folder) if run.data.tags.get("mlflow.parentRunId") == parent}
    assert {name: (run.info.status, run.data.params, run.data.metrics) for name, run in below.items()} == {
        "trial 0": ("FINISHED", {"C": "2.0"}, {"validation_roc_auc": 0.7, "seconds": 1.5}),
        "trial 1": ("FAILED", {"C": "8.0"}, {"seconds": 0.5}),
    }
    assert below["trial 1"].data.tags["vigil.failure"] == "did not converge"
    assert client(folder).get_run(parent).data.params["C"] == "2.0"
