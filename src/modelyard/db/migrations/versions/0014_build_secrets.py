"""Secrets of builds."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "build_secrets",
        sa.Column("namespace_id", number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("set_by", number, nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("namespace_id", "name", name="pk_build_secrets"),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name="fk_build_secrets_namespace_id"),
        sa.ForeignKeyConstraint(["set_by"], ["actors.id"], name="fk_build_secrets_set_by"),
    )
    op.add_column("build_attempts", sa.Column("claim", sa.Text(), nullable=False, server_default=""))
