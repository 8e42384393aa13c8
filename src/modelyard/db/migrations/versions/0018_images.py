"""The image that was made of a version."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("versions", sa.Column("image", sa.Text()))
