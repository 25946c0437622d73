"""What is shown beside a drift statistic and never judged: missing and unseen values, mean, percentiles, spread, shares of the score.

Differs from :mod:`.measure`, whose statistics have a threshold and a verdict. Each has a smallest number of rows, below which it is
``not_enough_data``; where bins leave an error it stands in the detail as ``binning_error``.
"""

from __future__ import annotations

import math

from vigil.drift.evidence import correlation_change_p
from vigil.drift.quantities import Bounded, finite, mean_entropy, percentile, percentile_shift, share_from, variance_ratio
from vigil.measurement import Layer, Measurement, Verdict
from vigil.profile.profile import CategoricalSummary, NumericSummary, PairSummary, Profile
from vigil.spec.model import ModelSpec, Task

PERCENTILES = (0.05, 0.5, 0.95)
ROWS_BEYOND = 5  # rows expected on the thinner side of a percentile; Cochran's rule for expected counts, doi:10.2307/3001616
FEWEST_ROWS = 30  # of a variance or a share; convention (where the normal approximation begins to hold)
POSITIVE_FROM = 0.5  # a score from here on says positive, as in accuracy
CONFIDENT_FROM = 0.9  # a score from here on, or under one minus it, is confident; convention


def shown_beside(current: Profile, reference: Profile, spec: ModelSpec) -> list[Measurement]:
    """Return, without version and reference, of every column that both profiles have:

    - ``null_share`` and, of categories, ``unseen_share``: shares of the window's rows.
    - of numbers the signed ``mean_shift``, ``p5_shift``, ``p50_shift`` and ``p95_shift`` in reference standard deviations, and
      ``variance_ratio`` (window over reference; 1 is no change). The score is one: how predictions spread is a canary of business.
    - of a binary model's score ``positive_share`` (score at least :data:`POSITIVE_FROM`) and ``high_confidence_rate`` (score at
      least :data:`CONFIDENT_FROM`, or below one minus it), and ``score_entropy`` (how unsure the scores are, in bits), with the reference's
      in the detail: proxies of performance that need no label, and do not see whether the scores are right.
    - of the pairs of ``spec.drift.correlations`` the signed ``correlation_change``, window less reference, with both and the p-value of
      their difference in the detail (Fisher's transformation); the subject names both features.
    """
    shown: list[Measurement] = []
    for name in (*spec.features, spec.columns.score):
        now, then = current.column(name), reference.column(name)
        if now is None or then is None:
            continue
        shown.append(_share("null_share", name, now.missing, now.n + now.missing, then.missing, then.n + then.missing))
        if isinstance(now, CategoricalSummary) and isinstance(then, CategoricalSummary):
            shown.append(_share("unseen_share", name, now.unseen, now.n, then.unseen, then.n))
        if isinstance(now, NumericSummary) and isinstance(then, NumericSummary):
            shown += [_mean_shift(name, now, then), *(_shift(name, share, now, then) for share in PERCENTILES), _spread(name, now, then)]
    score = spec.columns.score
    if spec.task is Task.BINARY and score in current.numeric and score in reference.numeric:
        sides = current.numeric[score], reference.numeric[score]
        shown += [
            _of_score("positive_share", score, *map(_positive, sides)),
            _of_score("high_confidence_rate", score, *map(_confident, sides)),
            _of_score("score_entropy", score, *map(_unsure, sides)),
        ]
    return shown + [
        _correlation(" ~ ".join(pair), current.pairs[pair], then) for pair, then in reference.pairs.items() if pair in current.pairs
    ]


def rows_for(share: float) -> int:
    """The fewest rows that a percentile is shown of: :data:`ROWS_BEYOND` of them are expected on its thinner side.

    >>> [rows_for(share) for share in PERCENTILES]
    [100, 10, 100]
    """
    return math.ceil(round(ROWS_BEYOND / min(share, 1 - share), 6))


def _share(metric: str, name: str, part: int, n: int, reference_part: int, reference_n: int) -> Measurement:
    detail = {"reference": reference_part / reference_n if reference_n else None}
    if n == 0:
        return Measurement(Layer.DRIFT, metric, None, Verdict.NOT_ENOUGH_DATA, 0, subject=name, detail=detail)
    return Measurement(Layer.DRIFT, metric, part / n, Verdict.OK, n, subject=name, detail=detail)


