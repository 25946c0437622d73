"""A project: the folder with ``vigil.yaml``, its models, and what it opens. Where the folder is found is decided here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vigil.errors import ModelNotFound, ProjectNotFound, SpecError, StoreError
from vigil.spec.load import PROJECT_FILE, load_models, load_project
from vigil.spec.model import ModelSpec
from vigil.spec.project import ProjectSpec

if TYPE_CHECKING:
    from vigil.store.sql import SqlStore

ENVIRONMENT_VARIABLE = "VIGIL_PROJECT"


@dataclass(frozen=True)
class Project:
    """An opened project: its absolute folder, its specification, its models by name, and why files of ``models/`` give none.

    A file that is wrong is no reason to leave the models of the others unwatched. Where a person can correct it, :meth:`require_all`.
    """

    folder: Path
    spec: ProjectSpec
    models: Mapping[str, ModelSpec]
    refused: tuple[SpecError, ...] = ()

    @classmethod
    def open(cls, folder: Path | str) -> Project:
        """Parse ``vigil.yaml`` and ``models/*.yaml``. Nothing is created, no database is touched.

        Raises:
            ProjectNotFound: there is no vigil.yaml in ``folder``.
            SpecError: vigil.yaml is wrong.
        """
        folder = Path(folder).expanduser().resolve()
        if not (folder / PROJECT_FILE).is_file():
            raise ProjectNotFound(f"no {PROJECT_FILE} in {folder}; `vigil init {folder}` writes one")
        return cls(folder, load_project(folder / PROJECT_FILE), *load_models(folder))

    def require_all(self) -> Project:
        """Return the project where every file of ``models/`` gives a model.

        Raises:
            SpecError: of the first that does not.
        """
        if self.refused:
            raise self.refused[0]
        return self

    def model(self, name: str) -> ModelSpec:
        """Return a model's specification.

        Raises:
            ModelNotFound: there is none; with the names that exist.
            SpecError: there is none, and a file of ``models/`` that gives none may be its own.
        """
        if name not in self.models:
            if self.refused:
                raise min(self.refused, key=lambda error: Path(error.file).stem != name)
            raise ModelNotFound(name, sorted(self.models))
        return self.models[name]

    def path(self, relative: str) -> Path:
        """Return an absolute path: ``relative`` inside the project's folder, an absolute one as it is."""
        return self.folder / relative

    def database_url(self, url: str) -> str:
        """Return ``url`` with a relative SQLite path made absolute in the folder; any other URL as it is.

        Raises:
            StoreError: the folder's path cannot stand in a URL.
        """
        scheme, separator, file = url.partition(":///")
        if not separator or not scheme.startswith("sqlite") or file in ("", ":memory:") or file.startswith(("/", "file:")):
            return url
        if "?" in str(self.folder):
            raise StoreError(
                f"a question mark ends the path in a database URL; rename the project's folder {self.folder}, or give absolute URLs"
            )
        return f"{scheme}:///{self.folder / file}"

    def store(self) -> SqlStore:
        """Open the monitoring database, migrated to head; the folder of an SQLite file is made.

        Raises:
            StoreError: the database cannot be reached or is newer than this vigil.
        """
        from vigil.store.sql import open_store

        url = self.database_url(self.spec.store.url)
        if url.startswith("sqlite") and ":////" in url:
            Path(url.partition(":///")[2].partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)
        return open_store(url)


def find_project(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the project's folder: ``explicit`` (``--project``), else ``$VIGIL_PROJECT``, else ``cwd`` or its nearest parent.

    A named folder is not searched upwards: what was asked for is there, or ProjectNotFound says so.
    """
    for source, named in (("--project", explicit), (f"${ENVIRONMENT_VARIABLE}", environ.get(ENVIRONMENT_VARIABLE))):
        if named:
            folder = (cwd / Path(named).expanduser()).resolve()
            folder = folder.parent if folder.name == PROJECT_FILE else folder
            if not (folder / PROJECT_FILE).is_file():
                raise ProjectNotFound(f"{source} names {folder}, where there is no {PROJECT_FILE}; `vigil init {named}` writes one")
            return folder
    for folder in (cwd.resolve(), *cwd.resolve().parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise ProjectNotFound(
        f"no {PROJECT_FILE} in {cwd} or a folder above it; give --project DIR or ${ENVIRONMENT_VARIABLE}, or write one with `vigil init`"
    )
