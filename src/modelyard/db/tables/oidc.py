"""Identities that others vouch for: people by a sign-in provider, CI jobs by their CI system."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

# Who a sign-in provider means by a subject. Never found by e-mail, which providers hand out again.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False, index=True),
    moment("created_at"),
    moment("last_sign_in_at"),
)

trusted_publishers = sa.Table(
    "trusted_publishers",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False, index=True),
    # Name of the one model its tokens are for; NULL: all of the namespace.
    sa.Column("model", sa.Text),
    # github, gitlab or other
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False, index=True),
    # JSON: claim → value, where * stands for any text
    sa.Column("claims", sa.Text, nullable=False),
    sa.Column("role", sa.Integer, nullable=False),
    # The service account that its tokens act as.
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

# A CI system's token counts once; kept until it has expired.
used_id_tokens = sa.Table(
    "used_id_tokens",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, primary_key=True),
    moment("expires_at"),
    sa.Index("ix_used_id_tokens_expires_at", "expires_at"),
)
