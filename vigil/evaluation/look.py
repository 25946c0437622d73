"""Which rows, which labels, which version, as of when: fixed before anything is measured, and named by a digest.

Differs from :class:`vigil.store.records.Evaluation`, which is what remains in the store after the look.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from vigil import __version__
from vigil.errors import ChampionNotFound, NotAllowed, SourceError
from vigil.evaluation.batches import batches_of
from vigil.measurement import Layer, Measurement, Verdict
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Evaluation, Version
from vigil.window import Window

FUTURE_ROWS = "future_rows"


@dataclass(frozen=True)
class Look:
    """One look at one window. ``evaluation_id`` is a digest of all the other fields except ``as_of`` and the counts; where an earlier look
    than the latest saw the same, also of the latest.

    ``rows`` and ``labels`` are the window's, whichever version scored them.
    ``future_rows`` are those of the log that had not happened yet, or before any log was written: they are in no window that is looked at.
    """

    evaluation_id: str
    model: str
    window: Window
    as_of: datetime
    version: str
    spec_hash: str
    data_digest: str
    labels_digest: str
    rows: int
    labels: int
    future_rows: int = 0


def look_at(source: ModelSource, store: Store, spec: ModelSpec, window: Window, as_of: datetime, *, now: datetime | None = None) -> Look:
    """Fix what a look at ``window`` sees as of ``as_of``.

    ``now``: the present, after which no row can have happened; default ``as_of``, but of a look back it is later.

    The version is the one that scored most rows of the window; the champion where the window has no row.

    Raises:
        NotAllowed: ``as_of`` lies before the window's end.
        SourceError: a file is unreadable or not what is on record of it; else what the window's files hold is put on record.
        ChampionNotFound: the rows were scored by a version that vigil does not know, or the model has no version yet.
    """
    if as_of < window.end:
        raise NotAllowed(f"window {window.key} of {spec.model} has not ended as of {as_of.isoformat()}; look at it after its end")
    batches = batches_of(source, store, spec, window, now or as_of)
    counts = rows_by_version(source, spec, window)
    version = serving_version(store, spec, counts)
    data, labels = source.data_digest(window), source.labels_digest(window, as_of)
    future_rows = source.future_rows(max(as_of, now or as_of))
    store.save_batches(batches)
    return Look(
        evaluation_id=_name(store, spec.model, window, as_of, (version.version, spec.hash, data.sha256, labels.sha256)),
        model=spec.model,
        window=window,
        as_of=as_of,
        version=version.version,
        spec_hash=spec.hash,
        data_digest=data.sha256,
        labels_digest=labels.sha256,
        rows=data.rows,
        labels=labels.rows,
        future_rows=future_rows,
    )


def _name(store: Store, model: str, window: Window, as_of: datetime, saw: tuple[str, str, str, str]) -> str:
    """Name a look by what it saw. Rows that were overwritten and are now as they were before make a new look: it follows the other."""
    known = store.evaluations(model, start=window.start, end=window.end, as_of=as_of)
    latest = next((each for each in known if each.window == window), None)
    if latest is not None and (latest.version, latest.spec_hash, latest.data_digest, latest.labels_digest) == saw:
        return latest.evaluation_id
    name = _digest(model, window.key, *saw)
    seen = store.evaluation(name)
    return _digest(model, window.key, *saw, latest.evaluation_id) if latest and seen and seen.as_of <= latest.as_of else name


def _digest(*parts: str) -> str:
    return "e-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def quarantined(look: Look, spec: ModelSpec) -> Measurement:
    """Return ``future_rows`` as a measurement of data quality: a warning where there is any, for the rows of the window are sound."""
    detail = {
        "because": "a row that had not happened yet when it was looked for, or before 1900, is in no window",
        "clock_skew_minutes": spec.source.clock_skew_minutes,
    }
    verdict = Verdict.WARNING if look.future_rows else Verdict.OK
    return Measurement(
        Layer.DATA_QUALITY, FUTURE_ROWS, look.future_rows, verdict, look.rows, subject=spec.columns.time, threshold=0.0, detail=detail
    )


def rows_by_version(source: ModelSource, spec: ModelSpec, window: Window) -> dict[str, int]:
    """Count the window's rows by the version that scored them, by one aggregate in the engine.

    Raises:
        SourceError: most rows have none.
    """
    rows = source.predictions(window)
    with source.reading_log():
        counted = rows.group_by(_version=rows[spec.columns.version].cast("string")).agg(_rows=rows.count()).to_pyarrow().to_pylist()
    found = {row["_version"]: int(row["_rows"]) for row in counted}
    without = found.get(None, 0)
    if without > sum(found.values()) / 2:
        raise SourceError(
            f"{without} of {sum(found.values())} rows of window {window.key} have no version; log which version scored each row",
            source=str(spec.source.predictions),
            column=spec.columns.version,
        )
    return {str(version): rows for version, rows in found.items()}


def serving_version(store: Store, spec: ModelSpec, counts: dict[str, int]) -> Version:
    """Return the version that scored most rows (ties: the smaller name), or the champion where there are none."""
    if counts:
        name = min(counts, key=lambda version: (-counts[version], version))
        known = store.version(spec.model, name)
        if known is None:
            names = ", ".join(v.version for v in store.versions(spec.model)) or "none"
            raise ChampionNotFound(
                f"most rows of {spec.model} were scored by version {name!r}, which vigil does not know (known: {names}); "
                f"register it, or for a first version run `vigil adopt {spec.model}`"
            )
        return known
    champion = store.champion(spec.model)
    known = store.version(spec.model, champion.version) if champion is not None else None
    if known is None:
        raise ChampionNotFound(f"{spec.model} has no champion yet; run `vigil adopt {spec.model}`")
    return known


def evaluation_of(look: Look, *, quality_passed: bool) -> Evaluation:
    """Return the record that the store keeps of a look."""
    return Evaluation(
        evaluation_id=look.evaluation_id,
        model=look.model,
        window=look.window,
        version=look.version,
        as_of=look.as_of,
        spec_hash=look.spec_hash,
        data_digest=look.data_digest,
        labels_digest=look.labels_digest,
        rows=look.rows,
        labels=look.labels,
        quality_passed=quality_passed,
        code_version=__version__,
    )
