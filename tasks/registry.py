"""The model registry: the only module that imports MLflow.

The store's ledger says which version is champion; an alias here is its projection, for people and for servers that load by alias.
Everything made here is tagged with the decision that caused it, so that a process killed at any point and started again finds what
there is and ends with one version of the decision, never two.

Each call names its tracking URI, and MLflow's process-wide one is neither read nor set, so that one process can serve many projects.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

import pandas as pd

from vigil.challenger.candidate import ADOPTED, LONGEST_TAG, Candidate
from vigil.challenger.project_code import by_value, importable
from vigil.errors import RegistryError, TrainingFailed
from vigil.project import Project
from vigil.spec.model import FeatureType, ModelSpec, Task

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

__all__ = ["ADOPTED", "CHALLENGER", "CHAMPION", "Candidate", "Registry"]

CHAMPION, CHALLENGER = "champion", "challenger"
SET_BY_VIGIL = "vigil.champion"  # tag of the registered model: what vigil made alias ``champion`` name last, or "1>2" while it does
ANSWERED = frozenset(  # error codes of an MLflow that is there and says no
    {"RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "PERMISSION_DENIED", "BAD_REQUEST"}
)


class Registry:
    """The MLflow tracking server and registry of one project.

    Raises (every method):
        RegistryError: it cannot be reached, or does not hold what was asked for.
    """

    def __init__(self, project: Project) -> None:
        self.folder = project.folder
        self.uri = project.database_url(project.spec.mlflow.tracking_uri)
        self._artifacts = project.path(project.spec.mlflow.artifacts)
        self._remote = urlsplit(self.uri).scheme in ("http", "https")
        self._client = self._connect(project.spec.mlflow.timeout_seconds)

    # registering ----------------------------------------------------------------------------------------------------
    def register(self, spec: ModelSpec, candidate: Candidate) -> str:
        """Register a candidate and return its version; the version of its decision where there is one already.

        What a killed attempt left is taken up: a completely logged model of the same training becomes the version, anything
        less is marked killed and made anew.

        Raises:
            TrainingFailed: the model cannot be saved.
        """
        tags = candidate.tags(spec)
        with self._speaking(f"registering {spec.model} of decision {candidate.decision_id}"):
            version = self._find(spec.model, candidate.decision_id)
            if version is None:
                experiment = self._experiment(spec)
                logged = self._complete_model(experiment, tags) or self._log(experiment, spec, candidate, tags)
                self._ensure_registered_model(spec)
                version = self._create_version(spec, logged, tags)
            self._close_runs(spec, candidate.decision_id, version)
            return str(version.version)

    def rehearse(self) -> None:
        """Save a model to nowhere: MLflow then has what it imports and reads once in a process, such as a list of what is installed."""
        import mlflow.sklearn
        from sklearn.dummy import DummyRegressor

        with tempfile.TemporaryDirectory() as scratch:
            mlflow.sklearn.save_model(
                DummyRegressor(), f"{scratch}/model", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
            )

    def find(self, model: str, decision_id: str) -> str | None:
        """Return the version that a decision caused; None where there is none."""
        with self._speaking(f"looking for {model} of decision {decision_id}"):
            version = self._find(model, decision_id)
            return None if version is None else str(version.version)

    def tags(self, model: str, version: str) -> dict[str, str]:
        """Return a version's tags: its lineage in short (``vigil.decision_id``, ``vigil.training_digest``, ...)."""
        with self._speaking(f"reading {model} version {version}"):
            return dict(self._version(model, version).tags)

    def keep_card(self, model: str, version: str, documents: Mapping[str, str], description: str) -> None:
        """Keep a version's model card, file name -> text, in the folder ``card`` of its run, and its description, Markdown; both anew."""
        with self._speaking(f"writing the card of {model} version {version}"):
            run_id = self._version(model, version).run_id
            for name, text in documents.items():
                self._client.log_text(run_id, text, f"card/{name}")
            self._client.update_model_version(model, version, description=description[:LONGEST_TAG])

    # aliases --------------------------------------------------------------------------------------------------------
    def alias_version(self, model: str, alias: str) -> str | None:
        """Return the version that an alias names; None where the alias or the model is not there."""
        with self._speaking(f"reading alias {alias} of {model}"):
            found = self._client.search_registered_models(filter_string=f"name = '{model}'", max_results=1)
            version = found[0].aliases.get(alias) if found else None
            return None if version is None else str(version)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Make an alias name a version; it moves where it named another."""
        with self._speaking(f"moving alias {alias} of {model} to version {version}"):
            self._client.set_registered_model_alias(model, alias, self._version(model, version).version)

    def reconcile_alias(self, model: str, champion: str) -> bool:
        """Make alias ``champion`` name the store's champion; True where it had to move.

        What vigil is about to set is noted before, and what it has set after: a kill between leaves no move that looks like a hand's.
        """
        before = self.alias_version(model, CHAMPION)
        if before != champion:
            self._note(model, f"{before}>{champion}")
            self.set_alias(model, CHAMPION, champion)
        self._note(model, champion)
        return before != champion

    def moved_by_hand(self, model: str, champion: str) -> str | None:
        """Return the version that alias ``champion`` names though vigil did not set it and it is not the store's champion; else None.

        An alias that names what vigil set last only lags behind the store: the process that promoted was killed before it moved it. One
        that was removed names nothing.
        """
        version, noted = self.alias_version(model, CHAMPION), self._noted(model)
        by_hand = version is not None and noted is not None and version not in (champion, *noted.split(">"))
        return version if by_hand else None

    def _noted(self, model: str) -> str | None:
        with self._speaking(f"reading what was noted of {model}"):
            found = self._client.search_registered_models(filter_string=f"name = '{model}'", max_results=1)
            return found[0].tags.get(SET_BY_VIGIL) if found else None

    def _note(self, model: str, text: str) -> None:
        if self._noted(model) != text:
            with self._speaking(f"noting the champion of {model}"):
                self._client.set_registered_model_tag(model, SET_BY_VIGIL, text)

    # loading --------------------------------------------------------------------------------------------------------
    def load_model(self, model: str, version: str) -> Any:
        """Return the fitted estimator of a version. This runs its code: load in a worker, never in a web process."""
        import mlflow.artifacts
        import mlflow.sklearn

        with self._speaking(f"loading {model} version {version}"), importable(self.folder), tempfile.TemporaryDirectory() as scratch:
            location = self._client.get_model_version_download_uri(model, self._version(model, version).version)
            copy = None if urlsplit(location).scheme in ("", "file") else scratch
            if copy is None and not (kept := _path_of(location)).exists():
                raise RegistryError(
                    f"the files of {model} version {version} are not at {kept}, where MLflow has them by absolute path. Restore them; "
                    "where the project's folder was moved, move it back, or leave a symbolic link to it in its old place"
                )
            local = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=copy, tracking_uri=self.uri)
            try:
                return mlflow.sklearn.load_model(local)
            except Exception as error:  # whatever the model's code raises while it is unpickled
                raise RegistryError(
                    f"{model} version {version} cannot be loaded here ({type(error).__name__}: {error}); "
                    f"install what {local}/requirements.txt names"
                ) from error

    def _version(self, model: str, version: str) -> ModelVersion:
        """The version; where it is not there, the error names those that are."""
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(model, version)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = sorted((found.version for found in self._client.search_model_versions(f"name = '{model}'")), key=int)
            names = ", ".join(map(str, known)) or "none"
            raise RegistryError(
                f"MLflow at {_without_password(self.uri)} has no version {version} of {model}; its versions: {names}"
            ) from error

    # the steps of registering ---------------------------------------------------------------------------------------
    def _find(self, model: str, decision_id: str) -> ModelVersion | None:
        """The decision's version; the earliest, should two processes have made one each."""
        wanted = f"name = '{model}' and tags.`vigil.decision_id` = '{decision_id}'"
        return min(self._client.search_model_versions(wanted), key=lambda version: int(version.version), default=None)

    def _experiment(self, spec: ModelSpec) -> str:
        """The experiment of the model; in a copied project another one, or its files would go into the folder that it is a copy of."""
        from mlflow.exceptions import MlflowException

        name, own = spec.model, None if self._remote else self._artifacts / spec.model
        known = self._client.get_experiment_by_name(name)
        if known is not None and own is not None and _is_of_another_folder(known.artifact_location, own):
            name = f"{spec.model} in {self.folder}"
            known = self._client.get_experiment_by_name(name)
        if known is None:
            location = None if own is None else own.as_uri()
            try:
                return str(self._client.create_experiment(name, artifact_location=location, tags={"vigil.owner": spec.owner}))
            except MlflowException:
                known = self._client.get_experiment_by_name(name)
                if known is None:  # it was not that another process was first
                    raise
        return str(known.experiment_id)

    def _complete_model(self, experiment: str, tags: Mapping[str, str]) -> LoggedModel | None:
        """A model that an earlier attempt logged whole, from the same rows, spec and code."""
        from mlflow.entities import LoggedModelStatus

        same = ("vigil.decision_id", "vigil.training_digest", "vigil.spec_hash", "vigil.code_version", "vigil.code_digest")
        wanted = f"tags.`vigil.decision_id` = '{tags['vigil.decision_id']}'"
        for logged in self._client.search_logged_models([experiment], filter_string=wanted):
            if logged.status == LoggedModelStatus.READY and all(logged.tags.get(key) == tags.get(key) for key in same):
                return logged
        return None

    def _log(self, experiment: str, spec: ModelSpec, candidate: Candidate, tags: Mapping[str, str]) -> LoggedModel:
        """Log run, inputs, numbers and model; the model is READY only when all of it is there."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param

        client, digest = self._client, candidate.training_digest[:36]  # MLflow's column for a digest; the whole one is a tag
        name = f"{spec.model} {candidate.decision_id}"
        run_id = client.create_run(experiment, run_name=name, tags={**tags, "mlflow.source.name": spec.training.trainer}).info.run_id
        params = candidate.params(spec)
        dataset = Dataset(
            name=f"{spec.model} training",
            digest=digest,
            source_type="local",
            source=json.dumps(_places(spec)),
            profile=json.dumps(dict(candidate.lineage)),
        )
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        logged = client.create_logged_model(experiment, name=spec.model, source_run_id=run_id, tags=dict(tags), params=params)
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        now = int(time.time() * 1000)
        metrics = [
            Metric(key, value, now, 0, model_id=logged.model_id, dataset_name=dataset.name, dataset_digest=digest, run_id=run_id)
            for key, value in candidate.metrics.items()
        ]
        client.log_batch(run_id, metrics=metrics, params=[Param(key, value) for key, value in params.items()])
        self._log_trials(experiment, run_id, candidate, tags)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                self._save(Path(scratch) / "model", spec, candidate, logged)
            except Exception as error:  # whatever the project's model raises while it is pickled
                client.finalize_logged_model(logged.model_id, "FAILED")
                client.set_terminated(run_id, "FAILED")
                raise TrainingFailed(f"{spec.model}: the fitted model cannot be saved: {type(error).__name__}: {error}") from error
            client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
        return client.finalize_logged_model(logged.model_id, "READY")

    def _log_trials(self, experiment: str, parent: str, candidate: Candidate, tags: Mapping[str, str]) -> None:
        """Log each trial of a search as a run of its own below the version's; they bear the decision, so that a killed one is closed."""
        from mlflow.entities import Metric, Param
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        if candidate.searched is None:
            return
        below = {MLFLOW_PARENT_RUN_ID: parent, "vigil.decision_id": tags["vigil.decision_id"]}
        for trial in candidate.searched.trials:
            failed = {"vigil.failure": trial.failure[:LONGEST_TAG]} if trial.failure else {}
            run_id = self._client.create_run(experiment, run_name=f"trial {trial.number}", tags=below | failed).info.run_id
            found = {"seconds": trial.seconds} | ({} if trial.value is None else {f"validation_{candidate.searched.metric}": trial.value})
            metrics = [Metric(key, value, int(time.time() * 1000), 0) for key, value in found.items()]
            self._client.log_batch(run_id, metrics=metrics, params=[Param(key, str(value)) for key, value in trial.params.items()])
            self._client.set_terminated(run_id, "FAILED" if trial.failure else "FINISHED")

    def _save(self, folder: Path, spec: ModelSpec, candidate: Candidate, logged: LoggedModel) -> None:
        """Write the model's folder: the estimator, its signature and requirements (given, not inferred), and ``vigil/*.json``.

        The format is cloudpickle: MLflow's default, skops, refuses forests and histogram boosting unless each type is trusted, and
        pickle cannot hold what the trainer's module defines. That module goes by value into the file, so that an old version
        loads after the module has changed.
        """
        import mlflow.sklearn
        from mlflow.models import Model

        with by_value(self.folder):
            mlflow.sklearn.save_model(
                candidate.model,
                str(folder),
                mlflow_model=Model(artifact_path=logged.artifact_location, run_id=logged.source_run_id, model_id=logged.model_id),
                serialization_format="cloudpickle",
                signature=_signature(spec, candidate.example),
                input_example=candidate.input_example(spec),
                pip_requirements=candidate.requirements(spec),
                pyfunc_predict_fn="predict_proba" if spec.task is Task.BINARY else "predict",
            )
        (folder / "vigil").mkdir()
        for name, body in candidate.documents(spec).items():
            (folder / "vigil" / name).write_text(body, encoding="utf-8")

    def _ensure_registered_model(self, spec: ModelSpec) -> None:
        from mlflow.exceptions import MlflowException

        if self._client.search_registered_models(filter_string=f"name = '{spec.model}'", max_results=1):
            return
        try:
            self._client.create_registered_model(
                spec.model, tags={"vigil.owner": spec.owner, "vigil.task": spec.task.value}, description=spec.description
            )
        except MlflowException:  # another process was first
            self._client.get_registered_model(spec.model)

    def _create_version(self, spec: ModelSpec, logged: LoggedModel, tags: Mapping[str, str]) -> ModelVersion:
        """Create the version with its tags in one transaction; should another process have done so meanwhile, keep the earlier."""
        created = self._client.create_model_version(
            spec.model,
            source=logged.artifact_location,  # not models:/ID, which MLflow would look up at its process-wide URI
            run_id=logged.source_run_id,
            model_id=logged.model_id,
            tags=dict(tags),
        )
        kept = self._find(spec.model, tags["vigil.decision_id"]) or created
        if kept.version != created.version:
            self._client.delete_model_version(spec.model, created.version)
        return kept

    def _close_runs(self, spec: ModelSpec, decision_id: str, version: ModelVersion) -> None:
        """End what is still open of a decision: the version's run is finished, runs of killed attempts are killed."""
        from mlflow.entities import LoggedModelStatus

        experiment = self._experiment(spec)
        wanted = f"tags.`vigil.decision_id` = '{decision_id}' and attributes.status = 'RUNNING'"
        for run in self._client.search_runs([experiment], filter_string=wanted):
            self._client.set_terminated(run.info.run_id, "FINISHED" if run.info.run_id == version.run_id else "KILLED")
        for logged in self._client.search_logged_models([experiment], filter_string=f"tags.`vigil.decision_id` = '{decision_id}'"):
            if logged.status == LoggedModelStatus.PENDING:
                self._client.finalize_logged_model(logged.model_id, "FAILED")

    # speaking with MLflow -------------------------------------------------------------------------------------------
    def _connect(self, timeout_seconds: int) -> MlflowClient:
        scheme = urlsplit(self.uri).scheme
        if scheme in ("", "file"):
            raise RegistryError(
                f"mlflow.tracking_uri {self.uri!r}: MLflow's folders of files cannot hold a registry; "
                "expected sqlite:///state/mlflow.db, another database URL, or the http(s) address of a server"
            )
        if self._remote:  # MLflow's own defaults try for minutes; the user's settings are kept
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(timeout_seconds))
        elif scheme.startswith("sqlite"):
            Path(urlsplit(self.uri).path.removeprefix("/")).parent.mkdir(parents=True, exist_ok=True)
        with self._speaking("connecting"):
            import mlflow

            _quiet_loggers()
            client = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_registered_models(max_results=1)
            return client

    @contextmanager
    def _speaking(self, doing: str) -> Iterator[None]:
        """Turn what MLflow, its database or its transport raise into a RegistryError that says what to do next."""
        import requests
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, requests.RequestException, OSError) as error:
            message = f"MLflow at {_without_password(self.uri)}, {doing}: {_reason(error)}"
            if getattr(error, "error_code", None) not in ANSWERED:
                message += "; is it running (`vigil up` starts it), and is mlflow.tracking_uri in vigil.yaml right? `vigil doctor` checks"
            raise RegistryError(message) from error


