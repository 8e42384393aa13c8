"""Users, service accounts, groups, their tokens and their roles."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

actors = sa.Table(
    "actors",
    metadata,
    id_column(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False, server_default=""),
    sa.Column("email", sa.Text),
    sa.Column("password_hash", sa.Text),
    sa.Column("is_admin", sa.Integer, nullable=False, server_default="0"),
    sa.Column("default_namespace", sa.Text),
    moment("created_at"),
    moment("disabled_at", nullable=True),
    # An auditor reads everything, including the whole log, and changes nothing.
    sa.Column("is_auditor", sa.Integer, nullable=False, server_default="0"),
    # The account that created it; NULL: itself, or a sign-in provider. SQLite cannot add a foreign key to a table.
    sa.Column("made_by", BigId),
    # When its name, display name and e-mail address were taken away; None: it is not deleted.
    moment("deleted_at", nullable=True),
    # Keyed hash of the name that it had before, which no other account gets; None: it is not deleted.
    sa.Column("former_name", sa.Text),
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True, index=True),
)

grants = sa.Table(
    "grants",
    metadata,
    id_column(),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    # 0: held on the namespace. No foreign key, because 0 is not a model.
    sa.Column("model_id", BigId, nullable=False, server_default="0"),
    sa.Column("role", sa.Integer, nullable=False),
    moment("created_at"),
    sa.UniqueConstraint("actor_id", "namespace_id", "model_id"),
    sa.Index("ix_grants_namespace_id_model_id", "namespace_id", "model_id"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    id_column(),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("permissions", sa.Text),
    sa.Column("namespace", sa.Text),
    sa.Column("model", sa.Text),
    moment("created_at"),
    moment("expires_at", nullable=True),
    moment("last_used_at", nullable=True),
    moment("revoked_at", nullable=True),
    # TokenOrigin in domain/actor.py.
    sa.Column("origin", sa.Text, nullable=False, server_default="unknown"),
    # The token that created it; when that one ends, this one ends too.
    sa.Column("made_with", BigId, index=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False, index=True),
    moment("created_at"),
    moment("expires_at"),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
)
