"""Intervals: against independent formulas, by what leaving a row out changes, and by how often they hold the truth."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from vigil.performance import cores
from vigil.performance.intervals import log_interval, logit_interval, quantile, skewed_interval, wilson_interval
from vigil.performance.metrics import estimate
from vigil.spec.model import Metric, Scoring

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


class TestVariance:
    def test_of_a_mean_with_equal_weights_it_is_the_classical_one(self) -> None:
        """s^2 / n with s^2 the sample variance: scipy's standard error, squared."""
        value = np.random.default_rng(1).exponential(size=77)
        variance, _ = cores.jackknife(cores.leave_one_out(value, np.ones(77)))
        assert variance == pytest.approx(stats.sem(value) ** 2, rel=1e-12)

    def test_each_row_counts_by_what_leaving_it_out_changes(self) -> None:
        """Left out one by one, literally."""
        rng = np.random.default_rng(2)
        value, w = rng.exponential(size=25), rng.uniform(1, 9, 25)
        keep = ~np.eye(25, dtype=bool)
        falls = [np.average(value, weights=w) - np.average(value[k], weights=w[k]) for k in keep]
        assert cores.leave_one_out(value, w) == pytest.approx(falls, rel=1e-9)

    def test_of_the_auc_with_equal_weights_it_is_delongs(self) -> None:
        """DeLong 1988: S10/m + S01/n from the matrix of all pairs, which is formed here and not in vigil."""
        rng = np.random.default_rng(3)
        positive, negative = np.round(rng.normal(0.5, 1, 30), 1), np.round(rng.normal(0, 1, 45), 1)
        pairs = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        delong = np.var(pairs.mean(axis=1), ddof=1) / 30 + np.var(pairs.mean(axis=0), ddof=1) / 45
        score, label = np.concatenate([positive, negative]), np.repeat([1.0, 0.0], [30, 45])
        below, above = cores.placements(score, label, np.ones(75))
        variance, _ = cores.jackknife(cores.leave_one_out(below, np.ones(30)), cores.leave_one_out(above, np.ones(45)))
        assert variance == pytest.approx(delong, rel=1e-12)

    def test_degrees_of_freedom_are_those_of_the_normal_for_normal_rows(self) -> None:
        """Kurtosis 3 gives n; the sample's is 3 within sampling error sqrt(24 / n) = 0.035."""
        value = np.random.default_rng(4).normal(size=20_000)
        _, df = cores.jackknife(cores.leave_one_out(value, np.ones(20_000)))
        assert df == pytest.approx(20_000, rel=0.06)

    def test_one_row_that_makes_the_variance_leaves_few_degrees_of_freedom(self) -> None:
        """u = (a, b, ..., b) with a >> b: V = a^2, Var(V) = a^4 (1 - 1/n), so df = 2 n / (n - 1)."""
        _, df = cores.jackknife(np.array([1.0] + [1e-9] * 99))
        assert df == pytest.approx(2 * (99 / 100) ** 2 / (99 / 100), rel=1e-6)

    def test_rows_that_all_count_alike_leave_n_less_one(self) -> None:
        variance, df = cores.jackknife(np.array([1.0, -1.0] * 10))
        assert (variance, df) == (19.0, 19.0)

    def test_effective_size_of_equal_weights_is_n_and_of_one_heavy_row_nearly_one(self) -> None:
        assert cores.effective_size(np.full(40, 3.7)) == pytest.approx(40)
        assert cores.effective_size(np.array([1.0, 3.0])) == 1.6  # 16 / 10
        assert cores.effective_size(np.array([1e9] + [1.0] * 40)) == pytest.approx(1.0, abs=1e-6)


