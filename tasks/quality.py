"""Check a window's data with Great Expectations, before anything else is measured of it."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from vigil.evaluation.look import Look, quarantined
from vigil.evaluation.measure import version_of
from vigil.measurement import Measurement
from vigil.profile.layout import Layout
from vigil.workspace import Workspace


@task(cache_policy=NO_CACHE)
def validate(project: str, look: Look) -> tuple[Measurement, ...]:
    """Check the looked-at window against its suite; the known categories are those of the looked-at version's reference."""
    from expectations.validate import validate_window  # Great Expectations takes seconds to import

    work = Workspace.open(project, look.model)
    layout = Layout.from_json(version_of(work.store, look).layout)
    return (*validate_window(work.source, look.window, work.spec, layout), quarantined(look, work.spec))
