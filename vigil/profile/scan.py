"""The scan: profiles of some rows, by version and segment, from one pass over them.

The rows stay in their engine or stream through this process; only counts are kept. Differs from :mod:`.counting` and
:mod:`.streaming` (how rows are counted) and from :mod:`.layout` (where), whose quantiles need a sort.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import ibis

from vigil.measurement import WHOLE
from vigil.profile.columns import columns_to_profile, engine_of
from vigil.profile.counting import count_by_query
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile
from vigil.profile.streaming import count_by_stream
from vigil.spec.model import ModelSpec

NULL_SEGMENT = "(null)"


def profile_rows(rows: ibis.Table, spec: ModelSpec, layout: Layout) -> dict[tuple[str, str], Profile]:
    """Profile ``rows`` by version and segment.

    Returns:
        ``(version, segment) -> Profile``: version ``*`` is all versions, segment ``*`` all segments, else ``column=value``.
        ``("*", "*")`` is always there, with 0 rows where there are none. Rows without a version count in ``*`` only.
        Segment values beyond the layout's counted categories are together ``column=(other)``, nulls ``column=(null)``.

    Raises:
        SourceError: a feature's column is missing or cannot be profiled as the spec says.
    """
    numeric, categorical = columns_to_profile(rows, spec)
    empty = Profile.empty(layout)
    nothing = replace(
        empty,
        numeric={name: empty.numeric[name] for name in numeric if name in layout.numeric},
        categorical={name: empty.categorical[name] for name in categorical if name in layout.categorical},
    )
    nothing = replace(nothing, pairs={pair: sums for pair, sums in empty.pairs.items() if nothing.numeric.keys() >= set(pair)})
    found: dict[tuple[str, str], Profile] = {(WHOLE, WHOLE): nothing}
    segments: list[str | None] = list(spec.segments) if spec.segments else [None]
    count = count_by_stream if engine_of(rows) == "duckdb" else count_by_query
    for index, (segment, groups) in enumerate(zip(segments, count(rows, spec, nothing, layout), strict=True)):
        for (version, value), profile in sorted(groups.items(), key=lambda item: repr(item[0])):
            for key in _keys(version, segment, value, whole=index == 0):
                found[key] = found[key] + profile if key in found else profile
    return found


def _keys(version: str | None, segment: str | None, value: str | None, *, whole: bool) -> Iterable[tuple[str, str]]:
    versions = (WHOLE,) if version is None else (WHOLE, version)
    segments = [WHOLE] if whole else []
    if segment is not None:
        segments.append(f"{segment}={NULL_SEGMENT if value is None else value}")
    return ((v, s) for v in versions for s in segments)
