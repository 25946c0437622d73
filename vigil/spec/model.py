"""What a person writes about one model: ``models/NAME.yaml`` as frozen objects. Every default says where it comes from.

Differs from :mod:`vigil.spec.project`, which describes the installation that all models share.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from vigil.spec.alerts import Alerts, Tier
from vigil.spec.base import DAYS, MINUTES, Anomaly, Grown, Moment, SpecModel, Sustained, parsed_moment
from vigil.spec.search import Search
from vigil.window import Window, windows_between

CORRELATED_FEATURES = 100  # 4,950 pairs
TABLE_NAME = r"^[^.]+(\.[^.]+){0,2}$"
FLOW_SUCCESS_RATE, FLOW_DURATION = "flow_success_rate", "flow_duration_s"  # of vigil's own runs: vigil.health.pipeline


class Task(StrEnum):
    """What kind of thing the model predicts."""

    BINARY = "binary"
    REGRESSION = "regression"


class FeatureType(StrEnum):
    """How a feature is profiled and compared."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class DriftMethod(StrEnum):
    """The statistic that compares a feature's current profile with its reference profile."""

    PSI = "psi"
    JENSEN_SHANNON = "jensen_shannon"
    KS = "ks"
    WASSERSTEIN = "wasserstein"
    CHI_SQUARE = "chi_square"
    AUTO = "auto"  # chosen by type, cardinality and rows of the reference: vigil.drift.choice


class Metric(StrEnum):
    """A performance metric that labels are scored with."""

    ROC_AUC = "roc_auc"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ACCURACY = "accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    CALIBRATION_ERROR = "calibration_error"
    MAE = "mae"
    RMSE = "rmse"
    MAPE = "mape"
    PINBALL = "pinball"

    @property
    def larger_is_better(self) -> bool:
        return self in (Metric.ROC_AUC, Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1)

    @property
    def tasks(self) -> tuple[Task, ...]:
        regression = (Metric.MAE, Metric.RMSE, Metric.MAPE, Metric.PINBALL)
        return (Task.REGRESSION,) if self in regression else (Task.BINARY,)


class Scoring(NamedTuple):
    """What turns a score into what a metric needs."""

    threshold: float = 0.5  # binary: a score at or above it says "positive" (accuracy, precision, recall, F1)
    quantile: float = 0.5  # regression: the quantile that the score predicts (pinball)


class Severity(StrEnum):
    """How much a failed expectation matters: ``critical`` stops the window (data at fault), ``warning`` is shown."""

    CRITICAL = "critical"
    WARNING = "warning"


class Table(SpecModel):
    """A table of the database that ``source.connection`` names."""

    table: Annotated[str, Field(pattern=TABLE_NAME)]  # table, schema.table or, on Spark, catalog.schema.table; none of them quoted

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.table.split("."))

    def __str__(self) -> str:
        return f"table {self.table}"


def _kind_of_place(value: Any) -> str:
    return "[table]" if isinstance(value, dict | Table) else "[files]"


Place = Annotated[Annotated[str, Tag("[files]")] | Annotated[Table, Tag("[table]")], Discriminator(_kind_of_place)]


class Source(Grown):
    """Where the model's rows lie: Parquet files or globs, relative to the project's folder; or, with a connection, tables."""

    later: ClassVar[tuple[str, ...]] = ("connection", "files", "clock_skew_minutes", "look_back_windows", "outcomes")

    connection: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] | None = None  # of vigil.yaml; None: Parquet on this machine
    predictions: Place
    labels: Place
    reference: Place | None = None  # labelled rows of the same columns, which the first version was trained on
    outcomes: Place | None = None  # what came of predictions: their id, when that was known, and the columns of business.kpis
    files: Literal["mutable", "immutable"] = "mutable"  # immutable: a prediction file that changed or went is refused until accepted
    clock_skew_minutes: Annotated[float, Field(ge=0, le=MINUTES)] = 10.0  # event times this far after the present are believed; convention
    look_back_windows: Annotated[int, Field(ge=0)] = 30  # windows in which rows that arrive late are looked for; convention

    @property
    def places(self) -> tuple[str | Table, ...]:
        """Every place that is named: predictions, labels, reference, outcomes."""
        return tuple(place for place in (self.predictions, self.labels, self.reference, self.outcomes) if place is not None)

    @model_validator(mode="after")
    def _tables_have_a_connection(self) -> Source:
        if self.connection is None and any(isinstance(place, Table) for place in self.places):
            raise ValueError("a table lies in a database; give its connection: NAME, one of connections: in vigil.yaml")
        return self


