"""What each window said of a challenger that is tried beside the champion, in shadow or as a canary."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    op.create_table(
        "challenger_look",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("champion", sa.Double(), nullable=True),
        sa.Column("challenger", sa.Double(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("comparison", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["retraining.decision_id"], name="fk_challenger_look_decision_id"),
        sa.PrimaryKeyConstraint("decision_id", "kind", "window_start", name="pk_challenger_look"),
    )
    op.create_index("ix_challenger_look_model", "challenger_look", ["model"])
