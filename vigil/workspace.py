"""Everything that one operation on one model needs, opened together: project, specification, store and source.

Differs from :class:`vigil.project.Project`, which knows all models and opens nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vigil.decision.types import Decision
from vigil.errors import StoreError
from vigil.project import Project
from vigil.sources.files import list_files
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.records import Retraining
from vigil.store.sql import SqlStore


@dataclass(frozen=True)
class Workspace:
    """One model of one project, ready to be looked at."""

    project: Project
    spec: ModelSpec
    store: SqlStore

    @cached_property
    def source(self) -> ModelSource:
        """The model's rows, opened when first asked for: not every operation looks at them."""
        if self.spec.source.connection is None:
            return _opened(self.project.folder, self.spec)
        return open_source(self.project, self.spec)

    @classmethod
    def open(cls, folder: Path | str, model: str) -> Workspace:
        """Open ``model`` of the project in ``folder``; the specification is kept in the store under its hash.

        Raises:
            SpecError, ModelNotFound, StoreError: what was found is not what is needed.
        """
        project = Project.open(folder)
        spec = project.model(model)
        store = project.store()
        store.save_spec(spec.model, spec.hash, spec.canonical_json())
        return cls(project, spec, store)

    @classmethod
    def of_decision(cls, folder: Path | str, decision_id: str) -> tuple[Workspace, Decision]:
        """Open the model that a decision is about, and the decision.

        Raises:
            StoreError: there is no such decision.
        """
        decision = Project.open(folder).store().decision(decision_id)
        if decision is None:
            raise StoreError(f"no decision {decision_id} in the store; `vigil decisions MODEL` lists them")
        return cls.open(folder, decision.model), decision

    def retraining(self, decision_id: str) -> Retraining:
        """Return the retraining of a decision.

        Raises:
            StoreError: none was requested.
        """
        retraining = self.store.retraining(decision_id)
        if retraining is None:
            raise StoreError(f"no retraining was requested for decision {decision_id}; `vigil decisions {self.spec.model}` lists them")
        return retraining


def open_source(project: Project, spec: ModelSpec) -> ModelSource:
    """Open a model's rows with the project's connections."""
    return ModelSource(project.folder, spec, project.spec.connections)


_last = threading.local()  # the source that this thread opened last: the tasks of one flow run look at one model


def _opened(folder: Path, spec: ModelSpec) -> ModelSource:
    """Return a source of the files as they are now; the last one again where no file has changed, for opening costs 0.1 s."""
    found = [file for place in spec.source.places for file in list_files(folder, str(place))]
    states = ((file, file.stat()) for file in found)
    key = (folder, spec.hash, tuple((file, state.st_mtime_ns, state.st_size, state.st_ino) for file, state in states))
    if getattr(_last, "key", None) != key:
        _last.source, _last.key = ModelSource(folder, spec), key
    source: ModelSource = _last.source
    return source
