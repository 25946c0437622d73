"""What the monitoring database promises, whichever engine it runs on.

Guarantees that hold for every method:

- A write is one transaction: a process killed at any point leaves it done or not begun.
- A write is idempotent on its natural key: the same write again changes nothing and returns ``False``.
- A write with the same key but other content raises :class:`~vigil.errors.Conflict`; nothing is overwritten silently.
- When and by what something was first seen (``as_of``, ``registered_at``, ``code_version``) is not content: the same again
  later is the same, and the first stays.
- A write that refers to something that is not saved (a specification, evaluation, decision or version) raises
  :class:`~vigil.errors.StoreError` naming it.
- Times go in and come out as timezone-aware UTC. Floats come back bit for bit, -0.0 as 0.0. What could not come back (NaN, a
  time without an offset, JSON that is not plain, text that is not Unicode) is refused with ``ValueError``.
- Lists come back in a stated order. What is not there is ``None`` or an empty tuple, never an exception.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from vigil.alerts.incident import Event
from vigil.alerts.message import Delivery, Message, Standing
from vigil.decision.types import Decision
from vigil.measurement import Measurement
from vigil.store.ledger import LedgerCheck
from vigil.store.records import (
    Approval,
    Batch,
    ChallengerLook,
    Champion,
    Evaluation,
    FlowRun,
    LabelPlan,
    Payoff,
    Promotion,
    PromotionKind,
    Retraining,
    RetrainingState,
    Review,
    ReviewSession,
    TrainingAttempt,
    Version,
)
from vigil.window import Window


class Store(Protocol):
    """The monitoring database. ``vigil.store.sql.SqlStore`` is the implementation."""

    # specifications -------------------------------------------------------------------------------------------------
    def save_spec(self, model: str, spec_hash: str, body: str) -> bool:
        """Keep a specification's canonical JSON under its hash, so that every decision can be replayed."""
        ...

    def spec(self, spec_hash: str) -> str | None: ...

    # versions and the champion --------------------------------------------------------------------------------------
    def save_version(self, version: Version) -> bool: ...

    def version(self, model: str, version: str) -> Version | None: ...

    def versions(self, model: str) -> tuple[Version, ...]:
        """All versions, in the order of their registration."""
        ...

    def champion(self, model: str) -> Champion | None: ...

    def move_champion(
        self,
        model: str,
        version: str,
        *,
        expected_token: int,
        kind: PromotionKind,
        by: str,
        reason: str,
        at: datetime,
        decision_id: str | None = None,
    ) -> Promotion:
        """Make ``version`` champion by compare-and-set on the token (0 where there is no champion yet).

        Writes the audit row in the same transaction. Where ``version`` is champion already by the same decision_id the
        existing promotion is returned and nothing is written.

        Raises:
            Conflict: the champion has moved since ``expected_token`` was read, or this decision made the version champion
                before and it was replaced since (a retry must not undo a rollback).
            StoreError: no such version is saved.
        """
        ...

    def promotions(self, model: str) -> tuple[Promotion, ...]:
        """The audit trail of champions, oldest first."""
        ...

    # profiles -------------------------------------------------------------------------------------------------------
    def save_profiles(
        self, model: str, window: Window, data_digest: str, layout_digest: str, bodies: Mapping[tuple[str, str], str]
    ) -> bool:
        """Keep a window's profiles as JSON, keyed by (version, segment), under what they were made from."""
        ...

    def profiles(self, model: str, window: Window, data_digest: str, layout_digest: str) -> Mapping[tuple[str, str], str]: ...

    def profiles_over(
        self, model: str, data_digests: Mapping[Window, str], layout_digest: str, *, version: str, segment: str
    ) -> Mapping[Window, str]:
        """The profile of one version and segment in each of many windows, by window: the one made from the digest given for it.

        A window without one is not in it. All are of one moment of the database, in one query a thousand windows.
        """
        ...

    # files of rows ---------------------------------------------------------------------------------------------------
    def save_batches(self, batches: Sequence[Batch]) -> int:
        """Keep contents of files, together or not at all; return how many are new.

        When and by whom one was first seen or accepted is not content.
        """
        ...

    def batches(self, model: str) -> tuple[Batch, ...]:
        """All contents of all files of a model, in the order of recording."""
        ...

    # plans of labels --------------------------------------------------------------------------------------------------
    def save_label_plan(self, plan: LabelPlan) -> bool: ...

    def label_plans(self, model: str) -> tuple[LabelPlan, ...]:
        """All plans of labels of a model, in the order of recording."""
        ...

    # reviews by people ------------------------------------------------------------------------------------------------
    def save_review_session(self, session: ReviewSession) -> bool: ...

    def review_sessions(self, model: str) -> tuple[ReviewSession, ...]:
        """All sessions of a model, in the order of recording."""
        ...

    def save_reviews(self, reviews: Sequence[Review]) -> int:
        """Keep what people said of rows, together or not at all; return how many are new."""
        ...

    def reviews(self, model: str) -> tuple[Review, ...]:
        """Everything that was said of a model's rows, in the order of recording."""
        ...

    # evaluations ----------------------------------------------------------------------------------------------------
    def record_evaluation(self, evaluation: Evaluation, measurements: Sequence[Measurement]) -> bool:
        """Keep an evaluation and all its measurements, together or not at all."""
        ...

    def evaluation(self, evaluation_id: str) -> Evaluation | None: ...

    def evaluations(
        self, model: str, *, start: datetime | None = None, end: datetime | None = None, as_of: datetime | None = None
    ) -> tuple[Evaluation, ...]:
        """The latest evaluation of each window that starts in ``[start, end)``, by window start.

        Latest is by ``as_of``, then by the order of recording; with ``as_of`` given, later looks are not seen.
        """
        ...

    def evaluations_of(self, evaluation_ids: Sequence[str]) -> Mapping[str, Evaluation]:
        """The evaluations asked for, by their id; those that are not there are not in it."""
        ...

    def measurements(
        self, evaluation_ids: Sequence[str], *, subject: str | None = None, metrics: Collection[str] | None = None
    ) -> Mapping[str, tuple[Measurement, ...]]:
        """The measurements of each evaluation asked for, by their key; with ``subject`` or ``metrics`` only those."""
        ...

    # decisions and retrainings ----------------------------------------------------------------------------------------
    def record_decision(self, decision: Decision, evidence: Mapping[str, Any]) -> bool:
        """Keep a decision with what it saw (ids of rows, not copies), and link it to the ledger. One per evaluation."""
        ...

    def verify_ledger(self, *, head: str | None = None) -> LedgerCheck:
        """Check the chain of all decisions: each link follows the one before, and what it covers is what it was."""
        ...

    def decision(self, decision_id: str) -> Decision | None: ...

    def evidence(self, decision_id: str) -> Mapping[str, Any] | None:
        """What a decision saw, as it was recorded with it: enough to gather the same evidence again."""
        ...

    def decisions(self, model: str, *, start: datetime | None = None, end: datetime | None = None) -> tuple[Decision, ...]:
        """All decisions about windows that start in ``[start, end)``, by window start, then in the order of recording."""
        ...

    def request_retraining(self, decision_id: str, *, model: str, champion: str, at: datetime) -> bool:
        """Create the one retraining of a decision; False where it exists already, whatever its state."""
        ...

    def advance_retraining(
        self,
        decision_id: str,
        state: RetrainingState,
        *,
        at: datetime,
        challenger: str | None = None,
        comparison: Mapping[str, Any] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Retraining:
        """Move a retraining along one of :data:`~vigil.store.records.EDGES`; the same state again changes nothing.

        Raises:
            Conflict: somebody else was first: it is in a state from which ``state`` cannot be reached, or in ``state`` already
                with another challenger or by another person.
            StoreError: no such retraining.
        """
        ...

    def retraining(self, decision_id: str) -> Retraining | None: ...

    def retrainings(self, model: str) -> tuple[Retraining, ...]:
        """All retrainings of a model, in the order they were requested."""
        ...

    def ask_approval(self, asked: Approval, *, comparison: Mapping[str, Any], reason: str, at: datetime) -> Retraining:
        """Let a registered retraining wait for a person's answer to ``asked``, together or not at all.

        Raises:
            Conflict: the champion is another one than was compared with, or something else was asked already.
        """
        ...

    def approval(self, decision_id: str) -> Approval | None: ...

    def answer_approval(
        self, decision_id: str, *, approve: bool, by: str, reason: str, at: datetime, evidence: str | None = None
    ) -> Retraining:
        """Answer what was asked: the answer, the champion's move and the retraining's state are one transaction.

        The same answer by the same person again changes nothing.

        Args:
            evidence: the beginning of the digest of what was read; None: not compared.

        Raises:
            Conflict: somebody else answered first, the champion has moved since it was asked, or another evidence was read.
            NotAllowed: nothing is asked, or the time to answer is over.
        """
        ...

    def expire_approval(self, decision_id: str, *, at: datetime) -> bool:
        """End a wait whose time is over, or that was for a place of the champion's that is gone; False where there is none."""
        ...

    def record_training_attempt(self, attempt: TrainingAttempt) -> bool:
        """Keep how an attempt to train ended; of two processes that made the same attempt the first one's stays."""
        ...

    def training_attempts(self, model: str) -> tuple[TrainingAttempt, ...]:
        """All attempts to train challengers of a model, in the order of recording."""
        ...

    def record_challenger_look(self, look: ChallengerLook) -> bool:
        """Keep what a window said of a challenger; a trial has one look a window, and the first one stays."""
        ...

    def challenger_looks(self, model: str, *, decision_id: str | None = None) -> tuple[ChallengerLook, ...]:
        """All looks at challengers of a model that were tried beside its champion, or at the one of a decision, by window."""
        ...

    # vigil's own runs -------------------------------------------------------------------------------------------------
    def begin_flow_run(self, run: FlowRun) -> bool: ...

    def end_flow_run(self, run_id: str, *, at: datetime, failure: str = "") -> bool:
        """Keep how a run ended; of several ends the first stays.

        Raises:
            Conflict: it ended in another way already.
            StoreError: it was never begun.
        """
        ...

    def flow_runs(self, model: str, *, latest: int) -> tuple[FlowRun, ...]:
        """The runs of a model that were begun last, in the order of their beginning."""
        ...

    def save_payoff(self, payoff: Payoff) -> bool:
        """Keep what a promotion brought; one per decision, never changed."""
        ...

    def payoffs(self, model: str) -> tuple[Payoff, ...]:
        """What the promotions of a model brought, by the end of their horizon."""
        ...

    # reports --------------------------------------------------------------------------------------------------------
    def save_report(self, evaluation_id: str, kind: str, path: str) -> bool:
        """Keep where an evaluation's report file lies, relative to the project's folder."""
        ...

    def reports(self, evaluation_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """``evaluation_id -> kind -> path``."""
        ...

    # incidents and messages -------------------------------------------------------------------------------------------
    def record_alerts(
        self, evaluation_id: str | None, *, model: str, at: datetime, events: Sequence[Event], messages: Sequence[Message]
    ) -> bool:
        """Append events of incidents and the messages about them, together or not at all, once for each evaluation.

        ``evaluation_id`` is None where a person caused them. Messages of an incident that joins a fleet incident become
        superseded where nobody has tried to deliver them.

        Raises:
            Conflict: an incident has moved on since it was read, so an event's number is taken.
        """
        ...

    def alerted(self, evaluation_id: str) -> bool:
        """Tell whether what an evaluation says to incidents was recorded, be it nothing."""
        ...

    def incident_events(self, *, model: str | None = None, incident_id: str | None = None) -> Mapping[str, tuple[Event, ...]]:
        """``incident_id -> its events`` in the order of their numbers. The events of digests, which are of no incident, are left out."""
        ...

    def messages(
        self, *, standing: Standing | None = None, incident_id: str | None = None, since: datetime | None = None
    ) -> tuple[Message, ...]:
        """Messages by when they were made; with ``since`` those that were made then or later."""
        ...

    def claim_message(self, message: Message, *, until: datetime) -> bool:
        """Begin the next attempt to deliver: of several that ask with the same message one gets True, the others wait ``until``."""
        ...

    def finish_message(self, delivery: Delivery, *, standing: Standing, next_at: datetime, second: Message | None = None) -> bool:
        """Keep how an attempt went, where the message stands now, and the message to a second channel, together or not at all."""
        ...

    def receipt(self, incident_id: str, channel: str) -> str | None:
        """What a channel called the first message of an incident that it took; None where it said nothing, or took none."""
        ...

    def deliveries(self, key: str) -> tuple[Delivery, ...]:
        """The attempts to deliver a message, in order."""
        ...
