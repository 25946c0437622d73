"""The simulation of alerts runs, and is the same for the same seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.alerts import APART, SPAN, WARM_UP, measured, planted, table
from vigil.alerts.cause import Cause


def test_a_small_fleet_is_measured() -> None:
    figures = measured(models=2, days=WARM_UP + SPAN + 6, seed=3)
    assert figures["faults"] >= 1
    assert 0 <= figures["one_incident"] <= 1
    assert figures["every_messages"] > figures["messages"]  # the baseline is told of every breach
    assert {row[2] for row in table(figures).values()} >= {">= 95 %", "< 4", "< 1", ">= 80 %"}


def test_faults_are_of_all_kinds_and_never_near_each_other_in_a_model() -> None:
    names = [f"m{number}" for number in range(30)]
    faults = planted(names, 90, np.random.default_rng(1))
    assert {fault.kind for fault in faults} == set(Cause)
    assert faults == planted(names, 90, np.random.default_rng(1))
    for name in names:
        starts = sorted(fault.start for fault in faults if name in fault.models)
        assert all(later - earlier >= APART - SPAN for earlier, later in pairwise(starts))
