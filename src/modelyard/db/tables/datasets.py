"""Datasets of versions and runs, and the lineage graph."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

datasets = sa.Table(
    "datasets",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    moment("created_at"),
    # Time of its newest version; lists are ordered by it.
    moment("updated_at"),
    # Sum of the sizes of the profiles of its contents.
    sa.Column("profile_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("namespace_id", "name"),
)

# A dataset's contents, numbered in the order in which they were first seen.
dataset_versions = sa.Table(
    "dataset_versions",
    metadata,
    id_column(),
    sa.Column("dataset_id", BigId, sa.ForeignKey("datasets.id"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # Its first description: source, columns, filter, window, split, rows; canonical JSON.
    sa.Column("entry", sa.Text, nullable=False),
    # The digest of the profile's bytes; None: no profile was sent.
    sa.Column("profile", sa.Text, index=True),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.UniqueConstraint("dataset_id", "digest"),
    sa.Index("ix_dataset_versions_digest", "digest"),
)

# The lineage graph: source → target. A node is its kind and key, joined by a colon: dataset:12 (the id in
# dataset_versions), version:7, run:<uid>, outside:<text>. There are no foreign keys, so that new kinds do not need
# new tables.
lineage_edges = sa.Table(
    "lineage_edges",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("relation", sa.Text, primary_key=True),
    # Details of the edge, JSON: how this version read the data (split, filter, source).
    sa.Column("details", sa.Text),
    moment("created_at"),
    sa.Index("ix_lineage_edges_target_source", "target", "source"),
)