def _mean_shift(name: str, now: NumericSummary, then: NumericSummary) -> Measurement:
    detail = {"mean": now.mean, "reference_mean": then.mean, "reference_std": then.std}
    if now.mean is None or then.mean is None or not then.std:  # a reference without spread has no unit
        return Measurement(Layer.DRIFT, "mean_shift", None, Verdict.NOT_ENOUGH_DATA, now.n, subject=name, detail=detail)
    return Measurement(Layer.DRIFT, "mean_shift", finite((now.mean - then.mean) / then.std), Verdict.OK, now.n, subject=name, detail=detail)


def _shift(name: str, share: float, now: NumericSummary, then: NumericSummary) -> Measurement:
    metric, needed = f"p{round(100 * share)}_shift", rows_for(share)
    ours, theirs = _percentile(now, share), _percentile(then, share)
    if ours is None or theirs is None or min(now.n, then.n) < needed or not then.std:
        return _too_few(metric, name, now.n, needed)
    found = percentile_shift(ours, theirs, then.std)
    detail = {"percentile": ours.value, "reference_percentile": theirs.value, "binning_error": found.error}
    return Measurement(Layer.DRIFT, metric, found.value, Verdict.OK, now.n, subject=name, detail=detail)


def _percentile(side: NumericSummary, share: float) -> Bounded | None:
    if side.minimum is None or side.maximum is None:
        return None
    return percentile(side.counts, side.edges, share, low=side.minimum, high=side.maximum)


def _spread(name: str, now: NumericSummary, then: NumericSummary) -> Measurement:
    if now.std is None or not then.std or min(now.n, then.n) < FEWEST_ROWS:
        return _too_few("variance_ratio", name, now.n, FEWEST_ROWS)
    detail = {"std": now.std, "reference_std": then.std}
    return Measurement(Layer.DRIFT, "variance_ratio", variance_ratio(now.std, then.std), Verdict.OK, now.n, subject=name, detail=detail)


def _correlation(name: str, now: PairSummary, then: PairSummary) -> Measurement:
    ours, theirs = now.correlation, then.correlation
    if ours is None or theirs is None or min(now.n, then.n) < FEWEST_ROWS:
        return _too_few("correlation_change", name, now.n, FEWEST_ROWS)
    detail = {"correlation": ours, "reference_correlation": theirs, "p_value": correlation_change_p(theirs, then.n, ours, now.n)}
    return Measurement(Layer.DRIFT, "correlation_change", ours - theirs, Verdict.OK, now.n, subject=name, detail=detail)


def _positive(side: NumericSummary) -> tuple[int, Bounded | None]:
    return side.n, _from(side, POSITIVE_FROM)


def _confident(side: NumericSummary) -> tuple[int, Bounded | None]:
    above, doubted = _from(side, CONFIDENT_FROM), _from(side, 1 - CONFIDENT_FROM)
    if above is None or doubted is None:
        return side.n, None
    return side.n, Bounded(min(above.value + 1 - doubted.value, 1.0), above.error + doubted.error)


def _unsure(side: NumericSummary) -> tuple[int, Bounded | None]:
    if side.n < FEWEST_ROWS or side.minimum is None or side.maximum is None:
        return side.n, None
    return side.n, mean_entropy(side.counts, side.edges, low=side.minimum, high=side.maximum)


def _from(side: NumericSummary, point: float) -> Bounded | None:
    if side.n < FEWEST_ROWS or side.minimum is None or side.maximum is None:
        return None
    return share_from(side.counts, side.edges, point, low=side.minimum, high=side.maximum)


def _of_score(metric: str, score: str, now: tuple[int, Bounded | None], then: tuple[int, Bounded | None]) -> Measurement:
    (n, found), (_, reference) = now, then
    if found is None:
        return _too_few(metric, score, n, FEWEST_ROWS)
    detail = {
        "binning_error": found.error,
        "reference": None if reference is None else reference.value,
        "reference_binning_error": None if reference is None else reference.error,
    }
    return Measurement(Layer.DRIFT, metric, found.value, Verdict.OK, n, subject=score, detail=detail)


def _too_few(metric: str, name: str, n: int, needed: int) -> Measurement:
    detail = {"because": f"needs {needed} rows with a value on both sides, and a reference with spread"}
    return Measurement(Layer.DRIFT, metric, None, Verdict.NOT_ENOUGH_DATA, n, subject=name, detail=detail)