class TestShapes:
    def test_wilson_agrees_with_scipy(self) -> None:
        for k in (0, 1, 7, 40):
            found = wilson_interval(k / 40, 40, 1e12, 0.9)
            expected = stats.binomtest(k, 40).proportion_ci(0.9, method="wilson")
            assert found == pytest.approx((expected.low, expected.high), abs=1e-9)

    def test_the_quantile_is_students(self) -> None:
        assert quantile(0.95, 5) == pytest.approx(stats.t.ppf(0.975, 5), rel=1e-12)
        assert quantile(0.95, 0.2) == pytest.approx(stats.t.ppf(0.975, 1), rel=1e-12)

    def test_a_log_interval_is_symmetric_in_ratio_and_a_logit_interval_in_odds(self) -> None:
        low, high = log_interval(2.0, 0.3, 50, 0.95)
        assert low * high == pytest.approx(4.0)
        low, high = logit_interval(0.8, 0.002, 50, 0.95)
        assert low / (1 - low) * high / (1 - high) == pytest.approx(16.0)

    def test_a_skewed_interval_without_skewness_is_students_and_with_it_reaches_further_up(self) -> None:
        t = stats.t.ppf(0.975, 50)
        assert skewed_interval(2.0, 0.04, 0.0, 50, 0.95) == pytest.approx((2 - 0.2 * t, 2 + 0.2 * t))
        ends = [skewed_interval(2.0, 0.04, skew, 50, 0.95) for skew in (0.0, 0.1, 0.3, 0.6)]
        assert [high for _, high in ends] == sorted(high for _, high in ends)
        assert [low for low, _ in ends] == sorted(low for low, _ in ends)

    def test_a_skewed_interval_undoes_halls_transformation(self) -> None:
        """At each end, T + a T^2 / 3 + a^2 T^3 / 27 + a / 6 is the quantile again, T the end's distance in standard errors."""
        a, t = 0.3, quantile(0.9, 20)
        for end, x in zip(skewed_interval(5.0, 0.09, a, 20, 0.9), (t, -t), strict=True):
            distance = (5.0 - end) / 0.3
            assert distance + a * distance**2 / 3 + a**2 * distance**3 / 27 + a / 6 == pytest.approx(x)

    def test_however_little_is_known_ends_are_finite_and_in_range(self) -> None:
        assert all(math.isfinite(end) for end in log_interval(1e-9, 1.0, 1, 0.99))
        low, high = logit_interval(1 - 1e-12, 1.0, 1, 0.99)
        assert 0 <= low < high <= 1

    @pytest.mark.parametrize("metric", Metric)
    def test_more_confidence_is_a_wider_interval_and_more_rows_a_narrower(self, metric: Metric) -> None:
        rng = np.random.default_rng(6)
        score = rng.uniform(size=4000)
        label = (rng.uniform(size=4000) < score * (0.7 if metric is Metric.CALIBRATION_ERROR else 1.0)).astype(float)
        usual, wider = estimate(metric, score[:1000], label[:1000]), estimate(metric, score[:1000], label[:1000], confidence=0.99)
        assert wider.low < usual.low < usual.value < usual.high < wider.high
        more = estimate(metric, score, label)
        assert (more.high - more.low) / (usual.high - usual.low) == pytest.approx(0.5, abs=0.06)  # four times the rows

    def test_a_perfect_auc_is_as_sure_as_its_smaller_class(self) -> None:
        """12 positives, all above: Wilson's low end for 12 of 12, with t of 11 degrees of freedom, is 12 / (12 + t^2)."""
        found = estimate(Metric.ROC_AUC, [0.9] * 12 + [0.1] * 200, [1] * 12 + [0] * 200)
        t = stats.t.ppf(0.975, 11)
        assert found == pytest.approx((1.0, 12 / (12 + t**2), 1.0), abs=1e-12)
        worst = estimate(Metric.ROC_AUC, [0.1] * 12 + [0.9] * 200, [1] * 12 + [0] * 200)
        assert worst == pytest.approx((0.0, 0.0, t**2 / (12 + t**2)), abs=1e-12)

    def test_all_right_is_not_certainty(self) -> None:
        """Wilson's low end for 100 of 100 with t of 99 degrees of freedom: 100 / (100 + t^2)."""
        found = estimate(Metric.ACCURACY, [0.9, 0.1] * 50, [1, 0] * 50)
        assert found == pytest.approx((1.0, 100 / (100 + stats.t.ppf(0.975, 99) ** 2), 1.0), abs=1e-12)


