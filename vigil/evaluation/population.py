"""The rows that a version's reference profile was made from, where they still are.

Differs from :mod:`.references`, which never reads a row: this is for what cannot be told from counts.
"""

from __future__ import annotations

import ibis

from vigil.sources.tables import ModelSource
from vigil.store.records import Version
from vigil.window import Window, parse_moment


def training_population(source: ModelSource, version: Version) -> list[ibis.Table]:
    """Return the version's training windows, and the reference rows where those were pooled; each part has columns of its own.

    Raises:
        SourceError: the reference rows are not specified, or not there.
    """
    windows = [Window(*(parse_moment(end) for end in key.split("/"))) for key in version.training.get("trained_on", ())]
    pooled = [source.reference_rows()] if version.training.get("include_reference", True) else []
    return ([source.predictions_in(windows)] if windows else []) + pooled
