"""Namespaces and models."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

namespaces = sa.Table(
    "namespaces",
    metadata,
    id_column(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("visibility", sa.Text, nullable=False),
    sa.Column("naming_pattern", sa.Text),
    sa.Column("reserved_names", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Names of the stages in its policy, JSON list; None: the standard ones. A model's own stages replace these.
    sa.Column("protected_aliases", sa.Text),
    # 1: pickles that name unknown code are served.
    sa.Column("serve_unknown", sa.Integer, nullable=False, server_default="0"),
    # refuse or warn: what happens to a model name that the pattern or the reserved names do not accept.
    sa.Column("naming_mode", sa.Text, nullable=False, server_default="refuse"),
    # Its retention rule, JSON: keep_versions, keep_for, action; None: there is none.
    sa.Column("retention", sa.Text),
    # Most bytes that its versions may have together; None: there is no quota.
    sa.Column("quota_bytes", sa.BigInteger),
)

models = sa.Table(
    "models",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("visibility", sa.Text, nullable=False),
    sa.Column("next_version", sa.BigInteger, nullable=False, server_default="1"),
    # Number of the newest ready version, which a reference without a selector means.
    sa.Column("newest_version", sa.BigInteger),
    sa.Column("version_count", sa.BigInteger, nullable=False, server_default="0"),
    # Copied from the newest ready version, so that a list reads only one table.
    sa.Column("framework", sa.Text, index=True),
    sa.Column("licence", sa.Text),
    sa.Column("task", sa.Text),
    # The searchable beginning of the newest ready version's card, without markup.
    sa.Column("card_text", sa.Text, nullable=False, server_default=""),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("updated_at"),
    moment("archived_at", nullable=True),
    moment("deleted_at", nullable=True),
    # Names of its stages under its own policy, JSON list; None: those of its namespace.
    sa.Column("protected_aliases", sa.Text),
    # Digest of the terms of use that an account accepts before its first pull; None: there are none.
    sa.Column("terms_digest", sa.Text),
    # Sum of the sizes of its versions that are not deleted.
    sa.Column("version_bytes", sa.BigInteger, nullable=False, server_default="0"),
    # Sum of the counted bytes of its builds.
    sa.Column("build_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("namespace_id", "name"),
    sa.Index("ix_models_updated_at_id", "updated_at", "id"),
)

model_owners = sa.Table(
    "model_owners",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("owner", sa.Text, primary_key=True, index=True),
)

model_tags = sa.Table(
    "model_tags",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("ix_model_tags_key_value", "key", "value"),
)

# Earlier names of renamed models.
model_redirects = sa.Table(
    "model_redirects",
    metadata,
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False, index=True),
    moment("created_at"),
)

# Every text of terms of use that a model had.
model_terms = sa.Table(
    "model_terms",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

terms_acceptances = sa.Table(
    "terms_acceptances",
    metadata,
    id_column(),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    moment("at"),
    sa.UniqueConstraint("model_id", "actor_id", "digest"),
)

# The searchable words of a model, one row per model: an FTS5 table on SQLite (rowid = model id), an ordinary table
# with a GIN index on PostgreSQL. db/schema.py creates either.
SEARCH_TABLE = "model_search"