class Columns(SpecModel):
    """The names that the model's log uses for what vigil needs to know. Defaults are vigil's own names."""

    id: str = "prediction_id"
    time: str = "event_time"
    version: str = "model_version"
    score: str = "score"  # binary: probability of the positive class; regression: the predicted value
    latency_ms: str | None = "latency_ms"
    error: str | None = "error"  # null, or false, where the prediction succeeded
    label: str = "label"
    label_time: str = "observed_at"
    inclusion_probability: str | None = "inclusion_probability"


class Feature(SpecModel):
    """One feature of the model. Written short as ``name: numeric`` where the defaults do."""

    type: FeatureType
    method: DriftMethod | None = None  # None: the drift section's method for the type
    threshold: Annotated[float, Field(gt=0)] | None = None  # None: the drift section's threshold for the method
    tolerated_null_share: Annotated[float, Field(ge=0, le=1)] | None = None  # None: the quality section's
    tolerated_unseen_share: Annotated[float, Field(ge=0, le=1)] | None = None  # None: the quality section's
    minimum: float | None = None  # physical limits, checked as data quality
    maximum: float | None = None

    @model_validator(mode="after")
    def _limits_are_for_numbers(self) -> Feature:
        if self.type is FeatureType.CATEGORICAL and (self.minimum is not None or self.maximum is not None):
            raise ValueError("minimum and maximum are for numeric features; expected type: numeric")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.type is FeatureType.NUMERIC and self.method is DriftMethod.CHI_SQUARE:
            raise ValueError("chi_square compares categories; for a numeric feature use psi, jensen_shannon, ks or wasserstein")
        if self.type is FeatureType.CATEGORICAL and self.method in (DriftMethod.KS, DriftMethod.WASSERSTEIN):
            raise ValueError(f"{self.method} needs an order; for a categorical feature use psi, jensen_shannon or chi_square")
        return self


