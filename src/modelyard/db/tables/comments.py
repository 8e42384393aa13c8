"""Comments, watches and notifications."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

comments = sa.Table(
    "comments",
    metadata,
    id_column(),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    # Number of the version; NULL: the comment is about the model.
    sa.Column("version", sa.BigInteger),
    sa.Column("promotion_id", BigId, sa.ForeignKey("promotions.id")),
    sa.Column("author_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Markdown as written; "" after the comment was deleted.
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("edited_at", nullable=True),
    moment("deleted_at", nullable=True),
    sa.Column("deleted_by", BigId, sa.ForeignKey("actors.id")),
    sa.Index("ix_comments_model_id_id", "model_id", "id"),
)

# Earlier texts of edited comments; deleted together with the comment's text.
comment_revisions = sa.Table(
    "comment_revisions",
    metadata,
    sa.Column("comment_id", BigId, sa.ForeignKey("comments.id"), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    moment("at"),
)

watches = sa.Table(
    "watches",
    metadata,
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True, index=True),
    moment("created_at"),
)

# Each account's own short list of models.
stars = sa.Table(
    "stars",
    metadata,
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True, index=True),
    moment("created_at"),
)

notifications = sa.Table(
    "notifications",
    metadata,
    id_column(),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # The event that caused the notification.
    sa.Column("seq", sa.BigInteger, nullable=False),
    # mention or watch
    sa.Column("reason", sa.Text, nullable=False),
    moment("created_at"),
    moment("read_at", nullable=True),
    sa.UniqueConstraint("actor_id", "seq"),
)
