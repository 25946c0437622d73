"""Prediction-powered metrics: exact where the proxy knows all, from labels alone where it knows nothing, and covering whatever it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.performance.test_intervals import EVEN, LEVELS, truth
from tests.performance.test_measure import REGRESSION, by_key, labelled, make_spec
from vigil.measurement import WHOLE, Verdict
from vigil.performance.measure import POWERED, measure_performance
from vigil.performance.metrics import estimate, value_of
from vigil.performance.powered import Powered, prediction_powered, supports
from vigil.performance.proxy import ExpectedError, ExpectedLabel, Population, learn_proxy
from vigil.spec.model import Metric, Scoring, Task

BINARY = [metric for metric in Metric if Task.BINARY in metric.tasks and supports(metric)]
PROXIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "good": lambda score: score,
    "useless": lambda score: np.where(np.isin(score, LEVELS[::2]), 0.8, 0.2),
    "wrong": lambda score: 1 - score,
}
N, TIMES = 1500, 600


def certain(score: np.ndarray) -> np.ndarray:
    """A relation without chance: label 1 in the middle."""
    return ((score > 0.3) & (score < 0.8)).astype(float)


class TestValue:
    @pytest.mark.parametrize("metric", BINARY)
    @pytest.mark.parametrize("stratified", [False, True], ids=["random", "strata"])
    def test_a_proxy_that_knows_every_label_gives_the_value_over_all_rows(self, metric: Metric, stratified: bool) -> None:
        """Label and expectation cancel in every labelled row, at weight 1, and the population's expectation is its labels."""
        rng = np.random.default_rng(1)
        everyone = rng.uniform(size=500)
        score, weight = everyone[:100], rng.uniform(1, 4, 100)
        stratum = (score > 0.5).astype(int) if stratified else None
        population = Population(everyone, ExpectedLabel(certain))
        found = prediction_powered(metric, score, certain(score), weight, population, stratum=stratum)
        assert found.proxy_weight == pytest.approx(1.0)
        assert found.found.value == pytest.approx(value_of(metric, everyone, certain(everyone)), rel=1e-9)
        assert found.found.high - found.found.low < found.labels_alone.high - found.labels_alone.low

    def test_of_errors_that_are_known_too(self) -> None:
        """Ten groups of scores, in each of which all errors are alike: 0.0, 0.1, ... 0.9."""
        everyone = np.repeat(np.arange(10.0), 50)
        label = everyone + everyone / 10
        population = Population(everyone, ExpectedError((everyone, label, np.ones(500))))
        found = prediction_powered(Metric.MAE, everyone[::5], label[::5], None, population)
        assert found.found.value == pytest.approx(0.45)

    def test_the_formula_literally(self) -> None:
        """With one weight w for all: mean(loss - w expected) + w mean(expected of all). A proxy with tenfold spread gets its slope."""
        rng = np.random.default_rng(2)
        everyone = rng.choice(LEVELS, 1000)
        score = everyone[:200]
        label = (rng.uniform(size=200) < score).astype(float)
        found = prediction_powered(Metric.BRIER, score, label, None, Population(everyone, ExpectedLabel(PROXIES["good"])))
        loss, expected = (score - label) ** 2, score * (1 - score)
        by_hand = np.mean(loss) - found.proxy_weight * (np.mean(expected) - np.mean(everyone * (1 - everyone)))
        slope = np.cov(loss, expected)[0, 1] / np.var(expected, ddof=1)
        assert found.proxy_weight == pytest.approx(min(slope, 1), abs=0.1)
        assert found.found.value == pytest.approx(by_hand, abs=2e-3)  # weights differ by fold

    def test_a_proxy_that_points_the_wrong_way_is_not_believed(self) -> None:
        score, label = labelled()["score"].to_numpy(), labelled()["label"].to_numpy()
        population = Population(np.random.default_rng(3).uniform(size=5000), ExpectedLabel(lambda at: 1 - at))
        found = prediction_powered(Metric.ROC_AUC, score, label, None, population)
        assert found == Powered(estimate(Metric.ROC_AUC, score, label), estimate(Metric.ROC_AUC, score, label), 0.0)

    @pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.PRECISION])
    def test_no_order_of_rows_changes_a_bit(self, metric: Metric) -> None:
        rng = np.random.default_rng(4)
        score, everyone = rng.uniform(size=300), rng.uniform(size=900)
        label, weight = (rng.uniform(size=300) < score).astype(float), rng.uniform(1, 3, 300)
        order, turned = rng.permutation(300), rng.permutation(900)
        proxy = ExpectedLabel(PROXIES["good"])
        one = prediction_powered(metric, score, label, weight, Population(everyone, proxy))
        assert prediction_powered(metric, score[order], label[order], weight[order], Population(everyone[turned], proxy)) == one

    def test_without_more_predictions_than_labels_the_labels_decide(self) -> None:
        score, label = labelled()["score"].to_numpy(), labelled()["label"].to_numpy()
        found = prediction_powered(Metric.BRIER, score, label, None, Population(score, ExpectedLabel(PROXIES["good"])))
        assert (found.found, found.proxy_weight) == (found.labels_alone, 0.0)

    def test_a_norm_over_bins_has_none(self) -> None:
        with pytest.raises(ValueError, match="no prediction-powered"):
            prediction_powered(Metric.CALIBRATION_ERROR, [0.1], [0], None, Population(np.ones(2), ExpectedLabel(certain)))


