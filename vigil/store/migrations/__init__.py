"""The schema's history, as Alembic revisions that are part of the package. Users need no alembic.ini: opening a store migrates it.

To change the schema: change :mod:`vigil.store.tables`, add ``versions/vNNNN_what.py`` by hand, set :data:`HEAD` to it. A test
compares what the migrations build with the tables, on SQLite and PostgreSQL.
"""

from __future__ import annotations

HEAD = "0011"  # the newest revision; known without importing Alembic, so that opening a migrated store is cheap
VERSION_TABLE = "vigil_schema"  # not Alembic's default name: MLflow and Prefect use that in their databases