def _expand_feature(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


ShortFeature = Annotated[Feature, BeforeValidator(_expand_feature, json_schema_input_type=FeatureType | Feature)]


class WindowSpec(SpecModel):
    """The grid of windows: ``days`` long, one of them starting at ``anchor`` (default a Monday, so 7 days are ISO weeks)."""

    days: Annotated[int, Field(ge=1, le=366)] = 1
    anchor: Annotated[Moment, BeforeValidator(parsed_moment, json_schema_input_type=datetime | date)] = datetime(1970, 1, 5, tzinfo=UTC)

    @property
    def length(self) -> timedelta:
        return timedelta(days=self.days)

    def containing(self, moment: datetime) -> Window:
        return Window.containing(moment, self.length, self.anchor)

    def between(self, start: datetime, end: datetime) -> tuple[Window, ...]:
        return windows_between(start, end, self.length, self.anchor)

    def has(self, window: Window) -> bool:
        """Tell whether a window is of this grid; one of an earlier specification's may hold rows that this grid counts again."""
        return window == self.containing(window.start)


class Expectation(SpecModel):
    """Any expectation of Great Expectations' vocabulary, as written in its documentation."""

    expectation: Annotated[str, Field(pattern=r"^expect_[a-z_]+$")]
    arguments: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = Severity.CRITICAL
    because: str = ""  # shown to people when it fails


class Quality(SpecModel):
    """Data quality: what the generated suite checks of every window before anything else."""

    minimum_rows: Annotated[int, Field(ge=1)] = 1
    tolerated_null_share: Annotated[float, Field(ge=0, le=1)] = 0.02  # convention: 2 % bad rows
    tolerated_unseen_share: Annotated[float, Field(ge=0, le=1)] = 0.02  # convention: 2 % bad rows
    expectations: tuple[Expectation, ...] = ()


class References(SpecModel):
    """What a window is compared with beside the training data. Training decides; these are shown, as sums of stored profiles."""

    previous: bool = True  # the window before
    rolling_windows: Annotated[int, Field(ge=2, le=DAYS)] | None = None  # the last so many windows together; null: not compared
    same_season: Annotated[int, Field(ge=1, le=53)] | None = None  # the weekday of so many weeks (windows of a day), else of so many years


class Correlations(SpecModel):
    """Pairs of numeric features whose correlation is watched; shown, never judged."""

    pairs: tuple[tuple[str, str], ...] = ()
    top: Annotated[int, Field(ge=0, le=50)] = 0  # beside those, so many that were correlated most in the reference


class Drift(Grown):
    """Drift: how features are compared with the reference and when the window counts as drifted.

    A feature breaches where its statistic is over the threshold AND its test rejects at ``false_discovery_rate``
    (Benjamini-Hochberg over all features of the window).
    """

    later: ClassVar[tuple[str, ...]] = ("correlations",)

    numeric: DriftMethod = DriftMethod.PSI
    categorical: DriftMethod = DriftMethod.PSI
    psi: Annotated[float, Field(gt=0)] = 0.2  # Siddiqi 2006, Credit Risk Scorecards: above 0.2-0.25 a major shift
    jensen_shannon: Annotated[float, Field(gt=0)] = 0.1  # convention (NannyML, Evidently)
    ks: Annotated[float, Field(gt=0)] = 0.1  # convention
    wasserstein: Annotated[float, Field(gt=0)] = 0.1  # in reference standard deviations; convention (Evidently)
    chi_square: Annotated[float, Field(gt=0)] = 0.1  # Cramer's V: Cohen 1988, a small effect
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    share: Annotated[float, Field(gt=0, le=1)] = 0.3  # importance-weighted share of drifted features that makes a window drift; convention
    minimum_rows: Annotated[int, Field(ge=1)] = 200  # below it PSI's own noise nears the threshold (Yurdakul 2018: (B-1)(1/n+1/m))
    references: References = References()
    correlations: Correlations = Correlations()
    multivariate_rows: Annotated[int, Field(ge=200, le=50_000)] | None = None  # a side, at most, for the domain classifier; null: not run

    def method_of(self, feature: Feature) -> DriftMethod:
        if feature.method is not None:
            return feature.method
        return self.numeric if feature.type is FeatureType.NUMERIC else self.categorical

    def threshold_of(self, feature: Feature, method: DriftMethod) -> float:
        """The feature's own threshold, or the section's for the method (of ``auto``: the one that was chosen)."""
        return feature.threshold if feature.threshold is not None else float(getattr(self, method.value))

    @model_validator(mode="after")
    def _methods_fit_types(self) -> Drift:
        Feature(type=FeatureType.NUMERIC, method=self.numeric)
        Feature(type=FeatureType.CATEGORICAL, method=self.categorical)
        return self


class Labels(Grown):
    """Ground truth: how late it comes and how much of it a window needs."""

    later: ClassVar[tuple[str, ...]] = ("maturity", "review_rows", "budget", "suspected_times", "control")

    delay_days: Annotated[float, Field(ge=0, le=DAYS)] = 1.0  # a window is measured this long after its end
    minimum: Annotated[int, Field(ge=2)] = 100  # labels (and at least 10 of each class) that a metric needs
    maturity: Annotated[float, Field(gt=0, le=1)] | None = None  # share of the expected labels from which a window counts; null: any
    review_rows: Annotated[int, Field(ge=4, le=1000)] | None = None  # of the review session that is made every week; null: none is
    budget: Annotated[int, Field(ge=2)] | None = None  # labels that a plan asks for; null: it is said with each plan
    control: Annotated[float, Field(gt=0, le=1)] = 0.25  # share of a plan or a review session that is drawn from all rows alike; convention
    suspected_times: Annotated[float, Field(ge=1, le=20)] = 2.0  # the budget while harm is suspected, so that it is soon known; convention


class OwnMetric(SpecModel):
    """A metric of the project's own: ``function(score, label, weight) -> float``, NumPy vectors of one length in, a finite number out."""

    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]*(:[A-Za-z_]\w*)?$")]  # module:function, or an entry point of vigil.metrics


