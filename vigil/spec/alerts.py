"""The ``alerts`` section of a model: which breaches are alerted, how urgently, when they are one incident and when it is over.

Differs from :mod:`vigil.spec.channels`, which says where messages go; that is the installation's, not the model's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from vigil.measurement import Layer
from vigil.spec.base import Anomaly, SpecModel, Sustained


class Tier(StrEnum):
    """How urgent: P0 now, P1 within hours, P2 in the weekly digest only. After Google's SRE Workbook, ch. 5: page, ticket, log."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"

    @property
    def sends(self) -> bool:
        """Whether somebody is told at once."""
        return self is not Tier.P2

    @classmethod
    def worst(cls, tiers: list[Tier]) -> Tier:
        return min(tiers, key=lambda tier: tier.value)


class Dynamic(SpecModel):
    """A threshold from the metric's own history: the median of the same weekday, give or take a multiple of the robust spread."""

    weeks: Annotated[int, Field(ge=4, le=52)] = 8  # of history; convention: two months see a monthly rhythm twice
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = 0.01  # share of ordinary windows that lie outside, before `sustained`; convention
    above: bool = True  # judge values above the band
    below: bool = True  # judge values below the band


class AlertRule(SpecModel):
    """What is alerted of one metric. Without a threshold of its own it follows the verdict that was measured."""

    layer: Layer
    metric: str = "*"  # a name, with * and ? as in file names: latency_*
    subject: str | None = None  # a feature or `column=value`; null: any
    tier: Tier | None  # null: never alerted
    sustained: Sustained = Sustained(k=1, n=1)  # measured windows
    above: float | None = None  # breach above this value
    below: float | None = None  # breach below this value
    of_baseline: bool = False  # above and below are multiples of the median of the windows before
    dynamic: Dynamic | None = None
    catastrophic: Annotated[float, Field(gt=1)] | None = None  # so many times what is tolerated makes it P0; null: never

    @model_validator(mode="after")
    def _one_threshold(self) -> AlertRule:
        if self.dynamic is not None and self.static:
            raise ValueError("a rule has either a dynamic threshold or above/below, not both")
        if self.of_baseline and not self.static:
            raise ValueError("of_baseline says what above and below are multiples of; give one of them")
        if self.tier is None and not self.follows_verdict:
            raise ValueError("a rule with tier: null is never alerted, so its threshold would not be read; remove it")
        return self

    @property
    def static(self) -> bool:
        """Whether it has limits that are written down, in the metric's unit or as multiples of its baseline."""
        return self.above is not None or self.below is not None

    @property
    def follows_verdict(self) -> bool:
        """Whether it has no threshold of its own."""
        return self.dynamic is None and not self.static


class Alerts(SpecModel):
    """When a breach becomes an alert, which breaches are one incident, and when it is over."""

    playbook: str | None = None  # a link to what to do; {kind} stands for the suspected cause: https://wiki.example.org/late#{kind}
    rules: tuple[AlertRule, ...] = ()  # before vigil's own (vigil.alerts.rules); the first that fits is followed
    join_windows: Annotated[int, Field(ge=0)] = 5  # a new finding joins an incident that goes on and had a new one so lately; convention
    clear_windows: Annotated[int, Field(ge=1)] = 2  # measured windows in bounds that resolve it, doubled by each reopening; convention
    reopen_windows: Annotated[int, Field(ge=0)] = 5  # the same finding so soon after is the same incident; convention
    hysteresis: Annotated[float, Field(ge=0, lt=1)] = 0.1  # in bounds means by this part of what is tolerated; convention
    maintenance: tuple[Anomaly, ...] = ()  # declared spans in which nothing is alerted; so are policy.anomalies
