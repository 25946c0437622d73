"""What the store keeps, as frozen domain objects. Database rows never leave :mod:`vigil.store.sql`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from vigil.errors import TrainingOutcome
from vigil.window import Window


@dataclass(frozen=True)
class Evaluation:
    """One look at one window: what data and labels were there, as of when, under which specification and version.

    ``evaluation_id`` is a digest of (model, window, version, spec_hash, data_digest, labels_digest): looking again at
    the same things is the same evaluation; late labels or rows make a new one, and the old one stays as it was.
    """

    evaluation_id: str
    model: str
    window: Window
    version: str
    as_of: datetime
    spec_hash: str
    data_digest: str
    labels_digest: str
    rows: int
    labels: int
    quality_passed: bool
    code_version: str


@dataclass(frozen=True)
class Batch:
    """One content of one file of a model's rows: a file that was rewritten has several.

    Attributes:
        kind: ``predictions``, ``labels`` or ``outcomes``.
        path: relative to the project's folder where it lies in it.
        sha256: of its bytes; :data:`ABSENT` where a person accepted that the file is gone.
        modified_ns: the file's time of modification, in nanoseconds since 1970.
        first_us, last_us: its first and last event time in microseconds since 1970, as its footer tells; None where it does not.
        by, reason: who accepted this content in place of another, and why; empty where a look saw it first.
    """

    model: str
    kind: str
    path: str
    sha256: str
    size: int
    modified_ns: int
    first_us: int | None
    last_us: int | None
    seen_at: datetime
    by: str = ""
    reason: str = ""


ABSENT = "absent"


@dataclass(frozen=True)
class LabelPlan:
    """Labels that were asked for of one window. Natural key: (model, window, budget, seed).

    ``body`` is the JSON of :class:`vigil.labels.plan.Plan`: strata, chosen rows and their inclusion probabilities.
    """

    plan_id: str
    model: str
    window: Window
    budget: int
    seed: int
    made_at: datetime
    body: str


@dataclass(frozen=True)
class ReviewSession:
    """Predictions of one window that people were asked to look at. Natural key: (model, window, rows, seed), of which the id is a digest.

    ``body`` is the JSON of :class:`vigil.review.session.Session`: which rows, and why.
    """

    session_id: str
    model: str
    window: Window
    rows: int
    seed: int
    made_at: datetime
    body: str


@dataclass(frozen=True)
class Review:
    """What a person said of one row of a session. Natural key: session, prediction, reviewer and moment; of several the latest counts.

    ``label`` is None where none was given; ``outcome`` and ``comment`` may be empty.
    """

    session_id: str
    model: str
    prediction_id: str
    label: float | None
    outcome: str
    comment: str
    reviewer: str
    at: datetime


@dataclass(frozen=True)
class Version:
    """One registered version of a model, as vigil needs to know it. ``version`` is the MLflow registry version.

    Attributes:
        baseline: performance on held-out labelled rows when it was registered, in ``metric``; None where unmeasured.
        importance: feature -> non-negative share, summing to 1: how much drift of each feature matters.
        training: plain JSON of the lineage: windows used, windows left out and why, digests, rows.
        decision_id: the decision that caused it; None for an adopted first version.
        layout, profile: JSON of the reference layout and profile (:mod:`vigil.profile`) made from its training rows.
    """

    model: str
    version: str
    registered_at: datetime
    spec_hash: str
    metric: str
    baseline: float | None
    importance: Mapping[str, float]
    training: Mapping[str, Any]
    layout: str
    profile: str
    decision_id: str | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Champion:
    """Who serves now. ``token`` grows by one with every move: it fences writers that read an older state."""

    model: str
    version: str
    token: int
    since: datetime


class PromotionKind(StrEnum):
    """Why a version became champion."""

    ADOPTED = "adopted"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    OUTSIDE = "outside"  # somebody moved the alias in MLflow, past vigil


@dataclass(frozen=True)
class Promotion:
    """One move of the champion: the audit trail."""

    model: str
    token: int
    version: str
    replaced: str | None
    kind: PromotionKind
    by: str
    reason: str
    at: datetime
    decision_id: str | None = None


class RetrainingState(StrEnum):
    """Where a retraining stands. ``requested -> registered``, and then one of the final states, or waiting."""

    REQUESTED = "requested"
    REGISTERED = "registered"
    SHADOW = "shadow"  # too few labels to compare: it scores beside the champion
    CANARY = "canary"  # it won, and serves a share before it is let serve all
    WAITING = "waiting_for_approval"
    PROMOTED = "promoted"
    KEPT = "champion_kept"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return not EDGES[self] or self is RetrainingState.FAILED


EDGES: Mapping[RetrainingState, tuple[RetrainingState, ...]] = {
    RetrainingState.REQUESTED: (RetrainingState.REGISTERED, RetrainingState.FAILED),
    RetrainingState.REGISTERED: (
        RetrainingState.SHADOW,
        RetrainingState.CANARY,
        RetrainingState.WAITING,
        RetrainingState.PROMOTED,
        RetrainingState.KEPT,
        RetrainingState.FAILED,
    ),
    RetrainingState.SHADOW: (RetrainingState.CANARY, RetrainingState.WAITING, RetrainingState.PROMOTED, RetrainingState.KEPT),
    RetrainingState.CANARY: (RetrainingState.WAITING, RetrainingState.PROMOTED, RetrainingState.KEPT),
    RetrainingState.WAITING: (RetrainingState.PROMOTED, RetrainingState.REJECTED, RetrainingState.EXPIRED),
    RetrainingState.PROMOTED: (),
    RetrainingState.KEPT: (),
    RetrainingState.REJECTED: (),
    RetrainingState.EXPIRED: (),
    RetrainingState.FAILED: (RetrainingState.REQUESTED,),  # tried again by a person
}


@dataclass(frozen=True)
class Retraining:
    """The one retraining that a decision may start, and how far it got."""

    decision_id: str
    model: str
    state: RetrainingState
    requested_at: datetime
    updated_at: datetime
    champion: str  # the version in service when it was requested
    challenger: str | None = None
    comparison: Mapping[str, Any] = field(default_factory=dict)  # plain JSON of vigil.challenger.compare.Comparison
    reason: str = ""  # why it ended as it did, in plain words
    by: str = ""  # who approved or rejected


@dataclass(frozen=True)
class TrainingAttempt:
    """One run of the trainer for a retraining that came to an end. Natural key: (decision_id, number).

    Attributes:
        number: 1 for the first.
        at: when, on the clock that the retraining's own moments are of.
        seconds: how long the trainer worked.
        peak_mb: the most resident memory that was seen of its process and its children.
        message: why it failed, in plain words; empty where it did not.
        output: the end of what it printed.
    """

    decision_id: str
    number: int
    model: str
    at: datetime
    outcome: TrainingOutcome
    seconds: float
    peak_mb: float
    message: str
    output: str


class LookKind(StrEnum):
    """How a challenger is tried beside the champion."""

    SHADOW = "shadow"  # it scores the champion's rows, and serves none
    CANARY = "canary"  # it serves a share of its own


@dataclass(frozen=True)
class ChallengerLook:
    """What one window said of a challenger that is tried beside the champion. Natural key: (decision_id, kind, window): one look a window.

    Attributes:
        as_of: labels known by then count.
        champion, challenger: the compared metric in this window alone; None where it has none there.
        n: labelled rows that this rests on.
        comparison: plain JSON of vigil.challenger.compare.Comparison, on all windows of the trial so far; its verdict is the look's.
    """

    decision_id: str
    kind: LookKind
    model: str
    window: Window
    as_of: datetime
    champion: float | None
    challenger: float | None
    n: int
    comparison: Mapping[str, Any]

    def flat(self) -> dict[str, Any]:
        """Return the fields by name, the window as ``window_start`` and ``window_end``."""
        rest = {name: value for name, value in vars(self).items() if name != "window"}
        return rest | {"window_start": self.window.start, "window_end": self.window.end}


@dataclass(frozen=True)
class FlowRun:
    """One run of vigil's own over one model: a look by itself, or the model's turn in the run over all models. Natural key: run_id.

    Attributes:
        begun_at, ended_at: by the clock on the wall; ``ended_at`` None: it is at work, or was killed.
        failure: why it failed, in plain words; empty where it did not.
    """

    run_id: str
    model: str
    begun_at: datetime
    ended_at: datetime | None = None
    failure: str = ""

    def failed(self, because: str) -> FlowRun:
        return replace(self, failure=because)


@dataclass(frozen=True)
class Approval:
    """What a person is asked to let serve, and the answer. Natural key: decision_id; one question, one answer.

    Attributes:
        champion, token: who serves, and since which move of the champion: an answer after another move is refused.
        evidence: digest of all that is asked: decision, challenger, champion, token and comparison.
        answer: ``approved`` or ``rejected``; None until it is given.
    """

    decision_id: str
    model: str
    challenger: str
    champion: str
    token: int
    evidence: str
    asked_at: datetime
    expires_at: datetime
    answer: str | None = None
    by: str | None = None
    reason: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Payoff:
    """What a promotion brought over its horizon, beside what its comparison had said. Natural key: ``decision_id``.

    Attributes:
        as_of: when the horizon's last window was due; labels known by then count.
        metric: that of the comparison; all gains are in its unit, positive = the promoted version is better.
        predicted: the comparison's difference.
        realised, low, high: on the labelled rows of the horizon's windows that the promoted version served, against the version that it
            replaced, on the same rows; None where they are too few.
        n, windows: on how many labelled rows of how many windows it rests.
    """

    decision_id: str
    model: str
    as_of: datetime
    metric: str
    predicted: float
    realised: float | None
    low: float | None
    high: float | None
    n: int
    windows: int