class Performance(Grown):
    """Performance: the metric, and the loss against the version's own baseline that is tolerated."""

    later: ClassVar[tuple[str, ...]] = ("decision_threshold", "quantile", "own_metrics", "label_free", "prediction_powered")

    metric: Metric
    # The default is for shares and the AUC; of a loss or an error nobody knows it but who uses the model.
    tolerated_loss: Annotated[float, Field(gt=0)] = 0.05  # in the metric's unit, against the baseline at registration; a starting point
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    decision_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5  # binary: from this score on "positive"; convention
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None  # regression: the quantile that the score predicts; null: no pinball loss
    own_metrics: dict[str, OwnMetric] = {}  # noqa: RUF012 - pydantic copies it; by name; shown with an interval, never judged
    label_free: bool = False  # also estimate the metric without labels (vigil.performance.label_free, of a regression .residuals); shown
    prediction_powered: Literal["shown", "decides"] | None = None  # metrics from labels and all scores together: vigil.performance.powered

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.decision_threshold, 0.5 if self.quantile is None else self.quantile)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Performance:
        if self.metric is Metric.PINBALL and self.quantile is None:
            raise ValueError("metric pinball needs quantile: the quantile that the score predicts, such as 0.9")
        if not self.metric.larger_is_better and "tolerated_loss" not in self.model_fields_set:
            raise ValueError(f"metric {self.metric} needs tolerated_loss: by how much it may be above the baseline, in its own unit")
        if self.metric is Metric.CALIBRATION_ERROR and self.prediction_powered == "decides":
            raise ValueError("prediction_powered: there is no such estimate of calibration_error; leave it out, or say shown")
        ours = ("estimated_", "prediction_powered_")
        taken = sorted(name for name in self.own_metrics if name in {*Metric, "label_maturity"} or name.startswith(ours))
        if taken:
            raise ValueError(f"own_metrics: {', '.join(taken)} is the name of a metric of vigil's; choose another")
        return self


class Fairness(SpecModel):
    """Fairness of a binary model. Protected columns of the log are measured by, and refused as features."""

    protected: tuple[str, ...] = ()
    tolerated_difference: Annotated[float, Field(gt=0, lt=1)] | None = None  # a whole interval beyond it is a warning; null: shown only


class ConfusionValue(SpecModel):
    """What one prediction is worth, by whether it said "positive" and what happened. A cost is negative."""

    hit: float = 0.0
    false_alarm: float = 0.0
    missed: float = 0.0
    passed: float = 0.0  # said "negative", and rightly


class Kpi(SpecModel):
    """A number of each prediction's outcome, such as its revenue: its mean is measured."""

    column: str  # of source.outcomes
    minimum: float | None = None  # of the mean, wanted at least; a whole interval below it is a breach; null: shown only
    absent: Literal["unknown", "zero"] = "unknown"  # what a prediction without an outcome counts as


class Business(Grown):
    """What predictions are worth."""

    later: ClassVar[tuple[str, ...]] = ("minimum_value", "kpis", "north_star")

    value: ConfusionValue | None = None  # binary; null: not measured
    unit: str = ""  # of the values, such as EUR
    minimum_value: float | None = None  # per prediction, wanted at least; a whole interval below it is a breach; null: shown only
    kpis: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], Kpi] = {}  # noqa: RUF012 - pydantic copies it; by name
    north_star: str | None = None  # the KPI that decisions read by its minimum; null: value_per_prediction, where minimum_value is given

    @property
    def decides(self) -> bool:
        """Whether a decision reads what predictions bring: a north-star KPI, or their value against a minimum."""
        return self.north_star is not None or self.minimum_value is not None

    @model_validator(mode="after")
    def _one_north_star(self) -> Business:
        if self.north_star is None:
            return self
        kpi = self.kpis.get(self.north_star)
        if kpi is None or kpi.minimum is None:
            with_one = ", ".join(sorted(name for name, each in self.kpis.items() if each.minimum is not None)) or "none"
            raise ValueError(f"north_star {self.north_star!r} is not a KPI with a minimum; those are: {with_one}")
        if self.minimum_value is not None:
            raise ValueError("north_star and minimum_value: decisions read one of the two; remove the other")
        return self


