"""The words of a decision: action, evidence, gate result, decision. No rule stands here; those are in :mod:`vigil.decision.gates`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from vigil.measurement import Measurement
from vigil.window import Window


class Action(StrEnum):
    """What vigil may decide to do about a window."""

    RETRAIN = "RETRAIN"
    RECALIBRATE = "RECALIBRATE"
    GET_LABELS = "GET_LABELS"
    FIX_DATA = "FIX_DATA"
    ROLLBACK = "ROLLBACK"
    HOLD = "HOLD"


class GateState(StrEnum):
    """What one gate said: it settles the matter, it lets the next gate look, it lacks what it needs, or was not asked."""

    FIRED = "fired"
    PASSED = "passed"
    UNKNOWN = "unknown"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True)
class GateResult:
    """One gate's answer. ``numbers`` are recorded whether or not the gate fired; ``sentence`` says it in plain words."""

    gate: str
    state: GateState
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PastWindow:
    """What an earlier window's evaluation found, as far as the ladder looks at it."""

    window: Window
    evaluation_id: str
    version: str
    quality_passed: bool
    drift: Measurement | None  # the window's importance-weighted drift share; None where it was not measured
    performance: Measurement | None  # the whole window's performance; None where it was not measured
    anomaly: str | None = None  # the declared anomaly that it overlaps
    business: Measurement | None = None  # the whole window's value per prediction; None where it was not measured


@dataclass(frozen=True)
class PastGain:
    """What a retraining of the model brought, in ``comparison.metric``: how much better the promoted challenger was, 0 where it lost.

    ``realised``: measured over its horizon, and not only by the comparison that promoted it, which speaks for the winner.
    """

    decision_id: str
    gain: float
    realised: bool = False


@dataclass(frozen=True)
class FleetBudget:
    """How many retrainings of all models may be decided within so many days, and those that were by then, by their decisions' ids."""

    most: int
    days: float
    spent: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Everything that a decision saw. It is rebuilt from the store by :func:`vigil.decision.evidence.gather`.

    Attributes:
        measurements: all measurements of the window's evaluation.
        history: earlier windows of the model, newest first, without the present one.
        windows_since_retraining: windows from the last retraining decision to this one; None where there was none.
        last_retraining: the id of that decision.
        current: the present window, in the same words as the history.
    """

    model: str
    window: Window
    evaluation_id: str
    as_of: datetime
    version: str
    current: PastWindow
    measurements: tuple[Measurement, ...]
    history: tuple[PastWindow, ...]
    windows_since_retraining: int | None
    last_retraining: str | None
    baseline: float | None  # the version's performance when it was registered
    gains: tuple[PastGain, ...] = ()  # of the retrainings that had ended by then, oldest first
    fleet: FleetBudget | None = None  # None where vigil.yaml sets none


@dataclass(frozen=True)
class Decision:
    """One decision about one evaluation: immutable, and recomputable from the store.

    ``decision_id`` is derived from the evaluation, so that deciding twice is one decision.
    """

    decision_id: str
    model: str
    window: Window
    evaluation_id: str
    version: str
    as_of: datetime
    action: Action
    reason: str
    gates: tuple[GateResult, ...]
    spec_hash: str
    code_version: str
