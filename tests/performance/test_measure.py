"""What is measured of labelled rows, what it is judged against, and when there is too little to judge."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vigil.measurement import WHOLE, Layer, Measurement, Verdict
from vigil.performance.measure import MINIMUM_PER_CLASS, judge, measure_performance, tolerated_limit
from vigil.performance.metrics import Estimate, estimate
from vigil.spec.model import Metric, ModelSpec, Task


def make_spec(**changes: Any) -> ModelSpec:
    whole: dict[str, Any] = {
        "model": "m",
        "owner": "team@example.org",
        "task": "binary",
        "source": {"predictions": "log/*.parquet", "labels": "labels/*.parquet"},
        "features": {"origin": "categorical"},
        "segments": ["origin"],
        "performance": {"metric": "roc_auc", "tolerated_loss": 0.02},
        "training": {"trainer": "trainer:fit", "include_reference": False},
    }
    return ModelSpec.model_validate(whole | changes)


REGRESSION = make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 0.5})


def labelled(n: int = 1000, seed: int = 1) -> pd.DataFrame:
    """Calibrated scores, three in four from EWR, half of the labels drawn with probability one half."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(size=n)
    return pd.DataFrame(
        {
            "score": score,
            "label": (rng.uniform(size=n) < score).astype(float),
            "inclusion_probability": np.where(np.arange(n) % 2, 0.5, 1.0),
            "origin": np.where(np.arange(n) % 4, "EWR", "JFK"),
        }
    )


def by_key(found: tuple[Measurement, ...]) -> dict[tuple[str, str], Measurement]:
    assert len({m.key for m in found}) == len(found)
    return {(m.metric, m.subject): m for m in found}


class TestWhatIsMeasured:
    def test_the_metric_comes_first_then_the_tasks_other_metrics_then_all_of_each_segment(self) -> None:
        found = measure_performance(labelled(), make_spec(), version="7", baseline=0.8)
        metrics = ["roc_auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1", "calibration_error"]
        assert [(m.metric, m.subject) for m in found] == [(metric, of) for of in ("*", "origin=EWR", "origin=JFK") for metric in metrics]
        assert {m.threshold for m in found[1:]} == {None}
        assert {(m.layer, m.version, m.reference) for m in found} == {(Layer.PERFORMANCE, "7", "none")}

    def test_a_regression_has_its_own_metrics(self) -> None:
        found = measure_performance(labelled(), REGRESSION, version="7", baseline=None)
        assert [(m.metric, m.subject) for m in found] == [
            ("mae", "*"),
            ("rmse", "*"),
            ("mape", "*"),
            *((metric, f"origin={name}") for name in ("EWR", "JFK") for metric in ("mae", "rmse", "mape")),
        ]
        assert "positives" not in found[0].detail

    def test_rows_count_by_one_over_their_inclusion_probability(self) -> None:
        rows = labelled()
        found = by_key(measure_performance(rows, make_spec(), version="7", baseline=None))
        whole = estimate(Metric.ROC_AUC, rows["score"], rows["label"], 1 / rows["inclusion_probability"])
        assert Estimate(found["roc_auc", WHOLE].value, found["roc_auc", WHOLE].low, found["roc_auc", WHOLE].high) == whole
        jfk = rows[rows["origin"] == "JFK"]
        assert found["roc_auc", "origin=JFK"].value == estimate(Metric.ROC_AUC, jfk["score"], jfk["label"]).value
        assert found["roc_auc", "origin=JFK"].n == 250

    def test_detail_says_classes_effective_size_and_failures(self) -> None:
        """500 weights of 1 and 500 of 2: (500 + 1000)^2 / (500 + 2000) = 900."""
        rows = labelled()
        detail = measure_performance(rows, make_spec(), version="7", baseline=None)[0].detail
        positives = int(rows["label"].sum())
        assert detail == {"effective_n": 900.0, "failed": 0, "positives": positives, "negatives": 1000 - positives}
        assert json.loads(json.dumps(detail)) == detail

    def test_the_specs_confidence_is_the_intervals(self) -> None:
        wide = make_spec(performance={"metric": "roc_auc", "tolerated_loss": 0.02, "confidence": 0.99})
        usual, wider = (measure_performance(labelled(), spec, version="7", baseline=None)[0] for spec in (make_spec(), wide))
        assert wider.low < usual.low < usual.high < wider.high  # type: ignore[operator]

    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        rows = labelled()
        assert measure_performance(rows.sample(frac=1, random_state=3), make_spec(), version="7", baseline=0.8) == measure_performance(
            rows, make_spec(), version="7", baseline=0.8
        )

    @pytest.mark.parametrize("metric", [metric for metric in Metric if Task.BINARY in metric.tasks])
    def test_the_intervals_of_a_metric_hold_together_over_all_segments(self, metric: Metric) -> None:
        """Two segments: each at 97.5 %."""
        rows = labelled()
        found = by_key(measure_performance(rows, make_spec(), version="7", baseline=None))[metric.value, "origin=EWR"]
        ewr = rows[rows["origin"] == "EWR"]
        alone = estimate(metric, ewr["score"], ewr["label"], 1 / ewr["inclusion_probability"], confidence=0.975)
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), rel=1e-12)

    def test_a_null_segment_is_named(self) -> None:
        rows = labelled().assign(origin=lambda frame: frame["origin"].where(frame["origin"] == "EWR"))
        subjects = [m.subject for m in measure_performance(rows, make_spec(), version="7", baseline=None)]
        assert list(dict.fromkeys(subjects)) == [WHOLE, "origin=(null)", "origin=EWR"]

    def test_without_segments_only_the_whole_is_measured(self) -> None:
        found = measure_performance(labelled(), make_spec(segments=[]), version="7", baseline=None)
        assert {m.subject for m in found} == {WHOLE}