def measured_by_vigil(metric: str) -> bool:
    """Tell whether a metric of the system layer is vigil's own, and not one of ``health.queries``."""
    return metric in (
        "rows",
        "error_rate",
        "timeout_rate",
        "throughput_per_s",
        "training_success_rate",
        FLOW_SUCCESS_RATE,
        FLOW_DURATION,
    ) or metric.startswith("latency_")


class Query(SpecModel):
    """A system input that Prometheus is asked for, at `prometheus.url` of vigil.yaml. It must give one series."""

    query: Annotated[str, Field(min_length=1)]  # PromQL, at the window's end; $window is its length: max_over_time(x[$window])
    above: float | None = None  # breach above it
    below: float | None = None  # breach below it
    slope: bool = False  # of the query over the window, in units a day, instead of its value: a leak
    tier: Tier = Tier.P1  # of what is outside in 2 of 3 windows

    @model_validator(mode="after")
    def _limits_leave_room(self) -> Query:
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError(f"below {self.below:g} is not under above {self.above:g}: no value would be in bounds")
        return self


class Pipeline(SpecModel):
    """How vigil's own runs over the model, by the clock on the wall, and its attempts to train are judged. None switches a limit off."""

    runs: Annotated[int, Field(ge=2, le=100)] = 5  # the latest that count; convention
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = 0.7  # wanted at least: two of five that failed are too many; convention
    training_success_rate: Annotated[float, Field(gt=0, le=1)] | None = 0.5  # of attempts to train, wanted at least; convention
    duration_seconds: Annotated[float, Field(gt=0)] | None = None  # median length of a run that succeeded, at most; null: shown only
    lost_after_minutes: Annotated[float, Field(gt=0, le=MINUTES)] = (
        120.0  # a run that goes on so long after it was begun failed; convention
    )


class Health(Grown):
    """System health: from the log itself, from Prometheus, and of vigil's own runs. None switches a limit off."""

    later: ClassVar[tuple[str, ...]] = ("queries", "pipeline", "timeout_rate", "timeouts", "throughput_per_s")

    latency_p95_ms: Annotated[float, Field(gt=0)] | None = 200.0  # convention, a starting point
    error_rate: Annotated[float, Field(ge=0, lt=1)] | None = 0.005  # convention, a starting point
    timeout_rate: Annotated[float, Field(ge=0, lt=1)] | None = None  # of rows whose error is a time-out; null: not measured
    timeouts: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "timeout",
        "timed out",
        "deadline",
    )  # such an error holds one of them
    throughput_per_s: Annotated[float, Field(gt=0)] | None = None  # predictions a second, at least: an SLA; null: not measured
    queries: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], Query] = {}  # noqa: RUF012 - pydantic copies it; by name
    pipeline: Pipeline = Pipeline()

    @model_validator(mode="after")
    def _names_are_free(self) -> Health:
        taken = sorted(name for name in self.queries if measured_by_vigil(name))
        if taken:
            raise ValueError(f"health.queries: {', '.join(taken)} is measured by vigil itself; choose another name")
        return self


class Economics(Grown):
    """What a retraining costs and what a better model is worth, in any one currency."""

    later: ClassVar[tuple[str, ...]] = ("rule", "probe_rows")

    cost: Annotated[float, Field(gt=0)]  # of one retraining: training and review
    value: Annotated[float, Field(gt=0)]  # of a gain of 1.0 for one window; break_even: in performance.metric, harm: in comparison.metric
    # break_even: retrain when the version has cost as much as a retraining (cost and value alone count); harm: when it is harmed and past
    # retrainings paid
    rule: Literal["break_even", "harm"] = "break_even"
    # break_even: labelled rows, at most, from which it is learned how much of the loss a retraining could recover at all; null: not asked
    probe_rows: Annotated[int, Field(ge=200, le=50_000)] | None = 4000
    horizon_windows: Annotated[int, Field(ge=1, le=DAYS)] = 12  # for so long a gain is believed to last; convention
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.2  # of the expected gain that has to pay; convention
    minimum_retrainings: Annotated[int, Field(ge=2)] = 3  # of the model's own, in the last year; with fewer the gain is unknown


