"""Reports about versions after their registration. Rows are added and never changed."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

checks = sa.Table(
    "checks",
    metadata,
    id_column(),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False, server_default=""),
    sa.Column("summary", sa.Text, nullable=False, server_default=""),
    # Additional data of the reporter, a JSON object.
    sa.Column("details", sa.Text),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Of a verdict of the server about a repetition: uid of the build that repeated the version, "" if none could.
    # NULL: an account reported the check.
    sa.Column("build", sa.Text),
    sa.Index("ix_checks_version_id_id", "version_id", "id"),
    sa.Index(
        "ix_checks_build",
        "build",
        sqlite_where=sa.text("build IS NOT NULL"),
        postgresql_where=sa.text("build IS NOT NULL"),
    ),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    id_column(),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("split", sa.Text, nullable=False, server_default=""),
    sa.Column("dataset", sa.Text, nullable=False, server_default=""),
    # A JSON list of name and value, as in a record.
    sa.Column("metrics", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Index("ix_evaluations_version_id_id", "version_id", "id"),
)

attestations = sa.Table(
    "attestations",
    metadata,
    id_column(),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False),
    # Base64 of an Ed25519 signature over domain.attested.attested_bytes.
    sa.Column("signature", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Index("ix_attestations_version_id_id", "version_id", "id"),
)

# The newest card takes precedence over the README.md among the version's files.
cards = sa.Table(
    "cards",
    metadata,
    id_column(),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # Heading in lower case → number of words below it, JSON.
    sa.Column("sections", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Index("ix_cards_version_id_id", "version_id", "id"),
)