@cache
def drawn(*, stratified: bool) -> list[tuple[np.ndarray, ...]]:
    """Windows of N predictions, each level positive as often as it says. About 300 labels: random, or by strata."""
    rng, found = np.random.default_rng(12), []
    taken = np.array([20, 25, 30, 40, 50, 55, 45, 35])
    chance = np.where(LEVELS >= 0.35, 0.32, 0.08)
    for _ in range(TIMES):
        place = np.sort(rng.choice(8, N, p=EVEN))
        label = (rng.uniform(size=N) < LEVELS[place]).astype(float)
        if stratified:
            rows = np.bincount(place, minlength=8)
            of = np.concatenate([rng.choice(np.flatnonzero(place == each), taken[each], replace=False) for each in range(8)])
            weight = (rows / taken)[place[of]]
        else:
            of = np.flatnonzero(rng.uniform(size=N) < chance[place])
            weight = 1 / chance[place[of]]
        found.append((LEVELS[place], LEVELS[place[of]], label[of], weight, place[of]))
    return found


def simulated(metric: Metric, proxy: str, *, stratified: bool) -> tuple[float, float]:
    """How often the interval holds the value over all the scores that there are, and the median width against labels alone."""
    hit, width, expected = [], [], truth(metric, EVEN)
    for everyone, score, label, weight, stratum in drawn(stratified=stratified):
        population = Population(everyone, ExpectedLabel(PROXIES[proxy]))
        found, alone, _ = prediction_powered(metric, score, label, weight, population, stratum=stratum if stratified else None)
        hit.append(found.low <= expected <= found.high)
        width.append((found.high - found.low) / (alone.high - alone.low))
    return float(np.mean(hit)), float(np.median(width))


NARROWER = {Metric.F1: 0.95}  # where the score tells most of what a row does to the metric


class TestCoverage:
    """95 % intervals hold the truth in 93 to 97 % of 600 simulations (one standard error is 0.9 %), whatever the proxy says."""

    @pytest.mark.parametrize("proxy", PROXIES)
    @pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.F1])
    def test_of_labels_with_unequal_probabilities(self, metric: Metric, proxy: str) -> None:
        held, width = simulated(metric, proxy, stratified=False)
        assert 0.93 <= held <= 0.97
        assert width <= (NARROWER.get(metric, 1.0) if proxy == "good" else 1.01)

    @pytest.mark.parametrize(("metric", "proxy"), [(Metric.ROC_AUC, "good"), (Metric.LOG_LOSS, "useless")])
    def test_of_stratified_labels(self, metric: Metric, proxy: str) -> None:
        """The strata are the scores themselves, so that nothing is left for the proxy to know."""
        held, width = simulated(metric, proxy, stratified=True)
        assert 0.93 <= held <= 0.97
        assert width == pytest.approx(1.0, abs=0.01)

    def test_of_errors_that_grow_with_the_score(self) -> None:
        """Laplace errors with scale s: the mean is E[s] = 0.5, and the proxy was learned from 500 earlier rows."""
        rng, hit, width = np.random.default_rng(13), [], []
        for _ in range(TIMES):
            everyone, known = rng.uniform(size=N), rng.uniform(size=500)
            score = everyone[:300]
            proxy = learn_proxy(Task.REGRESSION, (known, known + rng.laplace(0, known), np.ones(500)))
            assert proxy is not None
            found, alone, _ = prediction_powered(Metric.MAE, score, score + rng.laplace(0, score), None, Population(everyone, proxy))
            hit.append(found.low <= 0.5 <= found.high)
            width.append((found.high - found.low) / (alone.high - alone.low))
        assert 0.93 <= np.mean(hit) <= 0.97
        assert np.median(width) < 0.95


