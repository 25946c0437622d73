"""Champion against challenger: values, interval, verdict, and how often chance alone promotes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.challenger.build import spec_of
from vigil.challenger.compare import Comparison, compare
from vigil.performance import cores
from vigil.performance.resampled import _aucs as aucs

N = 400


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def labels(n: int = N, seed: int = 1) -> np.ndarray:
    return (rng(seed).random(n) < 0.4).astype(float)


def noisy(label: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Scores that follow the label the less the more noise they have."""
    return 1 / (1 + np.exp(-(2 * label - 1 + noise * rng(seed).normal(size=len(label)))))


# values -------------------------------------------------------------------------------------------------------------
def test_the_values_are_those_of_the_metric() -> None:
    """Pairs (positive, negative) in order: champion 3 of 4, challenger 4 of 4, each row ten times."""
    label, champion, challenger = [0, 0, 1, 1] * 10, [0.1, 0.4, 0.35, 0.8] * 10, [0.1, 0.2, 0.6, 0.8] * 10
    found = compare(champion, challenger, label, None, spec_of(), rng())
    assert (found.metric, found.champion, found.challenger, found.difference, found.n) == ("roc_auc", 0.75, 1.0, 0.25, 40)


def test_the_difference_of_a_loss_is_positive_where_the_challenger_loses_less() -> None:
    """Brier: the champion's 0.5 costs 0.25 a row, the challenger's 0.9 for what happens 0.01."""
    label = np.array([0.0, 1.0] * 20)
    found = compare(np.full(40, 0.5), np.where(label == 1, 0.9, 0.1), label, None, spec_of(comparison={"metric": "brier"}), rng())
    assert (found.champion, found.challenger) == (0.25, pytest.approx(0.01))
    assert (found.difference, found.low, found.high) == pytest.approx((0.24, 0.24, 0.24))
    assert found.verdict == "promote"


def test_a_regression_is_compared_on_its_loss() -> None:
    """Root mean squared errors 2 and 1; the same in every resample."""
    spec = spec_of(task="regression", performance={"metric": "rmse", "tolerated_loss": 1.0})
    label = np.arange(30.0)
    found = compare(label + 2, label - 1, label, None, spec, rng())
    assert (found.champion, found.challenger, found.difference, found.low, found.high) == pytest.approx((2.0, 1.0, 1.0, 1.0, 1.0))


def test_a_whole_weight_counts_a_row_that_often() -> None:
    """Hajek's estimate: rows of weight 1, 2 and 3 are as rows once, twice and thrice."""
    label, weight = labels(60), np.resize([1, 2, 3], 60)
    old, new = noisy(label, 3, 2), noisy(label, 1, 3)
    weighted = compare(old, new, label, weight, spec_of(), rng())
    repeated = compare(old.repeat(weight), new.repeat(weight), label.repeat(weight), None, spec_of(), rng())
    assert (weighted.champion, weighted.challenger) == pytest.approx((repeated.champion, repeated.challenger))
    assert weighted.n == 60


# interval -----------------------------------------------------------------------------------------------------------
def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    """Both see the same resamples, so every difference is exactly 0: the pairing."""
    label = labels()
    found = compare(noisy(label, 2, 2), noisy(label, 2, 2), label, None, spec_of(), rng())
    assert (found.difference, found.low, found.high, found.verdict) == (0.0, 0.0, 0.0, "keep")


def test_the_same_rows_in_another_order_give_the_same_comparison() -> None:
    """To the last bit: rows are put in one order before anything is drawn."""
    label, weight = labels(), rng(4).choice([1.0, 5.0], N)
    old, new = noisy(label, 2, 2), noisy(label, 1.5, 3)
    order = rng(5).permutation(N)
    there = compare(old, new, label, weight, spec_of(), rng())
    assert compare(old[order], new[order], label[order], weight[order], spec_of(), rng()) == there


def test_exchanging_the_models_turns_the_interval_round() -> None:
    """Differences change their sign; low and high change places, up to the resamples that differ by the order of rows."""
    label = labels()
    old, new = noisy(label, 2, 2), noisy(label, 1.5, 3)
    there, back = (compare(*pair, label, None, spec_of(comparison={"resamples": 4000}), rng()) for pair in ((old, new), (new, old)))
    assert there.difference == -back.difference  # type: ignore[operator]
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=0.01)  # type: ignore[operator]


