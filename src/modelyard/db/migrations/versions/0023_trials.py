"""Canaries and shadows of deployments, and the limits by which they are judged."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("deployments", sa.Column("judging", sa.Text()))
    op.add_column("deployment_moves", sa.Column("tried", sa.Integer()))
    op.add_column("deployment_moves", sa.Column("weight", sa.Integer()))
    op.create_table(
        "deployment_trials",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("sticky", sa.Text()),
        sa.Column("steps", sa.Text()),
        sa.Column("step_minutes", sa.Integer(), nullable=False, server_default="10"),
        sa.Column("is_auto", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("weighed_at", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.Text(), nullable=False, server_default=""),
        sa.Column("outcome", sa.Text()),
        sa.Column("outcome_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("judged_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("deployment_id", "role", name="pk_deployment_trials"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_deployment_trials_deployment_id"
        ),
    )
