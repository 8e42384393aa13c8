"""Whether a namespace refuses names that its naming rules do not accept, or only warns."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("namespaces", sa.Column("naming_mode", sa.Text(), nullable=False, server_default="refuse"))
