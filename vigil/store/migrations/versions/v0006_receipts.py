"""What a receiver calls a message that it took, so that later ones of the incident can be replies to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    op.add_column("delivery", sa.Column("receipt", sa.Text(), nullable=True))
