"""Run by Alembic: applies the migrations on the connection that deploy.fleet.database hands over.

Without one (``alembic upgrade --sql``, which a test uses for PostgreSQL) the statements are printed instead.
"""

from __future__ import annotations

from alembic import context

from deploy.fleet.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    context.configure(
        dialect_name=context.config.get_main_option("dialect", "sqlite"),
        target_metadata=Base.metadata,
        literal_binds=True,
    )
else:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
