"""Models that accounts starred."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    big = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    op.create_table(
        "stars",
        sa.Column("actor_id", big, nullable=False),
        sa.Column("model_id", big, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_stars_actor_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_stars_model_id"),
        sa.PrimaryKeyConstraint("actor_id", "model_id", name="pk_stars"),
    )
    op.create_index("ix_stars_model_id", "stars", ["model_id"])
