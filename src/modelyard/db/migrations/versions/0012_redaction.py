"""Redactions may change the body of an event; everything else about the log stays refused."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    from modelyard.db import schema

    for table in ("events", "event_nodes"):
        if op.get_bind().dialect.name == "sqlite":
            for verb in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_keep_{verb}")
        else:
            op.execute(f"DROP TRIGGER {table}_keep ON {table}")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_log_change")
    schema.create_log_guards(op.get_bind())


def downgrade() -> None:
    """The guards of this release refuse whatever those before it refused, unless a redaction is under way."""
