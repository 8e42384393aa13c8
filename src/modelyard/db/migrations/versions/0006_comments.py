"""Comments, watches and notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "comments",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("promotion_id", _id(), nullable=True),
        sa.Column("author_id", _id(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_by", _id(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["actors.id"], name=op.f("fk_comments_author_id")),
        sa.ForeignKeyConstraint(["deleted_by"], ["actors.id"], name=op.f("fk_comments_deleted_by")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_comments_model_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_comments_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index("ix_comments_model_id_id", "comments", ["model_id", "id"], unique=False)
    op.create_table(
        "comment_revisions",
        sa.Column("comment_id", _id(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comments.id"], name=op.f("fk_comment_revisions_comment_id")),
        sa.PrimaryKeyConstraint("comment_id", "revision", name=op.f("pk_comment_revisions")),
    )
    op.create_table(
        "watches",
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("model_id", _id(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_watches_actor_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_watches_model_id")),
        sa.PrimaryKeyConstraint("actor_id", "model_id", name=op.f("pk_watches")),
    )
    op.create_index(op.f("ix_watches_model_id"), "watches", ["model_id"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_notifications_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("actor_id", "seq", name=op.f("uq_notifications_actor_id_seq")),
    )


def downgrade() -> None:
    for table in ("notifications", "watches", "comment_revisions", "comments"):
        op.drop_table(table)
