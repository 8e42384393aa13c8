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
    # Names of the stages that its policy sets, JSON list; None: the standard ones. A model's own go before.
    sa.Column("protected_aliases", sa.Text),
    # 1: pickles that name code which no one here knows are served.
    sa.Column("serve_unknown", sa.Integer, nullable=False, server_default="0"),
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
    # Number of the newest ready version: what a reference without a selector means.
    sa.Column("newest_version", sa.BigInteger),
    sa.Column("version_count", sa.BigInteger, nullable=False, server_default="0"),
    # From the newest ready version, so that a list page asks one table.
    sa.Column("framework", sa.Text, index=True),
    sa.Column("licence", sa.Text),
    sa.Column("task", sa.Text),
    # The newest ready version's card without its markup, as far as it is searched.
    sa.Column("card_text", sa.Text, nullable=False, server_default=""),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("updated_at"),
    moment("archived_at", nullable=True),
    moment("deleted_at", nullable=True),
    # Names of the stages that its own policy leaves it with, JSON list; None: as its namespace.
    sa.Column("protected_aliases", sa.Text),
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

# The words a model is found by, one row a model: an FTS5 table on SQLite (rowid = model id), on PostgreSQL
# an ordinary table with a GIN index; both are made by db/schema.py, which alone knows which is which.
SEARCH_TABLE = "model_search"
