"""How attempts to train ended, and what people were asked to approve."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    op.create_table(
        "training_attempt",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("peak_mb", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_training_attempt"),
        sa.UniqueConstraint("decision_id", "number", name="uq_training_attempt_decision_id_number"),
        sa.ForeignKeyConstraint(["decision_id"], ["retraining.decision_id"], name="fk_training_attempt_decision_id"),
    )
    op.create_index("ix_training_attempt_model", "training_attempt", ["model"])
    op.create_table(
        "approval",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("challenger", sa.Text(), nullable=False),
        sa.Column("champion", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("decision_id", name="pk_approval"),
        sa.ForeignKeyConstraint(["decision_id"], ["retraining.decision_id"], name="fk_approval_decision_id"),
        sa.ForeignKeyConstraint(["model", "challenger"], ["version.model", "version.version"], name="fk_approval_model_challenger"),
    )
    # What waits now was asked without a record of what was compared with what, and nobody can be held to it.
    reason = "It waited when approvals were not bound to what was compared; the next decision to retrain makes another."
    retraining = sa.table("retraining", sa.column("state", sa.Text()), sa.column("reason", sa.Text()))
    waiting = retraining.c.state == "waiting_for_approval"
    op.execute(retraining.update().where(waiting).values(state="expired", reason=reason))
