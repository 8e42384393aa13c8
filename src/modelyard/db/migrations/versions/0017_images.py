"""The image that was made of a version."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("versions", sa.Column("image", sa.Text()))
