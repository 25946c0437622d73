"""References beside training: earlier windows, as sums of the profiles that are stored of them. No raw row is read.

Differs from :mod:`vigil.profile.reference`, which makes the training reference that decides. Comparisons made here are shown only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vigil.drift.measure import measure_drift
from vigil.evaluation.look import Look
from vigil.measurement import WHOLE, Measurement, Verdict
from vigil.profile.layout import Layout
from vigil.profile.profile import Profile, profile_sum
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Version
from vigil.window import Window

PREVIOUS, ROLLING, SAME_SEASON = "previous", "rolling", "same_season"
_DAYS_OF_A_YEAR = 364  # 52 weeks, so that weekdays meet weekdays


@dataclass(frozen=True)
class Missing:
    """Why a reference cannot be summed."""

    because: str


def reference_windows(spec: ModelSpec, window: Window) -> dict[str, tuple[Window, ...]]:
    """Return the windows that each reference of the specification is the sum of, latest first; pure.

    ``same_season`` of windows of a day is the same weekday of earlier weeks. Of longer ones it is the window nearest to 52
    weeks earlier, and 104, and so on: of weeks the same week of the year, of 30 days the 12th window before.
    """
    wanted = spec.drift.references
    found: dict[str, tuple[Window, ...]] = {}
    if wanted.previous:
        found[PREVIOUS] = (window.shifted(-1),)
    if wanted.rolling_windows is not None:
        found[ROLLING] = tuple(window.shifted(-back) for back in range(1, wanted.rolling_windows + 1))
    if wanted.same_season is not None:
        steps = [
            7 * k if spec.window.days == 1 else max(round(_DAYS_OF_A_YEAR * k / spec.window.days), k) for k in _from_one(wanted.same_season)
        ]
        found[SAME_SEASON] = tuple(window.shifted(-back) for back in steps)
    return found


def drift_from_earlier(
    store: Store, spec: ModelSpec, look: Look, version: Version, current: Profile, training: Profile
) -> tuple[Measurement, ...]:
    """Compare the look's profile with each reference of the specification that is made of earlier windows.

    Every measurement of :func:`vigil.drift.measure.measure_drift` comes with the reference's name and without a threshold: its
    verdict is ``ok``, its detail says what the verdict ``would_be``. Where a window's profile is not stored, all are
    ``not_enough_data`` and say which window lacks and why. The windows summed stand in the detail of ``drift_share``.
    """
    layout = Layout.from_json(version.layout)
    measured: list[Measurement] = []
    for name, windows in reference_windows(spec, look.window).items():
        reference = stored_sum(store, look, windows, layout)
        other = Profile.empty(layout) if isinstance(reference, Missing) else reference
        found = measure_drift(
            current, other, spec, importance=version.importance, version=look.version, reference_name=name, choose_by=training
        )
        summed = {"windows": [window.key for window in windows]}
        measured += [_shown(m, reference, summed if m.subject == WHOLE else {}) for m in found]
    return tuple(measured)


def stored_sum(store: Store, look: Look, windows: tuple[Window, ...], layout: Layout) -> Profile | Missing:
    """Return the sum of the windows' stored profiles, of the looked-at version's rows; all of them, or what is missing.

    Of each window the latest look up to this one's moment counts, so that the same look finds the same profiles again.
    """
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    looks = {seen.window: seen for seen in store.evaluations(look.model, start=start, end=end, as_of=look.as_of)}
    digests = {window: looks[window].data_digest for window in windows if window in looks}
    bodies = store.profiles_over(look.model, digests, layout.digest, version=look.version, segment=WHOLE)
    for window in windows:
        if window not in looks:
            return Missing(f"window {window.key} was not looked at by then")
        if window not in bodies:
            return Missing(_absent(window, store.profiles(look.model, window, digests[window], layout.digest), look))
    return profile_sum(bodies[window] for window in windows)


def _absent(window: Window, stored: Mapping[tuple[str, str], str], look: Look) -> str:
    if stored:
        return f"version {look.version} scored no row of window {window.key}"
    return f"window {window.key} has no profile in this layout: its data failed a critical expectation, or another version served"


def _shown(measurement: Measurement, reference: Profile | Missing, summed: Mapping[str, list[str]]) -> Measurement:
    if isinstance(reference, Missing):
        detail = {"because": reference.because, **summed}
        return replace(measurement, value=None, verdict=Verdict.NOT_ENOUGH_DATA, threshold=None, detail=detail)
    if measurement.threshold is None or measurement.value is None:
        return replace(measurement, threshold=None, detail={**measurement.detail, **summed})
    would_be = {"threshold": measurement.threshold, "would_be": measurement.verdict.value}
    return replace(measurement, threshold=None, verdict=Verdict.OK, detail={**measurement.detail, **would_be, **summed})


def _from_one(last: int) -> range:
    return range(1, last + 1)
