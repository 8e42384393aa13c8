"""Attempts that wait until the cluster of their pool starts them, and tokens that only begin an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("build_attempts", sa.Column("held_at", sa.BigInteger()))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("build_attempts", sa.Column("ticket_id", number))