LEVELS = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
EVEN = np.full(8, 1 / 8)
RARE = np.array([0.4, 0.2, 0.15, 0.1, 0.07, 0.04, 0.03, 0.01])  # 11 % positives


def truth(metric: Metric, mass: np.ndarray) -> float:
    """The value over all the scores that there are, each positive with the probability that it says."""
    p = LEVELS
    match metric:
        case Metric.ROC_AUC:
            up, down = mass * p / np.sum(mass * p), mass * (1 - p) / np.sum(mass * (1 - p))
            return float(np.sum(up * (np.cumsum(down) - down / 2)))
        case Metric.LOG_LOSS:
            return float(-np.sum(mass * (p * np.log(p) + (1 - p) * np.log(1 - p))))
        case Metric.BRIER:
            return float(np.sum(mass * p * (1 - p)))
        case Metric.PRECISION:
            return float(np.sum((mass * p)[p >= 0.5]) / np.sum(mass[p >= 0.5]))
        case Metric.RECALL:
            return float(np.sum((mass * p)[p >= 0.5]) / np.sum(mass * p))
        case Metric.F1:
            return float(2 * np.sum((mass * p)[p >= 0.5]) / (np.sum(mass[p >= 0.5]) + np.sum(mass * p)))
        case Metric.CALIBRATION_ERROR:
            return 0.0
    return float(np.sum(mass * np.maximum(p, 1 - p)))


@cache
def streams(mass: tuple[float, ...], *, everything: bool) -> list[Rows]:
    """2,000 streams of labelled predictions. Everything: 300 predictions, each with its label.

    Otherwise about 300 labels of more predictions, each drawn by itself, scores of .35 and more four times as likely.
    """
    rng, p = np.random.default_rng(300), np.array(mass)
    relative = np.where(LEVELS >= 0.35, 1.0, 0.25)
    chance = np.ones(8) if everything else relative * min(0.3 / np.sum(p * relative), 1.0)
    place = rng.choice(8, (2000, round(300 / np.sum(p * chance))), p=p)
    label = (rng.uniform(size=place.shape) < LEVELS[place]).astype(float)
    chosen = rng.uniform(size=place.shape) < chance[place]
    return [(LEVELS[at[of]], y[of], 1 / chance[at[of]]) for at, y, of in zip(place, label, chosen, strict=True)]


@cache
def error_streams(law: str, *, everything: bool) -> list[Rows]:
    """2,000 streams of errors. Everything: 300 rows; otherwise of 1,000 rows one half is labelled at .5, the other at .1."""
    rng = np.random.default_rng(300)
    n = 300 if everything else 1000
    chance = np.ones(n) if everything else np.where(np.arange(n) % 2, 0.5, 0.1)
    error, chosen = getattr(rng, law)(size=(2000, n)), rng.uniform(size=(2000, n)) < chance
    return [(e[of], np.zeros(np.sum(of)), 1 / chance[of]) for e, of in zip(error, chosen, strict=True)]


def coverage(metric: Metric, drawn: list[Rows], expected: float, scoring: Scoring = Scoring()) -> float:  # noqa: B008 - frozen
    found = [estimate(metric, *rows, scoring=scoring) for rows in drawn]
    return float(np.mean([interval.low <= expected <= interval.high for interval in found]))


