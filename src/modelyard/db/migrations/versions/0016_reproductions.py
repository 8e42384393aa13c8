"""The build of a version and of a check, and what builds that repeat or go on from a version need."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("versions", sa.Column("build", sa.Text()))
    op.add_column("checks", sa.Column("build", sa.Text()))
    op.add_column("builds", sa.Column("reproduces", sa.Integer()))
    op.add_column("builds", sa.Column("parent", sa.Integer()))
    op.add_column("builds", sa.Column("pins", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("builds", sa.Column("verdict", sa.Text()))
    op.add_column("builds", sa.Column("findings", sa.Text()))
    op.create_index("ix_build_attempts_token_id", "build_attempts", ["token_id"])
