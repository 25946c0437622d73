"""Vigil's own alert rules, in the order in which they are tried after the model's. Every tier says where it comes from.

They are starting points: a model's own ``alerts.rules`` come first.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from vigil.measurement import Layer, Measurement
from vigil.performance.maturity import LABEL_MATURITY
from vigil.spec.alerts import AlertRule, Dynamic, Tier
from vigil.spec.base import Sustained
from vigil.spec.model import ModelSpec

OVERDUE = 0.5  # of the share of labels that usually is here when a window is looked at; convention


def rules_of(spec: ModelSpec) -> tuple[AlertRule, ...]:
    """Return the rules that a model's measurements are read by; the first that fits a measurement is its rule."""
    return (
        *spec.alerts.rules,
        # A failed critical expectation stops the window; it is acted on at once, but nobody is woken: the model still serves.
        AlertRule(layer=Layer.DATA_QUALITY, tier=Tier.P1),
        # Errors are what users see first: symptom-based paging, Google SRE Workbook ch. 5 and 6.
        # One window a little over the limit is chance; three times the limit, by convention, is not waited for.
        AlertRule(layer=Layer.SYSTEM, metric="error_rate", tier=Tier.P1, sustained=Sustained(k=2, n=3), catastrophic=3.0),
        AlertRule(layer=Layer.SYSTEM, metric="latency_*", tier=Tier.P1, sustained=Sustained(k=2, n=3)),
        AlertRule(layer=Layer.SYSTEM, metric="timeout_rate", tier=Tier.P1, sustained=Sustained(k=2, n=3)),
        AlertRule(
            layer=Layer.SYSTEM, metric="throughput_per_s", tier=Tier.P1, sustained=Sustained(k=2, n=3), below=spec.health.throughput_per_s
        ),
        *(
            AlertRule(layer=Layer.SYSTEM, metric=name, tier=query.tier, sustained=Sustained(k=2, n=3), above=query.above, below=query.below)
            for name, query in spec.health.queries.items()
        ),
        # Models that are not made when they are needed: of several attempts already.
        AlertRule(layer=Layer.SYSTEM, metric="training_success_rate", tier=Tier.P1),
        # Who watches does not watch: the measure is of several runs already, so once is enough.
        AlertRule(layer=Layer.SYSTEM, metric="flow_*", tier=Tier.P1),
        # Volume has no limit of its own: what is usual for the weekday is learnt. Two windows, so that a holiday is silent.
        AlertRule(layer=Layer.SYSTEM, metric="rows", tier=Tier.P1, sustained=Sustained(k=2, n=3), dynamic=Dynamic(above=False)),
        # A promise that was broken: shown by a comparison that holds over all looks of the probation, so once is enough.
        AlertRule(layer=Layer.PERFORMANCE, metric="probation", tier=Tier.P1),
        # Labels that are overdue: without them nobody knows how good the model is, as silence of the log says nothing of its health.
        # Where the share that counts as enough is not specified (labels.maturity), half of what usually is here by then; convention.
        AlertRule(
            layer=Layer.PERFORMANCE,
            metric=LABEL_MATURITY,
            tier=Tier.P1,
            sustained=Sustained(k=2, n=3),
            below=OVERDUE if spec.labels.maturity is None else None,
            of_baseline=spec.labels.maturity is None,
        ),
        # As the decision counts them. Three times the tolerated loss: catastrophic, by convention.
        AlertRule(layer=Layer.PERFORMANCE, tier=Tier.P1, sustained=spec.policy.performance, catastrophic=3.0),
        AlertRule(layer=Layer.DRIFT, metric="drift_share", tier=Tier.P1, sustained=spec.policy.drift),
        AlertRule(layer=Layer.DRIFT, tier=Tier.P2, sustained=spec.policy.drift),  # one feature alone is minor: the digest
        AlertRule(layer=Layer.BUSINESS, tier=Tier.P1, sustained=Sustained(k=2, n=3)),
    )


def rule_for(measurement: Measurement, rules: tuple[AlertRule, ...]) -> AlertRule | None:
    """Return the rule that a measurement is read by; None where it is never alerted."""
    for rule in rules:
        if (
            rule.layer is measurement.layer
            and fnmatchcase(measurement.metric, rule.metric)
            and (rule.subject is None or rule.subject == measurement.subject)
        ):
            return rule if rule.tier is not None else None
    return None
