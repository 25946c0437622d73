"""Which trends are worth telling: towards a limit that is near, or far without one; nothing that an incident tells already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.alerts.build import a_look, a_spec, latency, psi, rows
from vigil.alerts.creeping import Creep, creeping
from vigil.measurement import Measurement


def of_days(days: Sequence[Measurement | Sequence[Measurement]], **changes: Any) -> tuple[Creep, ...]:
    spec = a_spec(**changes)
    return creeping([a_look(day, [m] if isinstance(m, Measurement) else m, spec) for day, m in enumerate(days)], spec)


def test_what_creeps_towards_its_limit_is_told_with_when_it_is_there() -> None:
    """One a day from 100: the median of the last seven of 70 is 166, so that 200 is 34 days away."""
    (creep,) = of_days([latency(100.0 + day) for day in range(70)])
    assert (creep.signal.metric, creep.level, creep.limit, creep.n) == ("latency_p95_ms", 166.0, 200.0, 70)
    assert creep.reached is not None
    assert (creep.per_week, creep.reached / timedelta(days=1)) == pytest.approx((7.0, 34.0))


@pytest.mark.parametrize(
    ("start", "slope"),
    [
        (190.0, -1.0),  # away from its limit
        (100.0, 0.1),  # 93 are left: 930 days
        (150.0, 1.0),  # beyond it since three weeks: an incident
        (100.0, 0.0),
    ],
)
def test_other_trends_are_no_news(start: float, slope: float) -> None:
    assert of_days([latency(start + slope * day) for day in range(70)]) == ()


@pytest.mark.parametrize(("slope", "told"), [(-5.0, True), (-2.0, False)])
def test_without_a_limit_it_is_told_where_it_has_moved_by_a_fifth(slope: float, told: bool) -> None:
    """Of 1000 rows: by 350 in 70 days, or by 140 of about 930."""
    found = of_days([rows(1000 + slope * day) for day in range(70)])
    assert [(creep.signal.metric, creep.limit, creep.reached) for creep in found] == [("rows", None, None)] * told


def test_what_is_never_alerted_has_no_trend_either() -> None:
    silent = {"rules": [{"layer": "system", "metric": "latency_*", "tier": None}]}
    assert of_days([latency(100.0 + day) for day in range(70)], alerts=silent) == ()


def test_a_rules_own_limit_is_the_limit() -> None:
    low = {"rules": [{"layer": "system", "metric": "rows", "tier": "P1", "below": 500}]}
    (creep,) = of_days([rows(1000 - 5 * day) for day in range(70)], alerts=low)
    assert creep.limit == 500


def test_a_declared_event_is_left_out() -> None:
    """It holds the latter half, in which alone something rises."""
    span = {"maintenance": [{"name": "move", "start": "2024-02-05", "end": "2024-03-11"}]}
    assert of_days([latency(100.0 + max(day - 35, 0)) for day in range(70)], alerts=span) == ()


def test_a_model_without_looks_has_none() -> None:
    assert creeping([], a_spec()) == ()


def test_where_nothing_moves_hardly_any_model_has_one() -> None:
    """10 features of noise near their limit in each of 30 models: at 1 % of models, 3 or more come with a probability of 0.003."""
    rng = np.random.default_rng(5)
    models = [[[psi(f"f{k}", rng.uniform(0.1, 0.2)) for k in range(10)] for _ in range(60)] for _ in range(30)]
    assert sum(bool(of_days(days)) for days in models) <= 2