def test_the_interval_agrees_with_scipys_paired_bootstrap() -> None:
    """Brier differences per row, percentile method; each end is a quantile of 4,000 resamples, good to some 5 % of the width."""
    label = labels()
    old, new = noisy(label, 2, 2), noisy(label, 1.5, 3)
    found = compare(old, new, label, None, spec_of(comparison={"metric": "brier", "resamples": 4000}), rng(6))
    gains = (old - label) ** 2 - (new - label) ** 2
    theirs = stats.bootstrap((gains,), np.mean, n_resamples=4000, method="percentile", rng=rng(7)).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.06 * (theirs.high - theirs.low))


def test_the_interval_of_an_auc_agrees_with_delongs() -> None:
    """DeLong, DeLong & Clarke-Pearson 1988: the variance of the difference of two placements' means, positives and negatives apart."""
    label = labels(1000)
    old, new = noisy(label, 2, 2), noisy(label, 1.5, 3)
    found = compare(old, new, label, None, spec_of(comparison={"resamples": 4000}), rng(6))
    parts = [
        np.subtract(*pair)
        for pair in zip(cores.placements(new, label, np.ones(1000)), cores.placements(old, label, np.ones(1000)), strict=True)
    ]
    error = np.sqrt(sum(np.var(part, ddof=1) / len(part) for part in parts))
    assert (found.low, found.high) == pytest.approx(found.difference + np.array([-1.96, 1.96]) * error, abs=0.25 * error)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_the_auc_of_many_weightings_is_the_auc_of_each(seed: int, levels: int) -> None:
    """Few levels make many ties; weights of 0 are rows not drawn."""
    draw = rng(seed)
    label = np.r_[0.0, 1.0, draw.integers(0, 2, 28)]
    score = draw.integers(0, levels, 30) / levels
    weights = draw.integers(0, 4, (3, 30)) * draw.choice([1.0, 2.5], 30)
    weights[:, :2] = 1.0
    np.testing.assert_allclose(aucs(score, label, weights), [cores.auc(score, label, w) for w in weights])


def test_a_resample_without_a_class_has_no_auc() -> None:
    """It is NaN, which the quantiles leave out, and no warning."""
    assert np.isnan(aucs(np.array([0.1, 0.2]), np.array([0.0, 1.0]), np.array([[1.0, 0.0]]))).all()