def _signature(spec: ModelSpec, example: pd.DataFrame) -> ModelSignature:
    """Features by the spec's types; a binary model answers with two columns, the probabilities of 0 and 1."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("double" if f.type is FeatureType.NUMERIC else _category_type(example[name]), name) for name, f in spec.features.items()
    ]
    shape = (-1, 2) if spec.task is Task.BINARY else (-1,)
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([TensorSpec(np.dtype("float64"), shape)]))


def _category_type(values: pd.Series) -> str:
    kind = pd.api.types.infer_dtype(values, skipna=True)
    return {"integer": "long", "boolean": "boolean", "floating": "double"}.get(kind, "string")


def _quiet_loggers() -> None:
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # "Creating initial MLflow database tables..."
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)  # warns where an environment has no pip, as uv makes them
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each retry; the RegistryError says it once
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)  # warns of cloudpickle, which is chosen on purpose


def _reason(error: Exception) -> str:
    """The first line of what was raised; of a failed request the cause that urllib3 puts last, not the whole address."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return said[max(said.rfind("Caused by"), 0) :][:300]


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    host = parts.hostname or ""
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}{f':{parts.port}' if parts.port else ''}"))


def _path_of(location: str) -> Path:
    """The path of a ``file:`` URL, or of a path."""
    return Path(url2pathname(urlsplit(location).path))


def _is_of_another_folder(location: str, own: Path) -> bool:
    """Tell whether artifacts are laid out as ``own`` is, elsewhere: MLflow keeps the absolute path of the project that was copied."""
    there = _path_of(location)
    return there.parts[-2:] == own.parts[-2:] and there.resolve() != own.resolve()


def _places(spec: ModelSpec) -> dict[str, str | None]:
    source = spec.source
    places = {"uri": str(source.predictions), "labels": str(source.labels)}
    return {**places, "reference": None if source.reference is None else str(source.reference)}
