"""Everything that one operation on one model needs, opened together: project, specification, store and source.

Differs from :class:`vigil.project.Project`, which knows all models and opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vigil.decision.types import Decision
from vigil.errors import StoreError
from vigil.project import Project
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
    source: ModelSource

    @classmethod
    def open(cls, folder: Path | str, model: str) -> Workspace:
        """Open ``model`` of the project in ``folder``; the specification is kept in the store under its hash.

        Raises:
            SpecError, ModelNotFound, StoreError, SourceError: what was found is not what is needed.
        """
        project = Project.open(folder)
        spec = project.model(model)
        store = project.store()
        store.save_spec(spec.model, spec.hash, spec.canonical_json())
        return cls(project, spec, store, ModelSource(project.folder, spec))

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
