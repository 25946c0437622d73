"""Metrics of the project's own: found by name, called with vectors, given an interval by leaving groups of rows out.

Differs from :mod:`vigil.performance.metrics`, whose variances are in closed form: of an unknown function nothing is known but its values.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from vigil.errors import MetricFailed
from vigil.performance.cores import Vector
from vigil.performance.intervals import quantile
from vigil.performance.metrics import Estimate
from vigil.spec.model import OwnMetric

OwnFunction = Callable[[Vector, Vector, Vector], float]

GROUP = "vigil.metrics"  # the entry points' group
SEED = 0  # of the groups
GROUPS = 50  # left out in turn, at most; t with 49 degrees of freedom is 2.5 % above the normal's


def own_functions(metrics: Mapping[str, OwnMetric]) -> dict[str, OwnFunction]:
    """Import each metric's function: ``module:function``, or the name of an entry point of the group ``vigil.metrics``.

    Raises:
        MetricFailed: there is none of that name, or it is not callable.
    """
    return {name: _function(name, metric.function) for name, metric in metrics.items()}


def own_estimate(name: str, function: OwnFunction, score: Vector, label: Vector, weight: Vector, *, confidence: float = 0.95) -> Estimate:
    """Return the function's value with the interval of the delete-a-group jackknife, the same in any order of the rows.

    Rows are dealt by a fixed seed to G = min(50, n) groups (in order they would be too alike); ``V = (G-1)/G * sum((value_g - mean)^2)``
    with ``value_g`` the value without group g, and Student's t with G - 1 degrees of freedom (Kott 2001, J. Official Statistics 17:521).
    For smooth functions of weighted sums; not for a median or a maximum.

    Raises:
        MetricFailed: the function raised, or returned what is no finite number.
    """
    order = np.lexsort((weight, label, score))
    s, y, w = score[order], label[order], weight[order]
    groups = min(GROUPS, len(s))
    group = np.random.default_rng(SEED).permutation(len(s)) % groups
    value = _called(name, function, s, y, w)
    without = [_called(name, function, s[kept], y[kept], w[kept]) for kept in (group != left_out for left_out in range(groups))]
    spread = np.asarray(without) - np.mean(without)
    half = quantile(confidence, groups - 1) * math.sqrt((groups - 1) / groups * float(np.sum(spread**2)))
    return Estimate(value, value - half, value + half)


def _function(name: str, place: str) -> OwnFunction:
    found: Any
    try:
        if ":" in place:
            module, _, attribute = place.partition(":")
            found = getattr(importlib.import_module(module), attribute)
        else:
            found = entry_points(group=GROUP)[place].load()
    except (ImportError, AttributeError, KeyError) as error:
        raise MetricFailed(
            f"performance.own_metrics.{name}: no function {place!r} ({error}); give module:function of the project's folder or of an "
            f"installed package, or an entry point of the group {GROUP}"
        ) from error
    if not callable(found):
        raise MetricFailed(f"performance.own_metrics.{name}: {place!r} is not a function but {type(found).__name__}")
    function: OwnFunction = found
    return function


def _called(name: str, function: OwnFunction, score: Vector, label: Vector, weight: Vector) -> float:
    try:
        value = float(function(score.copy(), label.copy(), weight.copy()))
    except Exception as error:
        raise MetricFailed(f"performance.own_metrics.{name} raised {type(error).__name__} on {len(score)} rows: {error}") from error
    if not math.isfinite(value):
        raise MetricFailed(f"performance.own_metrics.{name} returned {value} on {len(score)} rows; return a finite number")
    return value
