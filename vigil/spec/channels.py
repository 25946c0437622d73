"""The ``alerts`` section of ``vigil.yaml``: where messages about incidents go, and who owns what many models share.

Differs from :mod:`vigil.spec.alerts`, which says of one model what is alerted. Secrets stand here as ``${NAME}`` only.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from vigil.spec.alerts import Tier
from vigil.spec.base import DAYS, MINUTES, SpecModel
from vigil.spec.hours import Hours

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Secret = Annotated[str, Field(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")]  # nothing but ${NAME}


class ChannelKind(StrEnum):
    """How a channel is spoken to."""

    SLACK = "slack"
    EMAIL = "email"
    WEBHOOK = "webhook"
    PAGERDUTY = "pagerduty"
    APPRISE = "apprise"


NEEDED = {
    ChannelKind.SLACK: (),
    ChannelKind.EMAIL: ("host", "sender", "to"),
    ChannelKind.WEBHOOK: (),
    ChannelKind.PAGERDUTY: ("routing_key",),
    ChannelKind.APPRISE: ("secret_url",),
}
ADMITTED = {
    ChannelKind.SLACK: ("secret_url", "token", "conversation", "url"),
    ChannelKind.EMAIL: ("host", "port", "sender", "to", "username", "password", "encryption"),
    ChannelKind.WEBHOOK: ("url", "secret_url", "authorization"),
    ChannelKind.PAGERDUTY: ("routing_key", "url"),
    ChannelKind.APPRISE: ("secret_url",),
}
COMMON = ("kind", "tiers", "second", "hours")


class Channel(SpecModel):
    """One place that messages go to."""

    kind: ChannelKind
    tiers: tuple[Tier, ...] = (Tier.P0, Tier.P1)  # what is sent there; P2 is the weekly digest
    second: Name | None = None  # the channel that gets what this one could not deliver
    hours: Name | None = None  # of alerts.hours, in which it is told of all but P0; null: always
    url: str | None = None  # webhook: an address without a secret; pagerduty, slack with a token: another than its own
    secret_url: Secret | None = None  # slack, apprise, or a webhook whose address is a secret: ${NAME}
    authorization: Secret | None = None  # webhook: the Authorization header
    token: Secret | None = None  # slack: of a bot that may write (chat:write); updates are then replies to the first message
    conversation: Annotated[str, Field(pattern=r"^[A-Z0-9]{3,20}$")] | None = None  # slack, with a token: the channel's id, C0123456789
    routing_key: Secret | None = None  # pagerduty: the integration key of Events API v2
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: str | None = None
    to: tuple[str, ...] = ()
    username: str | None = None
    password: Secret | None = None
    encryption: Literal["starttls", "tls", "none"] = "starttls"

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> Channel:
        given = {
            name for name in self.model_fields_set if name not in COMMON and getattr(self, name) != type(self).model_fields[name].default
        }
        strange = sorted(given - set(ADMITTED[self.kind]))
        if strange:
            raise ValueError(f"a {self.kind} channel has no {', '.join(strange)}; it takes {', '.join(ADMITTED[self.kind])}")
        lacking = [name for name in NEEDED[self.kind] if not getattr(self, name)]
        if lacking:
            raise ValueError(f"a {self.kind} channel needs {', '.join(lacking)}")
        if self.kind is ChannelKind.SLACK and (
            (self.secret_url is None) == (self.token is None) or bool(self.token) != bool(self.conversation)
        ):
            raise ValueError(
                "a slack channel needs secret_url (an incoming webhook), or token and conversation (a bot, which answers in threads)"
            )
        if self.kind is ChannelKind.WEBHOOK and (self.url is None) == (self.secret_url is None):
            raise ValueError("a webhook channel needs either url or secret_url: ${NAME}")
        if self.kind is ChannelKind.EMAIL and (self.username is None) != (self.password is None):
            raise ValueError("an email channel takes username and password: ${NAME} together")
        return self

    @field_validator("url")
    @classmethod
    def _no_secret_in_the_url(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("expected an http(s) address")
            if parts.username or parts.password or parts.query or "$" in url:
                raise ValueError("it would hold a secret in the file; give secret_url: ${NAME} and set NAME in the environment")
        return url

    @field_validator("sender", "to", "host", "username")
    @classmethod
    def _one_line(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if any("\n" in text or "\r" in text for text in ((value,) if isinstance(value, str) else value or ())):
            raise ValueError("expected one line")
        return value


class Escalation(SpecModel):
    """One step where nobody has acknowledged an incident in time: another channel is told, or it becomes more urgent, or both."""

    after_minutes: Annotated[float, Field(gt=0, le=MINUTES)]  # from when somebody was told
    to: Name | None = None  # a channel, whatever its tiers
    tier: Tier | None = None  # what it becomes: all channels of that tier are told; the last step of its list

    @model_validator(mode="after")
    def _does_something(self) -> Escalation:
        if self.to is None and self.tier is None:
            raise ValueError("a step needs to: CHANNEL, tier: P0, or both")
        return self


def _as_steps(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


OneOrMore = BeforeValidator(_as_steps, json_schema_input_type=Escalation | list[Escalation])
Steps = Annotated[tuple[Escalation, ...], Field(min_length=1), OneOrMore]


class AlertSettings(SpecModel):
    """How an installation tells people about incidents."""

    channels: dict[Name, Channel] = Field(default_factory=dict)
    hours: dict[Name, Hours] = Field(default_factory=dict)  # that channels may name
    escalation: dict[Tier, Steps] = Field(default_factory=dict)  # by tier, one step or several; none: nobody else is told
    link: str | None = None  # where an incident can be read; {incident} stands for its id: https://vigil.example.org/{incident}
    private_networks: tuple[str, ...] = ()  # that channels may connect to, as 10.1.0.0/16; public addresses always may
    attempts: Annotated[int, Field(ge=1)] = 40  # then dead letter; waits of 15 to 45 s, so about half an hour; convention
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0  # of one attempt, in all; convention
    stale_days: Annotated[float, Field(gt=0, le=100_000)] = 1.0  # looks back further than this are recorded and sent to nobody; convention
    fleet_models: Annotated[int, Field(ge=2)] = 3  # models under which one column breaks before it is one incident; convention
    fleet_days: Annotated[int, Field(ge=0, le=DAYS)] = 1  # within which it begins under all of them; convention
    fleet_owner: str = ""  # of what many models share
    owners: dict[str, str] = Field(default_factory=dict)  # column, or `serving` -> its owner, before fleet_owner

    @field_validator("private_networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no network; expected an address with its length, as 10.1.0.0/16") from None
        return networks

    @model_validator(mode="after")
    def _second_channels_exist(self) -> AlertSettings:
        for name, channel in self.channels.items():
            if channel.second is not None and (channel.second not in self.channels or channel.second == name):
                raise ValueError(
                    f"alerts: the second channel of {name} is {channel.second!r}; the others are: "
                    f"{', '.join(sorted(set(self.channels) - {name})) or 'none'}"
                )
        return self

    @model_validator(mode="after")
    def _named_hours_and_channels_exist(self) -> AlertSettings:
        for name, channel in self.channels.items():
            if channel.hours is not None and channel.hours not in self.hours:
                raise ValueError(
                    f"alerts: the hours of {name} are {channel.hours!r}; alerts.hours has: {', '.join(sorted(self.hours)) or 'none'}"
                )
        for tier, steps in self.escalation.items():
            if not tier.sends:
                raise ValueError(f"alerts.escalation: nobody is told of {tier} at once, so nobody can be late; remove it")
            self._require_steps(tier, steps)
        return self

    def _require_steps(self, tier: Tier, steps: tuple[Escalation, ...]) -> None:
        for step, after in pairwise(steps):
            if after.after_minutes <= step.after_minutes:
                times = f"{step.after_minutes:g}, {after.after_minutes:g}"
                raise ValueError(f"alerts.escalation: the steps of {tier} come later one after another, got {times}")
            if step.tier is not None:
                raise ValueError(f"alerts.escalation: what becomes {step.tier} goes on by its steps; make that step the last of {tier}")
        for step in steps:
            if step.to is not None and step.to not in self.channels:
                raise ValueError(
                    f"alerts.escalation: {tier} goes to {step.to!r}; the channels are: {', '.join(sorted(self.channels)) or 'none'}"
                )
            if step.tier is not None and step.tier.value >= tier.value:
                raise ValueError(f"alerts.escalation: {tier} becomes {step.tier}, which is not more urgent")

    @property
    def digest_channels(self) -> tuple[str, ...]:
        """The channels that get the weekly digest: those of P2, but for pagers, which show what is to be done now."""
        return tuple(
            sorted(
                name for name, channel in self.channels.items() if Tier.P2 in channel.tiers and channel.kind is not ChannelKind.PAGERDUTY
            )
        )
