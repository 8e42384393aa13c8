"""Bytes that are withheld, and how many of a version's files are."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("manifests", sa.Column("withheld", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "withheld_bytes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_withheld_bytes_actor_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_withheld_bytes")),
    )
    op.create_index("ix_withheld_bytes_namespace", "withheld_bytes", ["namespace"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_withheld_bytes_namespace", "withheld_bytes")
    op.drop_table("withheld_bytes")
    op.drop_column("manifests", "withheld")
