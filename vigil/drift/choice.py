"""Which statistic compares a column: the one that the specification names, or for ``auto`` one that fits the column.

Differs from :mod:`.measure`, which computes it. Only the training reference is looked at, which stays as it is from window to
window, so a column's method does too and its history is of one statistic.
"""

from __future__ import annotations

from vigil.profile.profile import NumericSummary, Profile
from vigil.spec.model import DriftMethod, FeatureType, ModelSpec

FEW_ROWS = 1_000  # up to here a distance's own noise is large: Evidently's rule for its defaults, see `chosen`
FEW_VALUES = 5  # a number with no more distinct values is compared as categories: the same rule


def method_for(name: str, spec: ModelSpec, training: Profile) -> DriftMethod:
    """Return the method of a feature, or of the score (which is no feature, and is compared as numbers are)."""
    feature = spec.features.get(name)
    named = spec.drift.numeric if feature is None else spec.drift.method_of(feature)
    if named is not DriftMethod.AUTO:
        return named
    column = training.column(name)
    rows = 0 if column is None else column.n
    if isinstance(column, NumericSummary):
        values = sum(count > 0 for count in column.counts)  # a value that holds a bin's worth of rows has a bin of its own
        return chosen(numeric=True, values=values, rows=rows)
    numeric = feature is None or feature.type is FeatureType.NUMERIC
    return chosen(numeric=numeric, values=FEW_VALUES + 1, rows=rows)


def threshold_for(name: str, spec: ModelSpec, method: DriftMethod) -> float:
    """Return the feature's own threshold, or the drift section's for the method."""
    feature = spec.features.get(name)
    return float(getattr(spec.drift, method.value)) if feature is None else spec.drift.threshold_of(feature, method)


def chosen(*, numeric: bool, values: int, rows: int) -> DriftMethod:
    """Choose by type, distinct values and rows of the reference.

    Up to :data:`FEW_ROWS` rows the size of a test's statistic, beyond it a distance: of numbers ``ks`` and ``wasserstein``, of
    categories ``chi_square`` and ``jensen_shannon``. Numbers with up to :data:`FEW_VALUES` values have ``jensen_shannon``. Source: the
    defaults of Evidently (https://docs-old.evidentlyai.com/reference/data-drift-algorithm), which differ in that few numbers in few
    rows have chi-square there, and two categories a test of proportions.

    >>> [chosen(numeric=True, values=20, rows=rows).value for rows in (1_000, 1_001)]
    ['ks', 'wasserstein']
    >>> [chosen(numeric=False, values=2, rows=rows).value for rows in (1_000, 1_001)]
    ['chi_square', 'jensen_shannon']
    """
    if numeric and values > FEW_VALUES:
        return DriftMethod.KS if rows <= FEW_ROWS else DriftMethod.WASSERSTEIN
    return DriftMethod.CHI_SQUARE if rows <= FEW_ROWS and not numeric else DriftMethod.JENSEN_SHANNON
