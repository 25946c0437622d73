"""The numbers in the docstrings are those that are computed."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "drift.statistics",
        "drift.evidence",
        "drift.multiplicity",
        "drift.verdict",
        "drift.quantities",
        "drift.choice",
        "drift.shown",
        "drift.false_alarms",
        "drift.multivariate",
        "profile.layout",
    ],
)
def test_docstrings_compute_what_they_show(module: str) -> None:
    """Every example of every statistic."""
    failed, tried = doctest.testmod(importlib.import_module(f"vigil.{module}"))
    assert (failed, tried > 0) == (0, True)
