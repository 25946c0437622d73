"""What a person writes about a search of the trainer's parameters: ``training.search``, as frozen objects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vigil.spec.base import SpecModel


class FloatRange(SpecModel):
    """A number between two others, both included."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False  # drawn evenly in its logarithm: for what ranges over powers of ten

    @model_validator(mode="after")
    def _is_a_range(self) -> FloatRange:
        _require_range(self.low, self.high, log=self.log)
        return self

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class IntRange(SpecModel):
    """A whole number between two others, both included."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> IntRange:
        _require_range(self.low, self.high, log=self.log)
        return self

    def holds(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class Choices(SpecModel):
    """One of a list."""

    type: Literal["categorical"]
    choices: Annotated[tuple[bool | int | float | str | None, ...], Field(min_length=2)]

    def holds(self, value: Any) -> bool:
        return value in self.choices


Range = Annotated[FloatRange | IntRange | Choices, Field(discriminator="type")]


class Search(SpecModel):
    """A bounded search: so many fits to the earlier rows of a training, judged on its later ones."""

    trials: Annotated[int, Field(ge=2, le=1000)] = 20  # convention
    seconds: Annotated[float, Field(gt=0)] | None = None  # no trial begins later; with it, a slower machine may find something else
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.25  # share of the rows, the latest, that judges; convention
    space: Annotated[dict[str, Range], Field(min_length=1)]  # parameter -> what it may be


def _require_range(low: float, high: float, *, log: bool) -> None:
    if not low < high:
        raise ValueError(f"low {low:g} is not below high {high:g}: there is nothing to search")
    if log and low <= 0:
        raise ValueError(f"log needs low above 0, got {low:g}")
