"""Manifests, versions, aliases, and other facts about versions."""

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
    # Facts from the files themselves (framework, parameters, licence, …), JSON; a function of the bytes.
    sa.Column("format_facts", sa.Text, nullable=False),
    moment("created_at"),
    # The worst verdict on its files: no_code, allowlisted, unknown, not_scanned or dangerous; pending: not all of them
    # are scanned.
    sa.Column("scan", sa.Text, nullable=False, server_default="pending"),
    # Number of withheld files, updated by each withholding, so that reads of a version need not count them.
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
    # The deprecation, JSON: replacement, ends_at, reason, by, at; None: not deprecated.
    sa.Column("deprecation", sa.Text),
    # 1: in quarantine, because of its scan.
    sa.Column("quarantined", sa.Integer, nullable=False, server_default="0"),
    # The release from the quarantine, JSON: by, at, reason, verdict; None: not released.
    sa.Column("released", sa.Text),
    # The recall, JSON: mode, reason, by, at; None: not recalled.
    sa.Column("recall", sa.Text),
    # What its people call it, as 2.1.0; one version of a model at a time, deleted ones aside.
    sa.Column("semver", sa.Text),
    # Address of the pull request that it came from.
    sa.Column("pull_request", sa.Text),
    # The mark that it must be kept, JSON: reason, by, at; None: it has none.
    sa.Column("kept", sa.Text),
    # The Git commit of its code fact, as 7 to 64 lowercase hex digits; NULL: it names none.
    sa.Column("code_commit", sa.Text),
    # uid of the build that registered it, by the token of its attempt; NULL: none did.
    sa.Column("build", sa.Text),
    # The newest image that was made of it, JSON: digest, reference, by, at; NULL: none was.
    sa.Column("image", sa.Text),
    sa.UniqueConstraint("model_id", "number"),
    sa.Index("ix_versions_model_id_digest_record_digest", "model_id", "digest", "record_digest", "number"),
    sa.Index("ix_versions_digest", "digest"),
    sa.Index(
        "ix_versions_code_commit",
        "code_commit",
        sqlite_where=sa.text("code_commit IS NOT NULL"),
        postgresql_where=sa.text("code_commit IS NOT NULL"),
    ),
    sa.Index(
        "ix_versions_build",
        "build",
        sqlite_where=sa.text("build IS NOT NULL"),
        postgresql_where=sa.text("build IS NOT NULL"),
    ),
    sa.Index(
        "ix_versions_quarantined",
        "id",
        sqlite_where=sa.text("quarantined = 1"),
        postgresql_where=sa.text("quarantined = 1"),
    ),
    *(
        sa.Index(
            f"ix_versions_{name}",
            "model_id",
            name,
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
        )
        for name in ("semver", "pull_request")
    ),
)

version_tags = sa.Table(
    "version_tags",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("ix_version_tags_key_value", "key", "value"),
)

# Metrics once more, so that a search can compare them: of each the newest value, from the record or from an evaluation
# after it. split "" when none was named.
version_scores = sa.Table(
    "version_scores",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True, server_default=""),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("dataset", sa.Text, nullable=False, server_default=""),
    # None: the value is not finite.
    sa.Column("value", sa.Float),
    # None: the value is that of the record.
    sa.Column("evaluated_at", sa.BigInteger),
    sa.Column("in_record", sa.Integer, nullable=False, server_default="1"),
    # What the record says, once an evaluation has put its own value first.
    sa.Column("recorded", sa.Float),
    sa.Index("ix_version_scores_name_value", "name", "value"),
    sa.Index("ix_version_scores_model_id_name_split_value", "model_id", "name", "split", "value"),
)

# The measures' sums: versions registered by month, model, account and known facts. Written with each version.
version_months = sa.Table(
    "version_months",
    metadata,
    # Months since the year 0, in UTC: year × 12 + month − 1.
    sa.Column("month", sa.Integer, primary_key=True),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    # Which of the six facts are known, as domain.record.known_facts writes it.
    sa.Column("facts", sa.Text, primary_key=True),
    sa.Column("registered", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    # Of these, bytes that no earlier version of the namespace had.
    sa.Column("new_bytes", sa.BigInteger, nullable=False),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    # None: the alias was removed; the row stays, so that its revision never decreases.
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

# Unknown globals that a maintainer trusts in the pickles of a namespace.
scan_trusts = sa.Table(
    "scan_trusts",
    metadata,
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # 1: no one else had the permission at that time.
    sa.Column("alone", sa.Integer, nullable=False, server_default="0"),
    # The account of a second person who gave the same trust later; SQLite cannot add a foreign key.
    sa.Column("confirmed_by", BigId),
)

# Users of a version other than its aliases: `kind` stage or deployment forbids archiving it, and every kind (also
# rollback, keep) forbids deleting it. `name` describes the user for people.
version_holds = sa.Table(
    "version_holds",
    metadata,
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    moment("created_at"),
)
