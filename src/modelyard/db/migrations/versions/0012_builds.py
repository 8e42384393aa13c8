"""Builds, their attempts, steps and logs."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "builds",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("model_id", number, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("bundle", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("params", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("rerun_of", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("step", sa.Text()),
        sa.Column("version_number", sa.Integer()),
        sa.Column("promotion_id", number),
        sa.Column("log_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("requested_by", number, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("cancel_asked_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_builds"),
        sa.UniqueConstraint("uid", name="uq_builds_uid"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_builds_model_id"),
        sa.ForeignKeyConstraint(["requested_by"], ["actors.id"], name="fk_builds_requested_by"),
    )
    op.create_index("ix_builds_bundle", "builds", ["bundle"])
    op.create_index("ix_builds_model_id_id", "builds", ["model_id", "id"])
    is_open = sa.text("ended_at IS NULL")
    op.create_index("ix_builds_open", "builds", ["id"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "build_attempts",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("build_id", number, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("token_id", number, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("inputs", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", sa.BigInteger()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("cleaned_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_build_attempts"),
        sa.UniqueConstraint("build_id", "number", name="uq_build_attempts_build_id_number"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name="fk_build_attempts_build_id"),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name="fk_build_attempts_token_id"),
    )
    op.create_table(
        "build_steps",
        sa.Column("attempt_id", number, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("resources", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("log_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("open_line", sa.Text(), nullable=False, server_default=""),
        sa.Column("in_key", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("attempt_id", "position", name="pk_build_steps"),
        sa.ForeignKeyConstraint(["attempt_id"], ["build_attempts.id"], name="fk_build_steps_attempt_id"),
    )
    op.create_table(
        "build_logs",
        sa.Column("build_id", number, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("step_position", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("build_id", "position", name="pk_build_logs"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name="fk_build_logs_build_id"),
    )
    op.create_index("ix_build_logs_step", "build_logs", ["build_id", "attempt", "step", "step_position"])
