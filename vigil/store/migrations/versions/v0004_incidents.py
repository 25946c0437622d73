"""Incidents as their events, the messages about them (the outbox), how each attempt to deliver went, and which looks were alerted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.create_table(
        "alert_look",
        sa.Column("evaluation_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.evaluation_id"], name="fk_alert_look_evaluation_id"),
        sa.PrimaryKeyConstraint("evaluation_id", name="pk_alert_look"),
    )
    op.create_table(
        "incident_event",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", "number", name="pk_incident_event"),
        sa.UniqueConstraint("key", name="uq_incident_event_key"),
    )
    op.create_index("ix_incident_event_model", "incident_event", ["model"])
    op.create_table(
        "message",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id", "number"], ["incident_event.incident_id", "incident_event.number"], name="fk_message_incident_id_number"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_message"),
    )
    op.create_index("ix_message_standing", "message", ["standing"])
    op.create_table(
        "delivery",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["key"], ["message.key"], name="fk_delivery_key"),
        sa.PrimaryKeyConstraint("key", "attempt", name="pk_delivery"),
    )
