"""Schedules and triggers of builds, and what became of their times."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("builds", sa.Column("schedule_id", number))
    op.create_index("ix_builds_schedule_id_id", "builds", ["schedule_id", "id"])
    op.create_table(
        "schedules",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("model_id", number, nullable=False),
        sa.Column("owner_id", number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False, server_default="UTC"),
        sa.Column("parent_id", number),
        sa.Column("missed", sa.Text(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("jitter_seconds", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("debounce_seconds", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("pause_after", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("params", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("pool", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("paused_at", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("waits_for", sa.Text()),
        sa.Column("cause", sa.Text(), nullable=False, server_default=""),
        sa.Column("depth", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("from_seq", number, nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_schedules_model_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["actors.id"], name="fk_schedules_owner_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["models.id"], name="fk_schedules_parent_id"),
    )
    op.create_index("ix_schedules_model_id", "schedules", ["model_id"])
    op.create_index("ix_schedules_bundle", "schedules", ["bundle"])
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_index("ix_schedules_kind_expression", "schedules", ["kind", "expression"])
    op.create_table(
        "schedule_firings",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("schedule_id", number, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("last_due_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("cause", sa.Text(), nullable=False, server_default=""),
        sa.Column("build", sa.Text()),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_firings"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_schedule_firings_schedule_id_due_at"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_schedule_firings_schedule_id"),
    )
    op.create_index("ix_schedule_firings_build", "schedule_firings", ["build"])
    op.create_index("ix_schedule_firings_decided_at", "schedule_firings", ["decided_at"])
