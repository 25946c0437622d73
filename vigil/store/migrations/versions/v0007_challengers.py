"""How attempts to train ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0005"


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