class Policy(Grown):
    """When a finding becomes an action."""

    later: ClassVar[tuple[str, ...]] = ("business", "kind_rows")

    drift: Sustained = Sustained(k=3, n=3)
    performance: Sustained = Sustained(k=2, n=3)  # windows whose metric is beyond the limit; the evidence tells whether by chance
    business: Sustained = Sustained(k=3, n=3)  # windows whose value per prediction is surely below business.minimum_value; convention
    false_alarms_per_year: Annotated[float, Field(gt=0, le=52)] = 1.0  # confirmed harm where there is none; convention
    retrain_on_drift_alone: bool = True
    cool_down_windows: Annotated[int, Field(ge=0)] = 4  # before the next retraining decision; doubled by each in a row that brought nothing
    anomalies: tuple[Anomaly, ...] = ()
    economics: Economics | None = None  # null: a retraining is not weighed against its cost
    kind_rows: Annotated[int, Field(ge=200, le=50_000)] | None = (
        4000  # labelled rows a side, at most, to tell what a loss is due to; null: not asked
    )


class Limits(SpecModel):
    """What the trainer's process may take. Beyond it is ended, and the attempt has failed."""

    seconds: Annotated[float, Field(gt=0)] = 3600.0  # of the clock on the wall; convention
    memory_mb: Annotated[int, Field(ge=1)] | None = None  # resident, of the process and its own children; null: what the machine has


class Training(Grown):
    """How a challenger is made."""

    later: ClassVar[tuple[str, ...]] = ("limits", "retries", "search")

    trainer: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]  # module:function in the project's folder or installed
    windows: Annotated[int, Field(ge=1)] = 12  # the most recent fit windows; more are not looked back for
    include_reference: bool = True  # pool them with source.reference
    minimum_rows: Annotated[int, Field(ge=10)] = 500
    holdout_windows: Annotated[int, Field(ge=1)] = 2  # kept from training, for the comparison
    params: dict[str, Any] = Field(default_factory=dict)  # passed to the trainer as they are
    requirements: tuple[str, ...] = ()  # pip requirements logged with the version; empty: scikit-learn's installed version
    seed: int = 0
    limits: Limits = Limits()
    retries: Annotated[int, Field(ge=0, le=10)] = 0  # how often an attempt that failed, however it did, is made again
    search: Search | None = None  # null: the trainer is given params as they are

    @model_validator(mode="after")
    def _search_fits(self) -> Training:
        if self.search is None:
            return self
        if self.search.seconds is not None and self.search.seconds >= self.limits.seconds:
            raise ValueError(
                f"search.seconds {self.search.seconds:g} leaves no time to fit within limits.seconds {self.limits.seconds:g}; "
                "lower the first"
            )
        for name, each in self.search.space.items():
            if name in self.params and not each.holds(self.params[name]):
                raise ValueError(f"params.{name} {self.params[name]!r} lies outside search.space.{name}, where it would be tried first")
        return self


class Probation(SpecModel):
    """The windows after a promotion in which the version that was replaced scores beside the new one."""

    windows: Annotated[int, Field(ge=0, le=100)] = 0  # 0: no probation
    rollback: bool = False  # bring the replaced version back where it is shown to be better; false: an incident only


class Canary(SpecModel):
    """A share of the predictions that a challenger serves, once it has won the comparison and before it is let serve all."""

    share: Annotated[float, Field(ge=0, lt=0.5)] = 0.0  # 0: no canary
    windows: Annotated[int, Field(ge=1, le=100)] = 4  # so many sound windows it lasts; convention


