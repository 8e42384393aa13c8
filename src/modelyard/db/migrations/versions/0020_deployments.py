"""Deployments, their revisions and their moves."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "deployments",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("namespace_id", number, nullable=False),
        sa.Column("model_id", number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("follows", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("replicas", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("is_public", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("on_recall", sa.Text(), nullable=False, server_default="alarm"),
        sa.Column("is_stopped", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("serving", sa.Integer(), nullable=False),
        sa.Column("warm", sa.Integer()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("held_at", sa.BigInteger()),
        sa.Column("held_by", number),
        sa.Column("held_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("alarm", sa.Text()),
        sa.Column("owner_id", number, nullable=False),
        sa.Column("token_id", number),
        sa.Column("token_expires_at", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("reported", sa.Text()),
        sa.Column("seen_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", number, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("is_removed", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name="fk_deployments_namespace_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_deployments_model_id"),
        sa.ForeignKeyConstraint(["held_by"], ["actors.id"], name="fk_deployments_held_by"),
        sa.ForeignKeyConstraint(["owner_id"], ["actors.id"], name="fk_deployments_owner_id"),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name="fk_deployments_created_by"),
        sa.UniqueConstraint("namespace_id", "name", name="uq_deployments_namespace_id_name"),
    )
    op.create_index("ix_deployments_token_id", "deployments", ["token_id"])
    op.create_index("ix_deployments_model_id_stage", "deployments", ["model_id", "stage"])
    op.create_table(
        "deployment_revisions",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version_id", number, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("record_digest", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("promotion_id", number),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("actor_id", number, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False, server_default="new"),
        sa.Column("state_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("good_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("deployment_id", "number", name="pk_deployment_revisions"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_deployment_revisions_deployment_id"
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_deployment_revisions_version_id"),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name="fk_deployment_revisions_promotion_id"
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_deployment_revisions_actor_id"),
    )
    op.create_index("ix_deployment_revisions_version_id", "deployment_revisions", ["version_id"])
    op.create_table(
        "deployment_moves",
        sa.Column("deployment_id", number, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.Integer()),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("actor_id", number),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("swapped_at", sa.BigInteger()),
        sa.Column("milliseconds", sa.Float()),
        sa.Column("dropped", sa.Integer()),
        sa.PrimaryKeyConstraint("deployment_id", "generation", name="pk_deployment_moves"),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name="fk_deployment_moves_deployment_id"
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_deployment_moves_actor_id"),
    )