def test_many_rows_are_resampled_in_parts_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the draws are the same whatever the size of the parts."""
    label = labels()
    old, new = noisy(label, 2, 2), noisy(label, 1.5, 3)
    whole = compare(old, new, label, None, spec_of(), rng())
    monkeypatch.setattr("vigil.challenger.compare.CELLS_AT_ONCE", 7 * N)
    assert compare(old, new, label, None, spec_of(), rng()) == whole


@pytest.mark.parametrize("change", [{"confidence": 0.8}, {"resamples": 200}, {"metric": "log_loss"}])
def test_every_option_changes_the_interval(change: dict[str, Any]) -> None:
    """An option that changes nothing is ignored."""
    label = labels()
    scores = noisy(label, 2, 2), noisy(label, 1.5, 3)
    there, here = (compare(*scores, label, None, spec_of(comparison=asked), rng()) for asked in ({}, change))
    assert (there.low, there.high) != (here.low, here.high)


def test_more_confidence_makes_the_interval_wider() -> None:
    """80 % lies within 99 % of the same resamples."""
    label = labels()
    scores = noisy(label, 2, 2), noisy(label, 1.5, 3)
    narrow, wide = (compare(*scores, label, None, spec_of(comparison={"confidence": c}), rng()) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


# verdict ------------------------------------------------------------------------------------------------------------
def test_a_clearly_better_challenger_is_promoted_and_a_worse_one_is_not() -> None:
    """The interval lies above 0, or below."""
    label = labels()
    good, bad = noisy(label, 1, 2), noisy(label, 4, 3)
    assert compare(bad, good, label, None, spec_of(), rng()).verdict == "promote"
    worse = compare(good, bad, label, None, spec_of(), rng())
    assert worse.verdict == "keep"
    assert worse.high < 0  # type: ignore[operator]


def test_chance_alone_rarely_promotes() -> None:
    """Two equally good models: a two-sided 95 % interval is above 0 in 2.5 % of comparisons.

    Of 300, at most 17 are then expected (binomial, 99.9 % quantile); the bootstrap's own undercoverage at 200 rows is within that.
    """
    promoted = 0
    for trial in range(300):
        label = labels(200, seed=1000 + trial)
        old, new = noisy(label, 2, 2000 + trial), noisy(label, 2, 3000 + trial)
        spec = spec_of(comparison={"resamples": 200})
        promoted += compare(old, new, label, None, spec, rng(trial)).verdict == "promote"
    assert 1 <= promoted <= stats.binom.ppf(0.999, 300, 0.025)


def test_too_few_rows_are_not_enough_data() -> None:
    """One row fewer than asked for: a result without numbers, not an exception."""
    label = np.array([0.0, 1.0] * 10)[:-1]
    found = compare(label, label, label, None, spec_of(), rng())
    assert (found.verdict, found.n, found.minimum_rows) == ("not_enough_data", 19, 20)
    assert (found.champion, found.challenger, found.difference, found.low, found.high) == (None,) * 5
    assert compare([], [], [], None, spec_of(), rng()).verdict == "not_enough_data"


@pytest.mark.parametrize(("positives", "verdict"), [(0, "not_enough_data"), (9, "not_enough_data"), (10, "keep"), (40, "not_enough_data")])
def test_a_class_of_fewer_than_ten_rows_is_not_enough_data(positives: int, verdict: str) -> None:
    """Whatever the number of rows; both models score alike here."""
    label = (np.arange(40) < positives).astype(float)
    assert compare(np.full(40, 0.5), np.full(40, 0.5), label, None, spec_of(), rng()).verdict == verdict


@pytest.mark.parametrize(
    ("scores", "message"), [((np.ones(30), np.ones(29)), "the same rows"), ((np.full(30, np.nan), np.ones(30)), "finite")]
)
def test_scores_of_other_rows_or_none_are_refused(scores: tuple[Any, Any], message: str) -> None:
    """A pair is a row that both have scored."""
    with pytest.raises(ValueError, match=message):
        compare(*scores, [0, 1] * 15, None, spec_of(), rng())


# words --------------------------------------------------------------------------------------------------------------
def test_a_comparison_survives_json() -> None:
    """As it lies in the store."""
    label = labels()
    for n in (5, N):
        found = compare(noisy(label, 2, 2)[:n], noisy(label, 1, 3)[:n], label[:n], None, spec_of(), rng())
        assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("champion", "challenger", "words"),
    [
        (0.5, 0.9, "is 0.0100, the champion's 0.2500: better by 0.2400 (95 % interval +0.2400 to +0.2400). The challenger is better."),
        (0.9, 0.5, "is 0.2500, the champion's 0.0100: worse by 0.2400 (95 % interval -0.2400 to -0.2400). The challenger is worse."),
        (
            0.5,
            0.5,
            "is 0.2500, the champion's 0.2500: no difference (95 % interval +0.0000 to +0.0000). "
            "That may be chance, so the champion stays.",
        ),
    ],
)
def test_the_sentence_has_the_numbers(champion: float, challenger: float, words: str) -> None:
    """Each model gives this probability to what happens: Brier scores 0.5^2 and 0.1^2 in every resample."""
    label = np.array([0.0, 1.0] * 20)
    scores = (np.where(label == 1, given, 1 - given) for given in (champion, challenger))
    found = compare(*scores, label, None, spec_of(comparison={"metric": "brier"}), rng())
    assert found.sentence() == f"On the same 40 labelled rows the challenger's Brier score {words}"


def test_the_sentence_of_too_little_data_says_what_is_needed() -> None:
    """The number found and both numbers asked for."""
    sentence = compare([0.5], [0.5], [1], None, spec_of(), rng()).sentence()
    assert sentence == (
        "Champion and challenger cannot be compared on 1 labelled rows: "
        "20 are needed, with at least 10 of each class where there are classes."
    )


@pytest.mark.parametrize("called", [0, 3])
@pytest.mark.parametrize("champion_calls", [True, False])
def test_a_precision_of_next_to_no_rows_is_too_little_to_compare(called: int, champion_calls: bool) -> None:
    """One model calls 200 of 400 positive, and is wrong of 40; the other none, or three that are: that is no precision, or one of 1."""
    label = np.array([0.0, 1.0] * 200)
    many = np.where(label == 1, 0.9, 0.1)
    many[:80:2], few = 0.9, np.full(400, 0.1)
    few[1 : 2 * called : 2] = 0.9
    pair = (many, few) if champion_calls else (few, many)
    found = compare(*pair, label, None, spec_of(comparison={"metric": "precision"}), rng())
    assert found.verdict == "not_enough_data"
    assert found.sentence().endswith("and 10 under either model with score at or above the threshold.")
