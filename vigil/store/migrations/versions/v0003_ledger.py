"""The ledger: a chain of hashes over the decisions. Decisions that were made before it are linked in the order of their recording."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vigil.store import ledger

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_ledger"),
        sa.UniqueConstraint("decision_id", name="uq_ledger_decision_id"),
        sa.UniqueConstraint("previous", name="uq_ledger_previous"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"], name="fk_ledger_decision_id"),
    )
    connection = op.get_bind()
    made = connection.execute(sa.text("SELECT decision_id FROM decision ORDER BY seq")).scalars().all()
    for decision_id in made:
        ledger.append(connection, decision_id)
