"""Manifests, versions over them, and the pointers that move."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

manifests = sa.Table(
    "manifests",
    metadata,
    id_column(),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("file_count", sa.Integer, nullable=False),
    # What the files themselves say (framework, parameters, licence, …), JSON; a function of the bytes.
    sa.Column("format_facts", sa.Text, nullable=False),
    moment("created_at"),
    # The worst verdict on its files: no_code, allowlisted, unknown, not_scanned or dangerous; pending: not all
    # of them were looked into.
    sa.Column("scan", sa.Text, nullable=False, server_default="pending"),
    # How many of its files are withheld, counted when some are, so that reads of a version need not look.
    sa.Column("withheld", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_manifests_scan_id", "scan", "id"),
)

manifest_files = sa.Table(
    "manifest_files",
    metadata,
    sa.Column("manifest_id", BigId, sa.ForeignKey("manifests.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)

versions = sa.Table(
    "versions",
    metadata,
    id_column(),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("manifest_id", BigId, sa.ForeignKey("manifests.id"), nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("record_digest", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("updated_at"),
    # What pulls are warned of, JSON: replacement, ends_at, reason, by, at; None: not deprecated.
    sa.Column("deprecation", sa.Text),
    # 1: its scan found what is not served.
    sa.Column("quarantined", sa.Integer, nullable=False, server_default="0"),
    # Who let it out of the quarantine, JSON: by, at, reason, verdict; None: no one.
    sa.Column("released", sa.Text),
    # Why pulls are refused or warned, JSON: mode, reason, by, at; None: not recalled.
    sa.Column("recall", sa.Text),
    sa.UniqueConstraint("model_id", "number"),
    sa.Index("ix_versions_model_id_digest_record_digest", "model_id", "digest", "record_digest", "number"),
    sa.Index("ix_versions_digest", "digest"),
)

version_tags = sa.Table(
    "version_tags",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("ix_version_tags_key_value", "key", "value"),
)

# Metrics of the record once more, so that a search can compare them; split "" when none was named.
version_metrics = sa.Table(
    "version_metrics",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True, server_default=""),
    sa.Column("value", sa.Float),
    sa.Index("ix_version_metrics_name_value", "name", "value"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    # None: removed; the row stays so that its revision never goes back.
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    moment("updated_at"),
    sa.Column("updated_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

alias_moves = sa.Table(
    "alias_moves",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("from_number", sa.BigInteger),
    sa.Column("to_number", sa.BigInteger),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("reason", sa.Text),
)

# Globals that no rule knows and that a maintainer trusts in the pickles of a namespace.
scan_trusts = sa.Table(
    "scan_trusts",
    metadata,
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # 1: no one else held the right when it was given.
    sa.Column("alone", sa.Integer, nullable=False, server_default="0"),
    # Another person who gave the same trust later, an account; without a foreign key, which SQLite cannot add.
    sa.Column("confirmed_by", BigId),
)

# What must not lose a version, besides its aliases: `kind` stage or deployment forbids archiving it, every
# kind (also rollback, hold) forbids deleting it. `name` says which one, in words for people.
version_holds = sa.Table(
    "version_holds",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    moment("created_at"),
)