class TestProxy:
    def test_of_a_binary_model_the_score_is_calibrated_on_enough_labels_else_taken_as_it_is(self) -> None:
        rng = np.random.default_rng(5)
        score = rng.uniform(size=5000)
        label = (rng.uniform(size=5000) < score**2).astype(float)
        at = np.array([0.2, 0.5, 0.9])
        learned, left = (learn_proxy(Task.BINARY, (score[:n], label[:n], np.ones(n))) for n in (5000, 9))
        assert isinstance(learned, ExpectedLabel)
        assert isinstance(left, ExpectedLabel)
        assert learned.chance(at) == pytest.approx(at**2, abs=0.05)
        assert left.chance(at).tolist() == at.tolist()

    def test_parts_of_a_ratio_are_those_of_both_labels_by_their_chance(self) -> None:
        """Recall: called and label 1, over label 1. Of scores .2 and .6 with chance .3 and .5: 0 and .5, over .3 and .5."""
        top, bottom = ExpectedLabel(lambda _: np.array([0.3, 0.5])).parts(Metric.RECALL, np.array([0.2, 0.6]), Scoring())
        assert (top.tolist(), bottom.tolist()) == ([0.0, 0.5], [0.3, 0.5])

    def test_of_a_regression_too_few_labels_teach_nothing(self) -> None:
        assert learn_proxy(Task.REGRESSION, (np.arange(99.0),) * 3) is None


def asked(how: str | None, **changes: Any):  # type: ignore[no-untyped-def]
    return make_spec(performance={"metric": "roc_auc", "tolerated_loss": 0.02, "prediction_powered": how} | changes)


class TestMeasured:
    POPULATION = Population(np.random.default_rng(6).uniform(size=5000), ExpectedLabel(PROXIES["good"]))

    def test_where_it_is_shown_it_has_a_name_of_its_own_and_judges_nothing(self) -> None:
        rows = labelled()
        alone = measure_performance(rows, asked("shown"), version="7", baseline=0.99)
        found = measure_performance(rows, asked("shown"), version="7", baseline=0.99, population=self.POPULATION)
        added = [m for m in found if m not in alone]
        assert [m.metric for m in added] == [POWERED + metric for metric in BINARY]
        assert {(m.threshold, m.verdict, m.subject) for m in added} == {(None, Verdict.OK, WHOLE)}
        assert [m for m in found if m not in added] == list(alone)

    def test_where_it_decides_the_judged_metric_is_it_and_labels_alone_stand_beside(self) -> None:
        rows = labelled()
        alone = by_key(measure_performance(rows, make_spec(), version="7", baseline=0.99))["roc_auc", WHOLE]
        measured = by_key(measure_performance(rows, asked("decides"), version="7", baseline=0.99, population=self.POPULATION))
        found = measured["roc_auc", WHOLE]
        assert (POWERED + "roc_auc", WHOLE) not in measured
        assert (found.threshold, found.verdict) == (alone.threshold, Verdict.BREACH)
        assert found.detail["labels_alone"] == {"value": alone.value, "low": alone.low, "high": alone.high}
        assert found.detail["predictions"] == 5000
        assert found.value != alone.value

    def test_too_few_labels_are_too_few(self) -> None:
        found = by_key(measure_performance(labelled(50), asked("decides"), version="7", baseline=0.9, population=self.POPULATION))
        assert found["roc_auc", WHOLE].verdict is Verdict.NOT_ENOUGH_DATA

    def test_what_cannot_be_is_refused_and_who_does_not_ask_keeps_the_hash(self) -> None:
        with pytest.raises(ValidationError, match="no such estimate of calibration_error"):
            asked("decides", metric="calibration_error")
        with pytest.raises(ValidationError, match="prediction_powered_x is the name"):
            asked("shown", own_metrics={"prediction_powered_x": {"function": "a:b"}})
        assert asked(None).hash == make_spec().hash != asked("shown").hash

    def test_a_regression_is_powered_by_the_errors_at_its_scores(self) -> None:
        rng = np.random.default_rng(7)
        known = rng.uniform(size=500)
        proxy = learn_proxy(Task.REGRESSION, (known, known + rng.laplace(0, known), np.ones(500)))
        assert proxy is not None
        spec = REGRESSION.model_copy(update={"performance": REGRESSION.performance.model_copy(update={"prediction_powered": "shown"})})
        found = by_key(
            measure_performance(labelled(), spec, version="7", baseline=None, population=Population(rng.uniform(size=4000), proxy))
        )
        assert {POWERED + "mae", POWERED + "rmse", POWERED + "mape"} <= {metric for metric, _ in found}
