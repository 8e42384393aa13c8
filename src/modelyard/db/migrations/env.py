"""Alembic's entry point, which runs on the connection from `db.schema.migrate`."""

from alembic import context

from modelyard.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
