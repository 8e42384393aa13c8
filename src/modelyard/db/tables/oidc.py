"""Identities confirmed by others: people by a sign-in provider, CI jobs by their CI system."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

# The account for a subject of a sign-in provider. Never looked up by e-mail, since providers reassign addresses.
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
    # Name of the only model that its tokens are for; NULL: the whole namespace.
    sa.Column("model", sa.Text),
    # github, gitlab or other
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False, index=True),
    # JSON: claim → value, in which * matches any text
    sa.Column("claims", sa.Text, nullable=False),
    sa.Column("role", sa.Integer, nullable=False),
    # The service account of its tokens.
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

# A CI system's token is accepted only once; its id is kept until it expires.
used_id_tokens = sa.Table(
    "used_id_tokens",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, primary_key=True),
    moment("expires_at"),
    sa.Index("ix_used_id_tokens_expires_at", "expires_at"),
)
