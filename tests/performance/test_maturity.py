"""Are enough of the expected labels here? Until then nothing is decided by what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.performance.test_measure import by_key, labelled, make_spec
from vigil.measurement import WHOLE, Verdict
from vigil.performance.maturity import Maturity
from vigil.performance.measure import measure_performance

NEEDED = make_spec(labels={"maturity": 0.8})


def of(rows: int, labels: int, chance: float) -> Maturity:
    """Labels drawn with one probability."""
    return Maturity(rows, labels, labels / chance, labels * (1 - chance) / chance**2)


@pytest.mark.parametrize(
    ("found", "value"),
    [(of(1000, 1000, 1.0), 1.0), (of(1000, 200, 0.2), 1.0), (of(1000, 100, 0.2), 0.5), (of(1000, 210, 0.2), 1.0), (of(10, 0, 1.0), 0.0)],
)
def test_a_whole_sample_is_mature_however_small(found: Maturity, value: float) -> None:
    assert found.value == value


def test_the_interval_is_that_of_a_count() -> None:
    """100 labels at 1 in 5: 500 of 1,000 rows, give or take 1.96 sqrt(100 * .8 / .04) = 87.65."""
    assert of(1000, 100, 0.2).interval(0.95) == pytest.approx((0.5 - 0.08765, 0.5 + 0.08765), abs=1e-5)


def test_the_interval_holds_the_share_that_is_here() -> None:
    """2,000 windows of 1,000 rows, a fifth chosen, six of ten chosen ones here: between 93 and 97 %."""
    here = np.random.default_rng(3).binomial(1000, 0.2 * 0.6, 2000)
    ends = [of(1000, int(n), 0.2).interval(0.95) for n in here]
    # the interval is for this window's own labels as a sample of its rows, hence a little wide: p is 0.12, not 0.2
    assert 0.93 <= np.mean([low <= 0.6 <= high for low, high in ends]) <= 0.97


@pytest.mark.parametrize(("labels", "immature"), [(200, False), (140, False), (100, True), (0, True)])
def test_chance_alone_makes_no_window_immature(labels: int, immature: bool) -> None:
    """70 % of what is expected may be 80 %, the interval's high end being 80.4 %; 50 % may not."""
    assert of(1000, labels, 0.2).immature(NEEDED) is immature
    assert of(1000, labels, 0.2).immature(make_spec()) is False


def test_an_immature_window_is_not_judged_but_says_what_its_labels_say() -> None:
    """The breach of the mature window is provisional in the immature one."""
    rows = labelled()
    mature, early = (measure_performance(rows, NEEDED, version="7", baseline=0.99, maturity=of(1000, n, 1.0)) for n in (1000, 500))
    sound, found = by_key(mature)["roc_auc", WHOLE], by_key(early)["roc_auc", WHOLE]
    assert sound.verdict is Verdict.BREACH
    assert (found.value, found.low, found.verdict) == (None, None, Verdict.NOT_ENOUGH_DATA)
    assert found.detail["provisional"] == {"value": sound.value, "low": sound.low, "high": sound.high}
    assert found.detail["maturity"] == 0.5
    said = by_key(early)["label_maturity", WHOLE]
    assert (said.value, said.threshold, said.verdict) == (0.5, 0.8, Verdict.WARNING)


def test_no_rows_have_no_maturity() -> None:
    measured = Maturity(0, 0, 0.0, 0.0).measurement(NEEDED, "1")
    assert (measured.value, measured.verdict) == (None, Verdict.NOT_ENOUGH_DATA)
