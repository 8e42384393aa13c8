"""Revisions of the whole database, by which processes know that what they remember is still true."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    for name in ("revision", "rights_revision"):
        op.add_column("event_head", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