class TestFailedPredictions:
    @pytest.mark.parametrize("score", [float("nan"), float("inf"), None, -0.01, 1.01])
    def test_a_row_without_a_usable_score_is_left_out_and_counted(self, score: float | None) -> None:
        rows = labelled()
        spoilt = pd.concat([rows, rows[:30].assign(score=score, origin="LGA")], ignore_index=True)
        found = by_key(measure_performance(spoilt, make_spec(), version="7", baseline=None))
        sound = by_key(measure_performance(rows, make_spec(), version="7", baseline=None))
        assert found["roc_auc", WHOLE].value == sound["roc_auc", WHOLE].value
        assert (found["roc_auc", WHOLE].n, found["roc_auc", WHOLE].detail["failed"]) == (1000, 30)
        assert (found["roc_auc", "origin=LGA"].n, found["roc_auc", "origin=LGA"].detail["failed"]) == (0, 30)

    def test_a_regression_may_predict_any_finite_number(self) -> None:
        found = measure_performance(labelled().assign(score=-5.0), REGRESSION, version="7", baseline=None)[0]
        assert (found.n, found.detail["failed"]) == (1000, 0)

    def test_all_failed_is_not_enough_data(self) -> None:
        found = measure_performance(labelled().assign(score=float("nan")), make_spec(), version="7", baseline=0.8)
        assert {m.verdict for m in found} == {Verdict.NOT_ENOUGH_DATA}


class TestTooLittle:
    def test_no_rows_are_a_result(self) -> None:
        found = measure_performance(labelled()[:0], make_spec(), version="7", baseline=0.8)
        assert [m.metric for m in found] == [metric for metric in Metric if Task.BINARY in metric.tasks]
        assert {(m.verdict, m.value, m.low, m.high, m.n) for m in found} == {(Verdict.NOT_ENOUGH_DATA, None, None, None, 0)}
        assert found[0].detail["effective_n"] == 0.0

    @pytest.mark.parametrize(("minimum", "verdict"), [(1000, Verdict.OK), (1001, Verdict.NOT_ENOUGH_DATA)])
    def test_the_specs_minimum_is_enough_and_one_less_is_not(self, minimum: int, verdict: Verdict) -> None:
        found = measure_performance(labelled(), make_spec(labels={"minimum": minimum}), version="7", baseline=None)[0]
        assert found.verdict is verdict

    def test_the_minimum_holds_in_each_segment(self) -> None:
        found = by_key(measure_performance(labelled(), make_spec(labels={"minimum": 300}), version="7", baseline=None))
        assert found["roc_auc", "origin=EWR"].verdict is Verdict.OK  # 750 rows
        assert found["roc_auc", "origin=JFK"].verdict is Verdict.NOT_ENOUGH_DATA  # 250 rows

    @pytest.mark.parametrize("rare", [0.0, 1.0])
    @pytest.mark.parametrize(
        ("count", "verdict"),
        [(0, Verdict.NOT_ENOUGH_DATA), (MINIMUM_PER_CLASS - 1, Verdict.NOT_ENOUGH_DATA), (MINIMUM_PER_CLASS, Verdict.OK)],
    )
    def test_ten_of_each_class_are_needed(self, rare: float, count: int, verdict: Verdict) -> None:
        rows = labelled().assign(label=1 - rare)
        rows.loc[: count - 1, "label"] = rare
        found = measure_performance(rows, make_spec(segments=[]), version="7", baseline=None)
        assert {m.verdict for m in found} == {verdict}

    def test_regression_needs_no_classes(self) -> None:
        assert measure_performance(labelled().assign(label=0.0), REGRESSION, version="7", baseline=None)[0].verdict is Verdict.OK


