"""What the parts of every specification are made of: strictness, moments, ``k of n``, declared spans.

Differs from :mod:`vigil.spec.model`, which says what a model's file holds.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from vigil.window import Window, as_utc, parse_moment


class SpecModel(BaseModel):
    """Base of all parts of a specification: frozen, and an unknown key or a number that is not finite is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Grown(SpecModel):
    """Base of parts that got keys later: one that is left at its default is not serialised, so that no older hash changes."""

    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {key: value for key, value in serialize(self).items() if key not in self.later or getattr(self, key) != fields[key].default}


def parsed_moment(value: Any) -> Any:
    if isinstance(value, str):
        return parse_moment(value)
    return as_utc(value) if isinstance(value, date) else value


DAYS, MINUTES = 3650, 525_600  # no span of a specification is longer: ten years, or one where minutes count; convention

Moment = Annotated[datetime, AfterValidator(as_utc)]


class Sustained(SpecModel):
    """``k`` of the last ``n`` windows."""

    k: Annotated[int, Field(ge=1)]
    n: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _k_fits_n(self) -> Sustained:
        if self.k > self.n:
            raise ValueError(f"k of n windows needs k <= n, got {self.k} of {self.n}")
        return self


class Anomaly(SpecModel):
    """A declared holiday or one-off event, ``[start, end)``: it is neither acted on nor trained on.

    ``yearly``: every year on these days, before and after; a 29 February counts as the 28th where there is none.
    """

    name: str
    start: Annotated[Moment, BeforeValidator(parsed_moment, json_schema_input_type=datetime | date)]
    end: Annotated[Moment, BeforeValidator(parsed_moment, json_schema_input_type=datetime | date)]
    yearly: bool = False

    @model_validator(mode="after")
    def _ends_after_start(self) -> Anomaly:
        if self.end <= self.start:
            raise ValueError("an anomaly ends after it starts")
        if self.yearly and self.end - self.start >= timedelta(days=365):
            raise ValueError("an anomaly that comes back every year lasts less than one; leave out yearly, or shorten it")
        return self

    def overlaps(self, window: Window) -> bool:
        """Tell whether the window lies in it, wholly or in part."""
        if not self.yearly:
            return window.overlaps(self.start, self.end)
        years = range(window.start.year - 1, window.end.year + 1)  # one that begins in December may end in January
        lasts = self.end - self.start
        return any(window.overlaps(start, start + lasts) for start in (_in_year(self.start, year) for year in years))


def _in_year(moment: datetime, year: int) -> datetime:
    try:
        return moment.replace(year=year)
    except ValueError:
        return moment.replace(year=year, day=28)
