"""Observations of deployments, judged windows, and the need to retrain."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "monitors",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name="pk_monitors"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name="fk_monitors_deployment_id"),
    )
    op.create_table(
        "observations",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("start", number, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("profile", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("deployment_id", "revision", "start", "part", name="pk_observations"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], name="fk_observations_deployment_id"),
    )
    op.create_table(
        "observed_windows",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("start", number, nullable=False),
        sa.Column("version_id", number, nullable=False),
        sa.Column("since", number, nullable=False),
        sa.Column("until", number, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text()),
        sa.Column("over", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("judged_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "revision", "start", name="pk_observed_windows"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_observed_windows_deployment_id"
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_observed_windows_version_id"),
    )
    op.create_index("ix_observed_windows_version_id", "observed_windows", ["version_id"])
    op.create_table(
        "retraining_states",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger()),
        sa.Column("left_at", sa.BigInteger()),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name="pk_retraining_states"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_retraining_states_deployment_id"
        ),
    )
