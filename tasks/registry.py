"""The model registry: the only module that imports MLflow.

The store's ledger says which version is champion; an alias here is its projection, for people and for servers that load by alias.
Everything made here is tagged with the decision that caused it, so that a process killed at any point and started again finds what
there is and ends with one version of the decision, never two.

Each call names its tracking URI, and MLflow's process-wide one is neither read nor set, so that one process can serve many projects.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import pandas as pd

from vigil.challenger.fit import importable
from vigil.errors import RegistryError
from vigil.project import Project
from vigil.spec.model import FeatureType, ModelSpec, Task

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

ADOPTED = "adopted"  # the decision id of a first version, which no decision caused
CHAMPION, CHALLENGER = "champion", "challenger"
EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Candidate:
    """A fitted model and all that is registered with it.

    Attributes:
        model: the fitted estimator.
        decision_id: the decision that caused it; :data:`ADOPTED` for a first version.
        example: rows with at least the features; the first few are kept as the input example, features only.
        training_digest: content digest of the training rows (:func:`vigil.challenger.rows.rows_digest`).
        lineage: plain JSON: windows trained on, kept and left out and why, rows.
        metrics: finite numbers by name, such as ``holdout_roc_auc``.
        importance: feature -> share.
        layout, profile: JSON of the reference layout and profile.
        baseline: performance on held-out rows; None where unmeasured.
        parent: the champion that it challenges; None for a first version.
    """

    model: Any
    decision_id: str
    example: pd.DataFrame
    training_digest: str
    lineage: Mapping[str, Any]
    metrics: Mapping[str, float]
    importance: Mapping[str, float]
    layout: str
    profile: str
    baseline: float | None
    parent: str | None
    code_version: str


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
        """
        tags = _tags(spec, candidate)
        with self._speaking(f"registering {spec.model} of decision {candidate.decision_id}"):
            version = self._find(spec.model, candidate.decision_id)
            if version is None:
                experiment = self._experiment(spec)
                logged = self._complete_model(experiment, tags) or self._log(experiment, spec, candidate, tags)
                self._ensure_registered_model(spec)
                version = self._create_version(spec, logged, tags)
            self._close_runs(spec, candidate.decision_id, version)
            return str(version.version)

    def find(self, model: str, decision_id: str) -> str | None:
        """Return the version that a decision caused; None where there is none."""
        with self._speaking(f"looking for {model} of decision {decision_id}"):
            version = self._find(model, decision_id)
            return None if version is None else str(version.version)

    def tags(self, model: str, version: str) -> dict[str, str]:
        """Return a version's tags: its lineage in short (``vigil.decision_id``, ``vigil.training_digest``, ...)."""
        with self._speaking(f"reading {model} version {version}"):
            return dict(self._client.get_model_version(model, version).tags)

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
            self._client.set_registered_model_alias(model, alias, version)

    def drop_alias(self, model: str, alias: str) -> None:
        """Remove an alias; nothing happens where it is not there."""
        if self.alias_version(model, alias) is not None:
            with self._speaking(f"removing alias {alias} of {model}"):
                self._client.delete_registered_model_alias(model, alias)

    def reconcile_alias(self, model: str, champion: str) -> bool:
        """Make alias ``champion`` name the store's champion; True where it had to move."""
        if self.alias_version(model, CHAMPION) == champion:
            return False
        self.set_alias(model, CHAMPION, champion)
        return True

    # loading --------------------------------------------------------------------------------------------------------
    def load_model(self, model: str, version: str) -> Any:
        """Return the fitted estimator of a version. This runs its code: load in a worker, never in a web process."""
        import mlflow.artifacts
        import mlflow.sklearn

        with self._speaking(f"loading {model} version {version}"), importable(self.folder), tempfile.TemporaryDirectory() as scratch:
            location = self._client.get_model_version_download_uri(model, version)
            copy = None if urlsplit(location).scheme in ("", "file") else scratch
            local = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=copy, tracking_uri=self.uri)
            return mlflow.sklearn.load_model(local)

    # the steps of registering ---------------------------------------------------------------------------------------
    def _find(self, model: str, decision_id: str) -> ModelVersion | None:
        """The decision's version; the earliest, should two processes have made one each."""
        wanted = f"name = '{model}' and tags.`vigil.decision_id` = '{decision_id}'"
        return min(self._client.search_model_versions(wanted), key=lambda version: int(version.version), default=None)

    def _experiment(self, spec: ModelSpec) -> str:
        from mlflow.exceptions import MlflowException

        known = self._client.get_experiment_by_name(spec.model)
        if known is not None:
            return str(known.experiment_id)
        location = None if self._remote else (self._artifacts / spec.model).as_uri()
        try:
            return str(self._client.create_experiment(spec.model, artifact_location=location, tags={"vigil.owner": spec.owner}))
        except MlflowException:  # another process was first
            return str(self._client.get_experiment_by_name(spec.model).experiment_id)

    def _complete_model(self, experiment: str, tags: Mapping[str, str]) -> LoggedModel | None:
        """A model that an earlier attempt logged whole, from the same rows, spec and code."""
        from mlflow.entities import LoggedModelStatus

        same = ("vigil.decision_id", "vigil.training_digest", "vigil.spec_hash", "vigil.code_version")
        wanted = f"tags.`vigil.decision_id` = '{tags['vigil.decision_id']}'"
        for logged in self._client.search_logged_models([experiment], filter_string=wanted):
            if logged.status == LoggedModelStatus.READY and all(logged.tags.get(key) == tags[key] for key in same):
                return logged
        return None

    def _log(self, experiment: str, spec: ModelSpec, candidate: Candidate, tags: Mapping[str, str]) -> LoggedModel:
        """Log run, inputs, numbers and model; the model is READY only when all of it is there."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param

        client, digest = self._client, candidate.training_digest[:36]  # MLflow's column for a digest; the whole one is a tag
        name = f"{spec.model} {candidate.decision_id}"
        run_id = client.create_run(experiment, run_name=name, tags={**tags, "mlflow.source.name": spec.training.trainer}).info.run_id
        params = {
            key: str(value) for key, value in {"trainer": spec.training.trainer, "seed": spec.training.seed, **spec.training.params}.items()
        }
        dataset = Dataset(
            name=f"{spec.model} training",
            digest=digest,
            source_type="local",
            source=json.dumps({"uri": spec.source.predictions, "labels": spec.source.labels, "reference": spec.source.reference}),
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
        with tempfile.TemporaryDirectory() as scratch:
            self._save(Path(scratch) / "model", spec, candidate, logged)
            client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
        return client.finalize_logged_model(logged.model_id, "READY")

    def _save(self, folder: Path, spec: ModelSpec, candidate: Candidate, logged: LoggedModel) -> None:
        """Write the model's folder: the estimator, its signature and requirements (given, not inferred), and ``vigil/*.json``.

        The format is cloudpickle: MLflow's default, skops, refuses forests and histogram boosting unless each type is trusted, and
        pickle cannot hold what the trainer's module defines. That module goes by value into the file, so that an old version
        loads after the module has changed.
        """
        import mlflow.sklearn
        from mlflow.models import Model

        with _by_value(self.folder):
            mlflow.sklearn.save_model(
                candidate.model,
                str(folder),
                mlflow_model=Model(artifact_path=logged.artifact_location, run_id=logged.source_run_id, model_id=logged.model_id),
                serialization_format="cloudpickle",
                signature=_signature(spec, candidate.example),
                input_example=candidate.example[list(spec.features)].head(EXAMPLE_ROWS).reset_index(drop=True),
                pip_requirements=_requirements(spec),
                pyfunc_predict_fn="predict_proba" if spec.task is Task.BINARY else "predict",
            )
        (folder / "vigil").mkdir()
        for name, body in {
            "lineage": json.dumps(dict(candidate.lineage), indent=2),
            "importance": json.dumps(dict(candidate.importance), indent=2),
            "layout": candidate.layout,
            "profile": candidate.profile,
            "spec": spec.canonical_json(),
        }.items():
            (folder / "vigil" / f"{name}.json").write_text(body, encoding="utf-8")

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
        experiment = self._experiment(spec)
        wanted = f"tags.`vigil.decision_id` = '{decision_id}' and attributes.status = 'RUNNING'"
        for run in self._client.search_runs([experiment], filter_string=wanted):
            self._client.set_terminated(run.info.run_id, "FINISHED" if run.info.run_id == version.run_id else "KILLED")
        for logged in self._client.search_logged_models([experiment], filter_string=f"tags.`vigil.decision_id` = '{decision_id}'"):
            if str(logged.status) == "PENDING":
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
            said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise RegistryError(
                f"MLflow at {_without_password(self.uri)}, {doing}: {said}; is it running (`vigil up` starts it) and is "
                "mlflow.tracking_uri in vigil.yaml right? `vigil doctor` checks"
            ) from error


def _tags(spec: ModelSpec, candidate: Candidate) -> dict[str, str]:
    """The lineage in short, as tags of run, logged model and version alike."""
    bad = sorted(name for name, value in candidate.metrics.items() if not -float("inf") < value < float("inf"))
    if bad:
        raise RegistryError(f"{spec.model}: a version is registered with finite metrics, {', '.join(bad)} is not")
    lineage = candidate.lineage
    tags = {
        "vigil.decision_id": candidate.decision_id,
        "vigil.model": spec.model,
        "vigil.owner": spec.owner,
        "vigil.spec_hash": spec.hash,
        "vigil.code_version": candidate.code_version,
        "vigil.training_digest": candidate.training_digest,
        "vigil.trainer": spec.training.trainer,
        "vigil.trained_on": ", ".join(lineage.get("trained_on", ())),
        "vigil.holdout": ", ".join(lineage.get("holdout", ())),
        "vigil.excluded": ", ".join(lineage.get("excluded", ())),
        "vigil.parent": candidate.parent or "",
        "vigil.baseline": "" if candidate.baseline is None else f"{spec.performance.metric.value}={candidate.baseline:.6g}",
    }
    return {key: value[:5000] for key, value in tags.items() if value}


def _requirements(spec: ModelSpec) -> list[str]:
    """What loading needs, given so that MLflow does not load the model in a fresh process to find out (8 s)."""
    if spec.training.requirements:
        return list(spec.training.requirements)
    return [f"{name}=={importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy", "pandas", "cloudpickle")]


def _signature(spec: ModelSpec, example: pd.DataFrame) -> ModelSignature:
    """Features by the spec's types; a binary model answers with two columns, the probabilities of 0 and 1."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs = [
        ColSpec("double" if f.type is FeatureType.NUMERIC else _category_type(example[name]), name) for name, f in spec.features.items()
    ]
    shape = (-1, 2) if spec.task is Task.BINARY else (-1,)
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([TensorSpec(np.dtype("float64"), shape)]))


def _category_type(values: pd.Series) -> str:
    kind = pd.api.types.infer_dtype(values, skipna=True)
    return {"integer": "long", "boolean": "boolean", "floating": "double"}.get(kind, "string")


@contextmanager
def _by_value(folder: Path) -> Iterator[None]:
    """Let cloudpickle take the project's own modules by value for the block: a version must not need the folder as it was."""
    import cloudpickle

    own = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is not None and folder in Path(file).parents and "site-packages" not in Path(file).parts and module.__name__ != "__main__":
            own.append(module)
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


def _quiet_loggers() -> None:
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # "Creating initial MLflow database tables..."
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)  # warns of cloudpickle, which is chosen on purpose


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    host = parts.hostname or ""
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}{f':{parts.port}' if parts.port else ''}"))
