"""The monitoring database on SQLite or PostgreSQL: :class:`SqlStore` keeps the promises of :mod:`vigil.store.contract`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, Select, Table, func, select

from vigil.alerts.incident import Event
from vigil.alerts.message import Delivery, Message, Standing
from vigil.decision.types import Decision
from vigil.measurement import Measurement
from vigil.store import approvals, champions, flow_runs, incidents, ledger, retrainings, rows, tables
from vigil.store.engine import make_engine, parse_url, reading, writing
from vigil.store.keep import insert_new, keep, keep_parts, refuse_missing_parents
from vigil.store.ledger import LedgerCheck
from vigil.store.migrate import migrate
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
from vigil.store.rows import Row
from vigil.window import Window

_IDS_PER_QUERY = 1000  # far below the engines' limits on bound values (SQLite 32,766, PostgreSQL 65,535)


def open_store(url: str) -> SqlStore:
    """Open the monitoring database at ``url``, made or migrated to the newest schema first. Safe in many processes at once.

    Raises:
        StoreError: it is no database URL, the database cannot be reached, or a newer vigil has written it.
    """
    store = SqlStore(url)
    migrate(store.engine)
    return store


class SqlStore:
    """The store on SQLAlchemy Core. Threads may share one; it connects when it is first used.

    Every method raises :class:`~vigil.errors.StoreError` where the database cannot be used, and ``ValueError`` for what an
    engine could not give back as it came (see :mod:`vigil.store.rows`).
    """

    def __init__(self, url: str) -> None:
        self.engine = make_engine(parse_url(url))

    def close(self) -> None:
        """Close all connections. Used again, the store connects again."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # specifications -------------------------------------------------------------------------------------------------
    def save_spec(self, model: str, spec_hash: str, body: str) -> bool:
        row = rows.spec_row(model, spec_hash, body)
        with writing(self.engine) as connection:
            return keep(connection, tables.spec, row, keys=[("spec_hash",)])

    def spec(self, spec_hash: str) -> str | None:
        row = self._one(select(tables.spec).where(tables.spec.c.spec_hash == spec_hash))
        return None if row is None else row["body"]

    # versions and the champion --------------------------------------------------------------------------------------
    def save_version(self, version: Version) -> bool:
        row = rows.version_row(version)
        keys = [("model", "version"), ("decision_id",)]
        with writing(self.engine) as connection:
            return keep(connection, tables.version, row, keys=keys, not_content=("registered_at",))

    def version(self, model: str, version: str) -> Version | None:
        table = tables.version
        row = self._one(select(table).where(table.c.model == model, table.c.version == version))
        return None if row is None else rows.version_of(row)

    def versions(self, model: str) -> tuple[Version, ...]:
        table = tables.version
        query = select(table).where(table.c.model == model).order_by(table.c.registered_at, table.c.seq)
        return tuple(map(rows.version_of, self._all(query)))

    def champion(self, model: str) -> Champion | None:
        with reading(self.engine) as connection:
            trail = champions.trail(connection, model)
        return Champion(model=model, version=trail[-1].version, token=trail[-1].token, since=trail[-1].at) if trail else None

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
        wanted = Promotion(
            model=model,
            token=expected_token + 1,
            version=version,
            replaced=None,
            kind=kind,
            by=by,
            reason=reason,
            at=rows.utc(at, "at"),
            decision_id=decision_id,
        )
        with writing(self.engine) as connection:
            return champions.move(connection, wanted)

    def promotions(self, model: str) -> tuple[Promotion, ...]:
        with reading(self.engine) as connection:
            return champions.trail(connection, model)

    # profiles -------------------------------------------------------------------------------------------------------
    def save_profiles(
        self, model: str, window: Window, data_digest: str, layout_digest: str, bodies: Mapping[tuple[str, str], str]
    ) -> bool:
        made_from = rows.profile_set_row(model, window, data_digest, layout_digest)
        profiles = [rows.profile_row(version, segment, body) for (version, segment), body in bodies.items()]
        with writing(self.engine) as connection:
            new = keep(connection, tables.profile_set, made_from, keys=[tuple(made_from)])
            number = connection.execute(_matching(select(tables.profile_set.c.seq), tables.profile_set, made_from)).scalar_one()
            keep_parts(connection, tables.profile, profiles, of={"profile_set": number}, new=new)
            return new

    def profiles(self, model: str, window: Window, data_digest: str, layout_digest: str) -> Mapping[tuple[str, str], str]:
        made_from = rows.profile_set_row(model, window, data_digest, layout_digest)
        query = _matching(select(tables.profile).join(tables.profile_set), tables.profile_set, made_from)
        return dict(sorted(((row["version"], row["segment"]), row["body"]) for row in self._all(query)))

    def profiles_over(
        self, model: str, data_digests: Mapping[Window, str], layout_digest: str, *, version: str, segment: str
    ) -> Mapping[Window, str]:
        made_from, one = tables.profile_set.c, tables.profile.c
        query = (
            select(made_from.window_start, made_from.window_end, made_from.data_digest, one.body)
            .join(tables.profile, one.profile_set == made_from.seq)
            .where(made_from.model == model, made_from.layout_digest == layout_digest, one.version == version, one.segment == segment)
        )
        starts = [row["window_start"] for row in map(rows.window_columns, data_digests)]
        found = {
            rows.window_of(row): row["body"]
            for row in self._all_in(query, made_from.window_start, starts)
            if data_digests.get(rows.window_of(row)) == row["data_digest"]
        }
        return dict(sorted(found.items()))

    # files of rows ---------------------------------------------------------------------------------------------------
    def save_batches(self, batches: Sequence[Batch]) -> int:
        keys = [("model", "kind", "path", "sha256", "modified_ns")]
        with writing(self.engine) as connection:
            return sum(
                keep(connection, tables.batch, rows.batch_row(batch), keys=keys, not_content=("seen_at", "by", "reason"))
                for batch in batches
            )

    def batches(self, model: str) -> tuple[Batch, ...]:
        query = select(tables.batch).where(tables.batch.c.model == model).order_by(tables.batch.c.seq)
        return tuple(map(rows.batch_of, self._all(query)))

    # plans of labels --------------------------------------------------------------------------------------------------
    def save_label_plan(self, plan: LabelPlan) -> bool:
        keys = [("plan_id",), ("model", "window_start", "window_end", "budget", "seed")]
        with writing(self.engine) as connection:
            return keep(connection, tables.label_plan, rows.label_plan_row(plan), keys=keys, not_content=("made_at",))

    def label_plans(self, model: str) -> tuple[LabelPlan, ...]:
        query = select(tables.label_plan).where(tables.label_plan.c.model == model).order_by(tables.label_plan.c.seq)
        return tuple(map(rows.label_plan_of, self._all(query)))

    # reviews by people ------------------------------------------------------------------------------------------------
    def save_review_session(self, session: ReviewSession) -> bool:
        with writing(self.engine) as connection:
            return keep(
                connection, tables.review_session, rows.review_session_row(session), keys=[("session_id",)], not_content=("made_at",)
            )

    def review_sessions(self, model: str) -> tuple[ReviewSession, ...]:
        query = select(tables.review_session).where(tables.review_session.c.model == model).order_by(tables.review_session.c.seq)
        return tuple(map(rows.review_session_of, self._all(query)))

    def save_reviews(self, reviews: Sequence[Review]) -> int:
        keys = [("session_id", "prediction_id", "reviewer", "at")]
        with writing(self.engine) as connection:
            return sum(keep(connection, tables.review, rows.review_row(review), keys=keys) for review in reviews)

    def reviews(self, model: str) -> tuple[Review, ...]:
        query = select(tables.review).where(tables.review.c.model == model).order_by(tables.review.c.seq)
        return tuple(map(rows.review_of, self._all(query)))

    # evaluations ----------------------------------------------------------------------------------------------------
    def record_evaluation(self, evaluation: Evaluation, measurements: Sequence[Measurement]) -> bool:
        row = rows.evaluation_row(evaluation)
        parts = [rows.measurement_row(measurement) for measurement in measurements]
        with writing(self.engine) as connection:
            new = keep(connection, tables.evaluation, row, keys=[("evaluation_id",)], not_content=("as_of", "code_version"))
            keep_parts(connection, tables.measurement, parts, of={"evaluation_id": evaluation.evaluation_id}, new=new)
            return new

    def evaluation(self, evaluation_id: str) -> Evaluation | None:
        row = self._one(select(tables.evaluation).where(tables.evaluation.c.evaluation_id == evaluation_id))
        return None if row is None else rows.evaluation_of(row)

    def evaluations(
        self, model: str, *, start: datetime | None = None, end: datetime | None = None, as_of: datetime | None = None
    ) -> tuple[Evaluation, ...]:
        table = tables.evaluation
        latest_first = func.row_number().over(
            partition_by=(table.c.window_start, table.c.window_end), order_by=(table.c.as_of.desc(), table.c.seq.desc())
        )
        seen = _in_span(select(table, latest_first.label("look")), table, model, start, end)
        if as_of is not None:
            seen = seen.where(table.c.as_of <= rows.utc(as_of, "as_of"))
        looks = seen.subquery()
        query = select(looks).where(looks.c.look == 1).order_by(looks.c.window_start, looks.c.window_end)
        return tuple(map(rows.evaluation_of, self._all(query)))

    def evaluations_of(self, evaluation_ids: Sequence[str]) -> Mapping[str, Evaluation]:
        return {row["evaluation_id"]: rows.evaluation_of(row) for row in self._all_of(tables.evaluation, evaluation_ids)}

    def measurements(
        self, evaluation_ids: Sequence[str], *, subject: str | None = None, metrics: Collection[str] | None = None
    ) -> Mapping[str, tuple[Measurement, ...]]:
        found: dict[str, list[Measurement]] = {evaluation_id: [] for evaluation_id in evaluation_ids}
        query = select(tables.measurement)
        if subject is not None:
            query = query.where(tables.measurement.c.subject == subject)
        if metrics is not None:
            query = query.where(tables.measurement.c.metric.in_(sorted(metrics)))
        for row in self._all_in(query, tables.measurement.c.evaluation_id, evaluation_ids):
            found[row["evaluation_id"]].append(rows.measurement_of(row))
        return {evaluation_id: tuple(sorted(some, key=lambda measurement: measurement.key)) for evaluation_id, some in found.items()}

    # decisions and retrainings ----------------------------------------------------------------------------------------
    def record_decision(self, decision: Decision, evidence: Mapping[str, Any]) -> bool:
        row = rows.decision_row(decision, evidence)
        keys = [("evaluation_id",), ("decision_id",)]
        with writing(self.engine) as connection:
            new = keep(connection, tables.decision, row, keys=keys, not_content=("as_of", "code_version"))
            if new:
                ledger.append(connection, decision.decision_id)
            return new

    def verify_ledger(self, *, head: str | None = None) -> LedgerCheck:
        with reading(self.engine) as connection:
            return ledger.verify(connection, head)

    def decision(self, decision_id: str) -> Decision | None:
        row = self._one(select(tables.decision).where(tables.decision.c.decision_id == decision_id))
        return None if row is None else rows.decision_of(row)

    def evidence(self, decision_id: str) -> Mapping[str, Any] | None:
        row = self._one(select(tables.decision).where(tables.decision.c.decision_id == decision_id))
        return None if row is None else rows.evidence_of(row)

    def decisions(self, model: str, *, start: datetime | None = None, end: datetime | None = None) -> tuple[Decision, ...]:
        table = tables.decision
        query = _in_span(select(table), table, model, start, end).order_by(table.c.window_start, table.c.seq)
        return tuple(map(rows.decision_of, self._all(query)))

    def request_retraining(self, decision_id: str, *, model: str, champion: str, at: datetime) -> bool:
        with writing(self.engine) as connection:
            return retrainings.request(connection, decision_id, model, champion, at)

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
        with writing(self.engine) as connection:
            return retrainings.advance(
                connection, decision_id, state, at=at, challenger=challenger, comparison=comparison, reason=reason, by=by
            )

    def retraining(self, decision_id: str) -> Retraining | None:
        row = self._one(select(tables.retraining).where(tables.retraining.c.decision_id == decision_id))
        return None if row is None else rows.retraining_of(row)

    def retrainings(self, model: str) -> tuple[Retraining, ...]:
        table = tables.retraining
        return tuple(map(rows.retraining_of, self._all(select(table).where(table.c.model == model).order_by(table.c.seq))))

    def ask_approval(self, asked: Approval, *, comparison: Mapping[str, Any], reason: str, at: datetime) -> Retraining:
        with writing(self.engine) as connection:
            return approvals.ask(connection, asked, comparison=comparison, reason=reason, at=at)

    def approval(self, decision_id: str) -> Approval | None:
        with reading(self.engine) as connection:
            return approvals.find(connection, decision_id)

    def answer_approval(
        self, decision_id: str, *, approve: bool, by: str, reason: str, at: datetime, evidence: str | None = None
    ) -> Retraining:
        with writing(self.engine) as connection:
            return approvals.answer(connection, decision_id, approve=approve, by=by, reason=reason, at=at, evidence=evidence)

    def expire_approval(self, decision_id: str, *, at: datetime) -> bool:
        with writing(self.engine) as connection:
            return approvals.expire(connection, decision_id, at)

    def record_training_attempt(self, attempt: TrainingAttempt) -> bool:
        row = rows.training_attempt_row(attempt)
        with writing(self.engine) as connection:
            refuse_missing_parents(connection, tables.training_attempt, row)
            return insert_new(connection, tables.training_attempt, row)

    def training_attempts(self, model: str) -> tuple[TrainingAttempt, ...]:
        table = tables.training_attempt
        query = select(table).where(table.c.model == model).order_by(table.c.seq)
        return tuple(map(rows.training_attempt_of, self._all(query)))

    def record_challenger_look(self, look: ChallengerLook) -> bool:
        row = rows.challenger_look_row(look)
        with writing(self.engine) as connection:
            refuse_missing_parents(connection, tables.challenger_look, row)
            return insert_new(connection, tables.challenger_look, row)

    def challenger_looks(self, model: str, *, decision_id: str | None = None) -> tuple[ChallengerLook, ...]:
        table = tables.challenger_look
        query = select(table).where(table.c.model == model).order_by(table.c.window_start, table.c.decision_id, table.c.kind)
        if decision_id is not None:
            query = query.where(table.c.decision_id == decision_id)
        return tuple(map(rows.challenger_look_of, self._all(query)))

    def save_payoff(self, payoff: Payoff) -> bool:
        with writing(self.engine) as connection:
            return keep(connection, tables.payoff, rows.payoff_row(payoff), keys=[("decision_id",)])

    def payoffs(self, model: str) -> tuple[Payoff, ...]:
        table = tables.payoff
        query = select(table).where(table.c.model == model).order_by(table.c.as_of, table.c.decision_id)
        return tuple(map(rows.payoff_of, self._all(query)))

    # vigil's own runs -------------------------------------------------------------------------------------------------
    def begin_flow_run(self, run: FlowRun) -> bool:
        with writing(self.engine) as connection:
            return keep(
                connection, tables.flow_run, rows.flow_run_row(run), keys=[("run_id",)], not_content=("begun_at", "ended_at", "failure")
            )

    def end_flow_run(self, run_id: str, *, at: datetime, failure: str = "") -> bool:
        with writing(self.engine) as connection:
            return flow_runs.end(connection, run_id, at, failure)

    def flow_runs(self, model: str, *, latest: int) -> tuple[FlowRun, ...]:
        table = tables.flow_run
        query = select(table).where(table.c.model == model).order_by(table.c.begun_at.desc(), table.c.run_id.desc()).limit(latest)
        return tuple(map(rows.flow_run_of, reversed(self._all(query))))

    # reports --------------------------------------------------------------------------------------------------------
    def save_report(self, evaluation_id: str, kind: str, path: str) -> bool:
        row = rows.report_row(evaluation_id, kind, path)
        with writing(self.engine) as connection:
            return keep(connection, tables.report, row, keys=[("evaluation_id", "kind")])

    def reports(self, evaluation_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {evaluation_id: {} for evaluation_id in evaluation_ids}
        for row in self._all_of(tables.report, evaluation_ids):
            found[row["evaluation_id"]][row["kind"]] = row["path"]
        return {evaluation_id: dict(sorted(some.items())) for evaluation_id, some in found.items()}

    # incidents and messages -------------------------------------------------------------------------------------------
    def record_alerts(
        self, evaluation_id: str | None, *, model: str, at: datetime, events: Sequence[Event], messages: Sequence[Message]
    ) -> bool:
        with writing(self.engine) as connection:
            return incidents.record(connection, evaluation_id, model, at, events, messages)

    def alerted(self, evaluation_id: str) -> bool:
        return self._one(select(tables.alert_look).where(tables.alert_look.c.evaluation_id == evaluation_id)) is not None

    def incident_events(self, *, model: str | None = None, incident_id: str | None = None) -> Mapping[str, tuple[Event, ...]]:
        found: dict[str, list[Event]] = {}
        for event in map(incidents.event_of, self._all(incidents.events_query(model, incident_id))):
            found.setdefault(event.incident_id, []).append(event)
        return {incident_id: tuple(events) for incident_id, events in found.items()}

    def messages(
        self, *, standing: Standing | None = None, incident_id: str | None = None, since: datetime | None = None
    ) -> tuple[Message, ...]:
        table = tables.message
        query = select(table).order_by(table.c.created_at, table.c.incident_id, table.c.number, table.c.key)
        if standing is not None:
            query = query.where(table.c.standing == standing.value)
        if incident_id is not None:
            query = query.where(table.c.incident_id == incident_id)
        if since is not None:
            query = query.where(table.c.created_at >= rows.utc(since, "since"))
        return tuple(map(incidents.message_of, self._all(query)))

    def claim_message(self, message: Message, *, until: datetime) -> bool:
        with writing(self.engine) as connection:
            return incidents.claim(connection, message, until)

    def finish_message(self, delivery: Delivery, *, standing: Standing, next_at: datetime, second: Message | None = None) -> bool:
        with writing(self.engine) as connection:
            return incidents.finish(connection, delivery, standing, next_at, second)

    def receipt(self, incident_id: str, channel: str) -> str | None:
        row = self._one(incidents.receipt_query(incident_id, channel))
        return None if row is None else str(row["receipt"])

    def deliveries(self, key: str) -> tuple[Delivery, ...]:
        table = tables.delivery
        return tuple(map(incidents.delivery_of, self._all(select(table).where(table.c.key == key).order_by(table.c.attempt))))

    # reading ----------------------------------------------------------------------------------------------------------
    def _one(self, query: Select[Any]) -> Row | None:
        found = self._all(query)
        return found[0] if found else None

    def _all(self, query: Select[Any]) -> list[Row]:
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _all_of(self, table: Table, evaluation_ids: Sequence[str]) -> list[Row]:
        return self._all_in(select(table), table.c.evaluation_id, evaluation_ids)

    def _all_in(self, query: Select[Any], column: ColumnElement[Any], wanted: Sequence[Any]) -> list[Row]:
        """The rows with one of many values, from one moment of the database however many queries it takes."""
        values = list(dict.fromkeys(wanted))
        with reading(self.engine) as connection:
            return [
                dict(row)
                for first in range(0, len(values), _IDS_PER_QUERY)
                for row in connection.execute(query.where(column.in_(values[first : first + _IDS_PER_QUERY]))).mappings()
            ]


def _matching(query: Select[Any], table: Table, row: Row) -> Select[Any]:
    return query.where(*(table.c[name] == value for name, value in row.items()))


def _in_span(query: Select[Any], table: Table, model: str, start: datetime | None, end: datetime | None) -> Select[Any]:
    query = query.where(table.c.model == model)
    if start is not None:
        query = query.where(table.c.window_start >= rows.utc(start, "start"))
    if end is not None:
        query = query.where(table.c.window_start < rows.utc(end, "end"))
    return query