class Comparison(Grown):
    """How champion and challenger are compared, on the same labelled rows."""

    later: ClassVar[tuple[str, ...]] = (
        "guarded",
        "margin",
        "calibration_margin",
        "tolerated_flips",
        "tolerated_slowdown",
        "tolerated_growth",
        "approvers",
        "approval_days",
        "probation",
        "shadow_windows",
        "canary",
    )

    metric: Metric | None = None  # None: the performance metric
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95  # of the paired bootstrap interval
    resamples: Annotated[int, Field(ge=200)] = 1000
    minimum_rows: Annotated[int, Field(ge=20)] = 200
    promotion: Literal["approve", "automatic"] = "approve"
    approvers: tuple[str, ...] = ()  # users who may approve and reject; empty: everybody who may write to the store
    approval_days: Annotated[float, Field(gt=0, le=DAYS)] = 14.0  # so long a challenger waits, by the clock on the wall; convention
    probation: Probation = Probation()
    shadow_windows: Annotated[int, Field(ge=0, le=100)] = 0  # so many more a challenger with too few labels is given; 0: champion stays
    canary: Canary = Canary()
    guarded: tuple[str, ...] | None = None  # columns in none of whose values a challenger may lose; null: fairness.protected
    margin: Annotated[float, Field(gt=0)] | None = None  # what it may lose there, in the metric's unit; null: performance.tolerated_loss
    calibration_margin: Annotated[float, Field(gt=0, lt=1)] = 0.05  # binary: what the calibration error may grow by; convention
    tolerated_flips: Annotated[float, Field(gt=0, lt=1)] | None = None  # binary: share of rows whose decision may change; null: any
    tolerated_slowdown: Annotated[float, Field(ge=1)] | None = None  # time to score a row, as a multiple of the champion's; null: any
    tolerated_growth: Annotated[float, Field(ge=1)] | None = None  # size of the saved model, as a multiple of the champion's; null: any


class Reports(SpecModel):
    """Evidently's reports for people."""

    when: Literal["breach", "always", "never"] = "breach"  # breach: of the window as a whole, or of its data
    sample_rows: Annotated[int, Field(ge=100, le=200_000)] = 20_000  # a side


