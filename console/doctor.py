"""What ``vigil doctor`` looks at: the installation, not the models. It starts nothing and writes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from console.session import answers
from vigil.errors import VigilError
from vigil.quiet import QUIET_ENVIRONMENT

if TYPE_CHECKING:
    from vigil.project import Project

OK, WARNING, FAILED = "ok", "warning", "failed"
FREE_BYTES = 2 * 1024**3  # convention: a year of the demo takes under 0.5 GB; below 2 GB look before it is full
Finding = tuple[str, str]


@dataclass(frozen=True)
class Sign:
    """One thing that was looked at, with what was found."""

    check: str
    verdict: str
    message: str


def examine(project: Project | None) -> Iterator[Sign]:
    """Yield what was found; without a project only what does not need one."""
    yield Sign("python", *_python(sys.version_info[:3]))
    yield Sign("packages", *_packages())
    yield Sign("telemetry", *_telemetry(os.environ))
    if project is None:
        yield Sign("project", WARNING, "none here; name one with --project DIR to look at its store, MLflow and Prefect")
        return
    yield Sign("project", OK, f"{project.folder}, {len(project.models)} model{'s' * (len(project.models) != 1)}")
    looks: dict[str, Callable[[Project], Finding]] = {"store": _store, "mlflow": _mlflow, "prefect": _prefect, "disk": _disk}
    for name, look in looks.items():
        try:
            yield Sign(name, *look(project))
        except (VigilError, OSError) as error:
            yield Sign(name, FAILED, str(error))


def _python(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version))
    fits = (3, 11) <= version[:2] < (3, 14)
    return (OK, text) if fits else (FAILED, f"{text}; vigil runs on 3.11 to 3.13")


def _packages() -> Finding:
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires("vigil") or []]
    except metadata.PackageNotFoundError:
        return WARNING, "vigil runs from its source folder, so the supported ranges are not known; install it: pip install -e ."
    wrong = []
    mandatory = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in mandatory:
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is missing (expected {one.specifier})")
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} {found} (expected {one.specifier})")
    if wrong:
        return FAILED, f"{'; '.join(wrong)}. Install what is tested: pip install --no-deps --require-hashes -r requirements.lock"
    return OK, f"{len(mandatory)} direct dependencies within the supported ranges"


def _telemetry(environ: os._Environ[str]) -> Finding:
    on = [name for name, value in QUIET_ENVIRONMENT.items() if environ.get(name) != value]
    return (OK, "off") if not on else (WARNING, f"the environment sets {', '.join(on)} to something else")


def _store(project: Project) -> Finding:
    from vigil.store.engine import make_engine, parse_url, reading, shown
    from vigil.store.migrate import schema_revision
    from vigil.store.migrations import HEAD

    url = parse_url(project.database_url(project.spec.store.url))
    where = shown(url)
    if url.get_backend_name() == "sqlite" and not os.path.exists(str(url.database)):
        return OK, f"{where} is not there yet; it is made when it is first used"
    engine = make_engine(url)
    try:
        with reading(engine) as connection:
            revision = schema_revision(connection)
    finally:
        engine.dispose()
    if revision is None:
        return OK, f"{where} is reachable and empty; it is migrated when it is first used"
    return (
        (OK, f"{where}, schema {revision}")
        if revision == HEAD
        else (WARNING, f"{where} has schema {revision}, this vigil {HEAD}: the next command migrates it")
    )


def _mlflow(project: Project) -> Finding:
    address = project.spec.mlflow.tracking_uri
    if not address.startswith(("http://", "https://")):
        return OK, f"no server: the registry is {_without_password(project.database_url(address))}"
    failure = answers(address.rstrip("/") + "/health")
    return (OK, f"{address} answers") if failure is None else (FAILED, f"{address}: {failure}. Start it, or correct mlflow.tracking_uri")


def _prefect(project: Project) -> Finding:
    from vigil.up_state import running_api

    address = os.environ.get("PREFECT_API_URL") or project.spec.prefect.api_url or running_api(project)
    if address is None:
        return OK, "no server: each command runs its own; `vigil up` runs one with schedules and a page"
    failure = answers(address.rstrip("/") + "/health")
    return (
        (OK, f"{address} answers")
        if failure is None
        else (FAILED, f"{address}: {failure}. Start it (`vigil up`), or correct prefect.api_url")
    )


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.folder).free
    text = f"{free / 1024**3:.1f} GB free in {project.folder}"
    return (OK, text) if free >= FREE_BYTES else (WARNING, text)


def _without_password(url: str) -> str:
    from sqlalchemy import make_url

    from vigil.store.engine import shown

    return shown(make_url(url))
