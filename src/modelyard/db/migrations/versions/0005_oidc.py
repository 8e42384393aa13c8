"""Identities by OpenID Connect, and trusted publishers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_identities_actor_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_actor_id"), "identities", ["actor_id"], unique=False)
    op.create_table(
        "trusted_publishers",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_trusted_publishers_actor_id")),
        sa.ForeignKeyConstraint(["created_by"], ["actors.id"], name=op.f("fk_trusted_publishers_created_by")),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_trusted_publishers_namespace_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_publishers")),
    )
    op.create_index(
        op.f("ix_trusted_publishers_namespace_id"), "trusted_publishers", ["namespace_id"], unique=False
    )
    op.create_index(op.f("ix_trusted_publishers_issuer"), "trusted_publishers", ["issuer"], unique=False)
    op.create_table(
        "used_id_tokens",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "token", name=op.f("pk_used_id_tokens")),
    )
    op.create_index("ix_used_id_tokens_expires_at", "used_id_tokens", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("used_id_tokens")
    op.drop_table("trusted_publishers")
    op.drop_table("identities")
