"""The numbers in the docstrings are computed."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from vigil.business import value
from vigil.labels import allocation, request
from vigil.performance import calibration, cores, intervals, label_free, maturity, metrics


@pytest.mark.parametrize(
    "module", [cores, intervals, metrics, calibration, label_free, maturity, allocation, request, value], ids=lambda module: module.__name__
)
def test_examples_in_docstrings_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
