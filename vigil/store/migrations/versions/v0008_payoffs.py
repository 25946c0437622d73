"""What each promotion brought over its horizon, beside what it was expected to bring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    op.create_table(
        "payoff",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("predicted", sa.Double(), nullable=False),
        sa.Column("realised", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"], name="fk_payoff_decision_id"),
        sa.PrimaryKeyConstraint("decision_id", name="pk_payoff"),
    )
    op.create_index("ix_payoff_model", "payoff", ["model"])