class ModelSpec(Grown):
    """One monitored model. Its identity is :attr:`hash`; two files that say the same have the same hash."""

    later: ClassVar[tuple[str, ...]] = ("fairness", "business", "alerts")

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    owner: str
    description: str = ""
    task: Task
    source: Source
    columns: Columns = Columns()
    features: Annotated[dict[str, ShortFeature], Field(min_length=1)]
    segments: tuple[str, ...] = ()
    window: WindowSpec = WindowSpec()
    quality: Quality = Quality()
    drift: Drift = Drift()
    labels: Labels = Labels()
    performance: Performance
    fairness: Fairness = Fairness()
    business: Business = Business()
    health: Health = Health()
    policy: Policy = Policy()
    training: Training
    comparison: Comparison = Comparison()
    reports: Reports = Reports()
    alerts: Alerts = Alerts()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> ModelSpec:
        for where, metric in (("performance", self.performance.metric), ("comparison", self.comparison.metric)):
            if metric is not None and self.task not in metric.tasks:
                names = ", ".join(m.value for m in Metric if self.task in m.tasks)
                raise ValueError(f"{where}.metric {metric} is not for task {self.task}; expected one of {names}")
        if self.compared_on is Metric.CALIBRATION_ERROR:
            raise ValueError("comparison.metric: calibration_error does not rank models; name another, such as log_loss or brier")
        if self.compared_on is Metric.PINBALL and self.performance.quantile is None:
            raise ValueError("comparison.metric pinball needs performance.quantile: the quantile that the score predicts")
        for segment in self.segments:
            if segment not in self.features or self.features[segment].type is not FeatureType.CATEGORICAL:
                names = ", ".join(n for n, f in self.features.items() if f.type is FeatureType.CATEGORICAL) or "none"
                raise ValueError(f"segments: {segment!r} is not a categorical feature; those are: {names}")
        self._require_correlated()
        for name, feature in self.features.items():
            if feature.threshold is not None and self.drift.method_of(feature) is DriftMethod.AUTO:
                raise ValueError(f"features.{name}: a threshold is for one method, and `auto` may choose any; name the method")
        reserved = {v for v in self.columns.model_dump().values() if v is not None} & set(self.features)
        if reserved:
            raise ValueError(f"features: {', '.join(sorted(reserved))} is already the name of a log column (see columns)")
        trained_on = sorted(set(self.fairness.protected) & set(self.features))
        if trained_on:
            raise ValueError(f"fairness.protected: {', '.join(trained_on)} is a feature; protected columns are for measuring only")
        if self.task is not Task.BINARY and self.business.value is not None:
            raise ValueError("business.value is for binary models only; remove it")
        unknown = sorted(set(self.guarded) - {*self.segments, *self.fairness.protected})
        if unknown:
            raise ValueError(
                f"comparison.guarded: {', '.join(unknown)} is neither in segments nor in fairness.protected; name it there first"
            )
        if self.guarded and self.comparison.margin is None and self.compared_on is not self.performance.metric:
            raise ValueError(
                "comparison.margin: guarded groups are compared on "
                f"{self.compared_on}, and performance.tolerated_loss is in {self.performance.metric}; say what may be lost"
            )
        if self.comparison.tolerated_flips is not None and self.task is not Task.BINARY:
            raise ValueError("comparison.tolerated_flips is for binary models only; remove it")
        if self.business.minimum_value is not None and self.business.value is None:
            raise ValueError("business.minimum_value needs business.value: what a hit, a false alarm, a miss and a pass are worth")
        if bool(self.business.kpis) != (self.source.outcomes is not None):
            raise ValueError("business.kpis are columns of source.outcomes; give both or neither")
        named = sorted(set(self.business.kpis) & {"value_per_prediction", *self.segments})
        if named:
            raise ValueError(f"business.kpis: {', '.join(named)} is the name of something else; choose another")
        if self.fairness.protected and self.task is not Task.BINARY:
            raise ValueError("fairness.protected is measured for binary models only; remove it")
        taken = {"label", "weight", "score", "inclusion_probability"} & set(self.features)
        if taken:
            raise ValueError(f"features: {', '.join(sorted(taken))} is the name of what vigil gives the trainer; rename the feature")
        if self.training.include_reference and self.source.reference is None:
            raise ValueError("training.include_reference needs source.reference; give it, or set include_reference: false")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON of everything specified, defaults included."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def _require_correlated(self) -> None:
        numeric = [name for name, feature in self.features.items() if feature.type is FeatureType.NUMERIC]
        seen: set[frozenset[str]] = set()
        for pair in self.drift.correlations.pairs:
            for name in pair:
                if name not in numeric:
                    raise ValueError(f"drift.correlations: {name!r} is not a numeric feature; those are: {', '.join(numeric) or 'none'}")
            if pair[0] == pair[1] or frozenset(pair) in seen:
                raise ValueError(
                    f"drift.correlations: {pair[0]!r} with {pair[1]!r} is one feature, or stands there twice; name each pair once"
                )
            seen.add(frozenset(pair))
        if self.drift.correlations.top and len(numeric) > CORRELATED_FEATURES:
            raise ValueError(
                f"drift.correlations.top looks at every pair of at most {CORRELATED_FEATURES} numeric features; "
                f"here are {len(numeric)}: name the pairs"
            )

    def canonical_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def compared_on(self) -> Metric:
        return self.comparison.metric or self.performance.metric

    @property
    def guarded(self) -> tuple[str, ...]:
        """The columns in none of whose values a challenger may lose."""
        return self.fairness.protected if self.comparison.guarded is None else self.comparison.guarded

    @property
    def guarded_margin(self) -> float:
        """What a challenger may lose in a guarded group, in :attr:`compared_on`'s unit."""
        return self.performance.tolerated_loss if self.comparison.margin is None else self.comparison.margin

    def as_of(self, window: Window) -> datetime:
        """When a window is due to be measured: its end plus the label delay."""
        return window.end + timedelta(days=self.labels.delay_days)
