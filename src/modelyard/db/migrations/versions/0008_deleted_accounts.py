"""When an account was deleted, and a keyed hash of its name."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("actors", sa.Column("deleted_at", sa.BigInteger()))
    op.add_column("actors", sa.Column("former_name", sa.Text()))
