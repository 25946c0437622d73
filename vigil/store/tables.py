"""The tables of the monitoring database, for SQLite and PostgreSQL alike.

Natural keys are unique constraints, because they make writes idempotent. ``seq`` is the order of recording. JSON is kept
as canonical text (:func:`vigil.store.rows.canonical_json`), so that it comes back digit for digit on both engines. The
migrations build the same tables; a test compares them with these.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC in and out: ``timestamptz`` on PostgreSQL, sortable text with microseconds on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"times are timezone-aware, got {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _recording_order() -> Column[int]:
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


spec = Table(
    "spec",
    metadata,
    Column("spec_hash", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("body", Text, nullable=False),
)

evaluation = Table(
    "evaluation",
    metadata,
    _recording_order(),
    Column("evaluation_id", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("version", Text, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Column("spec_hash", Text, ForeignKey("spec.spec_hash"), nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("labels_digest", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("labels", BigInteger, nullable=False),
    Column("quality_passed", Boolean, nullable=False),
    Column("code_version", Text, nullable=False),
    Index(None, "model", "window_start"),
)

measurement = Table(
    "measurement",
    metadata,
    Column("evaluation_id", Text, ForeignKey("evaluation.evaluation_id"), primary_key=True),
    Column("layer", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("value", Double),
    Column("low", Double),
    Column("high", Double),
    Column("n", BigInteger, nullable=False),
    Column("threshold", Double),
    Column("verdict", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    _recording_order(),
    Column("decision_id", Text, nullable=False, unique=True),
    Column("evaluation_id", Text, ForeignKey("evaluation.evaluation_id"), nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("version", Text, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("gates", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("spec_hash", Text, ForeignKey("spec.spec_hash"), nullable=False),
    Column("code_version", Text, nullable=False),
    Index(None, "model", "window_start"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("decision_id", Text, ForeignKey("decision.decision_id"), nullable=False, unique=True),
    Column("previous", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False),
)

version = Table(
    "version",
    metadata,
    _recording_order(),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("registered_at", UtcTime, nullable=False),
    Column("spec_hash", Text, ForeignKey("spec.spec_hash"), nullable=False),
    Column("metric", Text, nullable=False),
    Column("baseline", Double),
    Column("importance", Text, nullable=False),
    Column("training", Text, nullable=False),
    Column("layout", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("decision_id", Text, ForeignKey("decision.decision_id"), unique=True),
    Column("parent", Text),
    UniqueConstraint("model", "version"),
)

promotion = Table(
    "promotion",
    metadata,
    Column("model", Text, primary_key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("replaced", Text),
    Column("kind", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("decision_id", Text, ForeignKey("decision.decision_id")),
    ForeignKeyConstraint(["model", "version"], ["version.model", "version.version"]),
    UniqueConstraint("model", "decision_id", "version"),
)

retraining = Table(
    "retraining",
    metadata,
    _recording_order(),
    Column("decision_id", Text, ForeignKey("decision.decision_id"), nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("champion", Text, nullable=False),
    Column("challenger", Text),
    Column("comparison", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Index(None, "model"),
)

approval = Table(
    "approval",
    metadata,
    Column("decision_id", Text, ForeignKey("retraining.decision_id"), primary_key=True),
    Column("model", Text, nullable=False),
    Column("challenger", Text, nullable=False),
    Column("champion", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("answer", Text),
    Column("by", Text),
    Column("reason", Text),
    Column("answered_at", UtcTime),
    ForeignKeyConstraint(["model", "challenger"], ["version.model", "version.version"]),
)

training_attempt = Table(
    "training_attempt",
    metadata,
    _recording_order(),
    Column("decision_id", Text, ForeignKey("retraining.decision_id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("peak_mb", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("output", Text, nullable=False),
    UniqueConstraint("decision_id", "number"),
    Index(None, "model"),
)

profile_set = Table(
    "profile_set",
    metadata,
    _recording_order(),
    Column("model", Text, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("layout_digest", Text, nullable=False),
    UniqueConstraint("model", "window_start", "window_end", "data_digest", "layout_digest", name="uq_profile_set_made_from"),
)

profile = Table(
    "profile",
    metadata,
    Column("profile_set", BigInteger, ForeignKey("profile_set.seq"), primary_key=True, autoincrement=False),
    Column("version", Text, primary_key=True),
    Column("segment", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

batch = Table(
    "batch",
    metadata,
    _recording_order(),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("first_us", BigInteger),
    Column("last_us", BigInteger),
    Column("seen_at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("model", "kind", "path", "sha256", "modified_ns", name="uq_batch_content"),
)

label_plan = Table(
    "label_plan",
    metadata,
    _recording_order(),
    Column("plan_id", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("budget", BigInteger, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("model", "window_start", "window_end", "budget", "seed", name="uq_label_plan_asked"),
)

review_session = Table(
    "review_session",
    metadata,
    _recording_order(),
    Column("session_id", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("body", Text, nullable=False),
)

review = Table(
    "review",
    metadata,
    _recording_order(),
    Column("session_id", Text, ForeignKey("review_session.session_id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("prediction_id", Text, nullable=False),
    Column("label", Double),
    Column("outcome", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("session_id", "prediction_id", "reviewer", "at", name="uq_review_said"),
    Index(None, "model"),
)

payoff = Table(
    "payoff",
    metadata,
    Column("decision_id", Text, ForeignKey("decision.decision_id"), primary_key=True),
    Column("model", Text, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Column("metric", Text, nullable=False),
    Column("predicted", Double, nullable=False),
    Column("realised", Double),
    Column("low", Double),
    Column("high", Double),
    Column("n", BigInteger, nullable=False),
    Column("windows", BigInteger, nullable=False),
    Index(None, "model"),
)

challenger_look = Table(
    "challenger_look",
    metadata,
    Column("decision_id", Text, ForeignKey("retraining.decision_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("window_start", UtcTime, primary_key=True),
    Column("window_end", UtcTime, nullable=False),
    Column("model", Text, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Column("champion", Double),
    Column("challenger", Double),
    Column("n", BigInteger, nullable=False),
    Column("comparison", Text, nullable=False),
    Index(None, "model"),
)

flow_run = Table(
    "flow_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("failure", Text, nullable=False),
    Index(None, "model", "begun_at"),
)

report = Table(
    "report",
    metadata,
    Column("evaluation_id", Text, ForeignKey("evaluation.evaluation_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("path", Text, nullable=False),
)

alert_look = Table(
    "alert_look",
    metadata,
    Column("evaluation_id", Text, ForeignKey("evaluation.evaluation_id"), primary_key=True),
    Column("model", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

incident_event = Table(
    "incident_event",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("key", Text, unique=True),
    Index(None, "model"),
)

message = Table(
    "message",
    metadata,
    Column("key", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("standing", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    ForeignKeyConstraint(["incident_id", "number"], ["incident_event.incident_id", "incident_event.number"]),
    Index(None, "standing"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("key", Text, ForeignKey("message.key"), primary_key=True),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("receipt", Text),
)