@pytest.mark.parametrize("everything", [True, False], ids=["all", "sampled"])
class TestCoverage:
    """The 95 % intervals hold the truth in 93 to 97 % of 2,000 simulations (whose own standard error is 0.5 %)."""

    @pytest.mark.parametrize("mass", [EVEN, RARE], ids=["even", "rare"])
    @pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY])
    def test_binary(self, metric: Metric, mass: np.ndarray, everything: bool) -> None:
        assert 0.93 <= coverage(metric, streams(tuple(mass), everything=everything), truth(metric, mass)) <= 0.97

    @pytest.mark.parametrize("metric", [Metric.PRECISION, Metric.RECALL, Metric.F1])
    def test_binary_at_a_threshold(self, metric: Metric, everything: bool) -> None:
        assert 0.93 <= coverage(metric, streams(tuple(EVEN), everything=everything), truth(metric, EVEN)) <= 0.97

    def test_calibration_error(self, everything: bool) -> None:
        """Where it is 0 only the interval's low end can miss it, so the share is 97.5 %; at .1, as of any other metric."""
        rows = streams(tuple(EVEN), everything=everything)
        assert 0.965 <= coverage(Metric.CALIBRATION_ERROR, rows, 0.0) <= 0.985
        off = [(np.clip(score + 0.1, 0, 1), label, weight) for score, label, weight in rows]
        spread = float(np.sqrt(np.mean((np.clip(LEVELS + 0.1, 0, 1) - LEVELS) ** 2)))
        assert 0.93 <= coverage(Metric.CALIBRATION_ERROR, off, spread) <= 0.975

    def test_mape_and_pinball(self, everything: bool) -> None:
        """MAPE of labels 2 with normal errors is half their mean size; pinball at .9 is (.9 + .1) E[e+] = phi(0)."""
        rows = error_streams("standard_normal", everything=everything)
        shifted = [(score + 2, label + 2, weight) for score, label, weight in rows]
        assert 0.93 <= coverage(Metric.MAPE, shifted, math.sqrt(2 / math.pi) / 2) <= 0.97
        scoring = Scoring(quantile=0.9)
        assert 0.93 <= coverage(Metric.PINBALL, rows, stats.norm.pdf(0), scoring=scoring) <= 0.97

    @pytest.mark.parametrize(
        ("metric", "law", "expected"),
        [
            (Metric.MAE, "standard_normal", math.sqrt(2 / math.pi)),
            (Metric.RMSE, "standard_normal", 1.0),
            (Metric.MAE, "laplace", 1.0),
            (Metric.RMSE, "laplace", math.sqrt(2)),
        ],
    )
    def test_regression(self, metric: Metric, law: str, expected: float, everything: bool) -> None:
        assert 0.93 <= coverage(metric, error_streams(law, everything=everything), expected) <= 0.97


class TestStrata:
    def test_only_what_differs_within_a_stratum_is_chance(self) -> None:
        """Two strata of constant loss have no variance; one stratum has the classical one."""
        score, label, stratum = np.array([0.9] * 50 + [0.4] * 50), np.zeros(100), np.repeat([0, 1], 50)
        found = estimate(Metric.BRIER, score, label, stratum=stratum)
        assert found.low == pytest.approx(found.high)
        value = np.random.default_rng(1).exponential(size=77)
        variance, df = cores.stratified_jackknife(value / 77, np.zeros(77, dtype=int))
        assert variance == pytest.approx(stats.sem(value) ** 2, rel=1e-12)
        assert df <= 76

    def test_lone_rows_count_as_of_one_stratum(self) -> None:
        """u = 1 and 3, each alone: 2 / 1 * (1 + 1)."""
        assert cores.stratified_jackknife(np.array([1.0, 3.0]), np.array([4, 9]))[0] == 4.0

    @pytest.mark.parametrize("metric", [Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER, Metric.ACCURACY, Metric.F1])
    def test_intervals_of_stratified_labels_cover(self, metric: Metric) -> None:
        """300 labels of 3,000 rows in 8 score levels, more of the uncertain; the truth is that of all scores there are."""
        rng, hit = np.random.default_rng(7), []
        taken = np.array([20, 25, 30, 40, 50, 55, 45, 35])
        for _ in range(1000):
            rows = rng.multinomial(3000, EVEN)
            stratum = np.repeat(np.arange(8), taken)
            label = (rng.uniform(size=300) < LEVELS[stratum]).astype(float)
            found = estimate(metric, LEVELS[stratum], label, (rows / taken)[stratum], stratum=stratum)
            hit.append(found.low <= truth(metric, EVEN) <= found.high)
        assert 0.93 <= np.mean(hit) <= 0.97
