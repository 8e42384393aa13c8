"""Attempts that wait until the cluster of their pool starts them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("build_attempts", sa.Column("held_at", sa.BigInteger()))