class TestVerdict:
    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [
            ((0.80, 0.75, 0.85), Verdict.OK),
            ((0.78, 0.75, 0.81), Verdict.OK),
            ((0.77, 0.73, 0.81), Verdict.WARNING),
            ((0.70, 0.62, 0.78), Verdict.WARNING),
            ((0.70, 0.63, 0.77), Verdict.BREACH),
        ],
    )
    def test_larger_is_better(self, interval: tuple[float, float, float], verdict: Verdict) -> None:
        """Tolerated down to .78: the point below it is a warning, the whole interval below it a breach."""
        assert judge(Metric.ROC_AUC, Estimate(*interval), 0.78) is verdict

    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [
            ((4.0, 3.5, 4.5), Verdict.OK),
            ((5.0, 4.5, 5.5), Verdict.OK),
            ((5.1, 4.5, 5.7), Verdict.WARNING),
            ((6.0, 5.0, 7.0), Verdict.WARNING),
            ((6.0, 5.1, 7.0), Verdict.BREACH),
        ],
    )
    def test_smaller_is_better(self, interval: tuple[float, float, float], verdict: Verdict) -> None:
        assert judge(Metric.MAE, Estimate(*interval), 5.0) is verdict

    def test_the_limit_is_the_baseline_made_worse(self) -> None:
        assert tolerated_limit(Metric.ROC_AUC, 0.8, 0.02) == 0.78
        assert tolerated_limit(Metric.ACCURACY, 0.9, 0.1) == 0.8
        assert tolerated_limit(Metric.BRIER, 0.1, 0.02) == pytest.approx(0.12)
        assert tolerated_limit(Metric.MAE, 5.0, 0.5) == 5.5

    def test_only_the_metric_of_the_whole_is_judged(self) -> None:
        """Scores that say nothing, against a baseline of .9: the AUC of .5 is a breach, and all else is shown."""
        rows = labelled().assign(score=np.random.default_rng(2).uniform(size=1000))
        found = measure_performance(rows, make_spec(), version="7", baseline=0.9)
        assert (found[0].verdict, found[0].threshold) == (Verdict.BREACH, pytest.approx(0.88))
        assert {(m.verdict, m.threshold) for m in found[1:]} == {(Verdict.OK, None)}

    def test_the_tolerated_loss_decides(self) -> None:
        rows = labelled()
        value = measure_performance(rows, make_spec(), version="7", baseline=None)[0].value
        verdicts = [
            measure_performance(
                rows, make_spec(performance={"metric": "roc_auc", "tolerated_loss": loss}), version="7", baseline=value + 0.1
            )[0].verdict
            for loss in (0.01, 0.09, 0.11)
        ]
        assert verdicts == [Verdict.BREACH, Verdict.WARNING, Verdict.OK]

    def test_without_a_baseline_nothing_is_judged(self) -> None:
        rows = labelled().assign(score=0.5)
        found = measure_performance(rows, make_spec(), version="7", baseline=None)
        assert {(m.verdict, m.threshold) for m in found} == {(Verdict.OK, None)}

    def test_a_model_exactly_at_its_limit_seldom_breaches(self) -> None:
        """One side of a 95 % interval: 2.5 % of windows; of 400 fewer than 22 (2.5 % and four standard errors of .8 %)."""
        true = 5 / 6  # AUC of calibrated uniform scores: positives have density 2s, negatives 2(1 - s)
        breaches = 0
        for seed in range(400):
            rows = labelled(300, seed)
            found = estimate(Metric.ROC_AUC, rows["score"], rows["label"], 1 / rows["inclusion_probability"])
            breaches += judge(Metric.ROC_AUC, found, tolerated_limit(Metric.ROC_AUC, true + 0.02, 0.02)) is Verdict.BREACH
        assert breaches < 22
