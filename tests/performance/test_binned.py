"""Columns cut into bins: what trees could have told apart they still can."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.performance.binned import binned


def cut(values: list[float], bins: int) -> list[float]:
    return binned(np.array(values, dtype=np.float64)[:, None], [False], bins).ravel().tolist()


def test_few_values_have_a_bin_each_however_rare_they_are() -> None:
    assert cut([1.0] * 997 + [-3.0, 0.0, 2.0], 4) == [2.0] * 997 + [0.0, 1.0, 3.0]


def test_a_value_of_most_rows_shares_its_bin_with_no_other() -> None:
    """Ten values, four bins: below, at and above the one that all quantiles are."""
    assert cut([*range(4), *[4.0] * 90, *range(5, 10)], 4) == [0.0] * 4 + [1.0] * 90 + [2.0] * 5


@pytest.mark.parametrize("bins", [2, 3, 32, 255])
@pytest.mark.parametrize("kind", ["normal", "whole", "lognormal", "atoms"])
def test_there_are_no_more_bins_than_asked_for_and_they_keep_the_order(kind: str, bins: int) -> None:
    rng = np.random.default_rng(0)
    drawn = {"normal": rng.normal(size=3000), "whole": rng.poisson(40, 3000).astype(float), "lognormal": rng.lognormal(0, 9, 3000)}
    drawn["atoms"] = np.where(rng.random(3000) < 0.6, rng.integers(0, 3, 3000), drawn["normal"])
    found = np.array(cut(drawn[kind].tolist(), bins))
    assert len(np.unique(found)) <= bins
    assert np.all(np.diff(found[np.argsort(drawn[kind], kind="stable")]) >= 0)


def test_what_is_missing_stays_missing_and_infinities_are_the_outermost() -> None:
    values = [np.nan, -np.inf, *np.arange(100.0), np.inf, np.nan]
    found = cut(values, 10)
    assert np.isnan([found[0], found[-1]]).all()
    assert found[1] == 0.0
    assert found[-2] == np.nanmax(found)
    assert np.isnan(cut([np.nan, np.nan], 10)).all()


def test_codes_stay() -> None:
    assert binned(np.array([[40.0], [3.0]]), [True], 2).ravel().tolist() == [40.0, 3.0]
