"""What Alembic runs to migrate, always on the connection (and inside the transaction) that :mod:`vigil.store.migrate` gives it."""

from __future__ import annotations

from alembic import context

from vigil.store.migrations import VERSION_TABLE
from vigil.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
