"""Priorities of builds, and the times of the lines of their logs."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("builds", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("build_logs", sa.Column("times", sa.Text(), nullable=False, server_default=""))
