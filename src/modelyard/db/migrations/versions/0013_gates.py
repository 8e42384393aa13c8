"""What of its gates a policy made weaker stands beside it. Policies from before this count as not weakened."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0015"


def upgrade() -> None:
    with op.batch_alter_table("policies") as batch:
        batch.add_column(sa.Column("weakened", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("policies") as batch:
        batch.drop_column("weakened")
