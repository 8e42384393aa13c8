"""Subscriptions and their deliveries."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    id_column(),
    # webhook, slack or email
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    # NULL: the whole server.
    sa.Column("namespace", sa.Text, index=True),
    # 0: every model of the namespace. No foreign key, because 0 is not a model.
    sa.Column("model_id", BigId, nullable=False, server_default="0"),
    # JSON lists; NULL: all.
    sa.Column("event_kinds", sa.Text),
    sa.Column("stages", sa.Text),
    # Sealed with the server's secret; NULL if messages are not signed.
    sa.Column("secret", sa.Text),
    sa.Column("former_secret", sa.Text),
    moment("former_secret_until", nullable=True),
    # active or disabled
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    moment("paused_until", nullable=True),
    # All events before this number were processed.
    sa.Column("next_seq", sa.BigInteger, nullable=False),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    id_column(),
    sa.Column("subscription_id", BigId, sa.ForeignKey("subscriptions.id"), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # Deliveries of one subscription about one model are sent in order.
    sa.Column("lane", BigId, nullable=False),
    # pending, done or dead
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    moment("due_at"),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    moment("created_at"),
    moment("finished_at", nullable=True),
    sa.UniqueConstraint("subscription_id", "seq"),
    sa.Index("ix_deliveries_state_due_at", "state", "due_at"),
    sa.Index("ix_deliveries_subscription_id_lane_state_seq", "subscription_id", "lane", "state", "seq"),
)
