"""Terms of use of models, and the accounts that accepted them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    big = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    op.add_column("models", sa.Column("terms_digest", sa.Text()))
    op.create_table(
        "model_terms",
        sa.Column("model_id", big, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", big, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_terms_model_id"),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_model_terms_actor_id"),
        sa.PrimaryKeyConstraint("model_id", "digest", name="pk_model_terms"),
    )
    op.create_table(
        "terms_acceptances",
        sa.Column("id", big, autoincrement=True, nullable=False),
        sa.Column("model_id", big, nullable=False),
        sa.Column("actor_id", big, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_terms_acceptances_model_id"),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_terms_acceptances_actor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_terms_acceptances"),
        sa.UniqueConstraint(
            "model_id", "actor_id", "digest", name="uq_terms_acceptances_model_id_actor_id_digest"
        ),
    )
