"""Datasets that versions and runs were fed with, and the graph of what came from what."""

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
    # When its newest version came, so that lists begin with what moves.
    moment("updated_at"),
    sa.UniqueConstraint("namespace_id", "name"),
)

# One content of a dataset. Numbers count up in the order in which contents were first seen.
dataset_versions = sa.Table(
    "dataset_versions",
    metadata,
    id_column(),
    sa.Column("dataset_id", BigId, sa.ForeignKey("datasets.id"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # What was first said of it: source, columns, filter, window, split, rows; canonical JSON.
    sa.Column("entry", sa.Text, nullable=False),
    # The digest of the profile's bytes; None: no one sent them.
    sa.Column("profile", sa.Text, index=True),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.UniqueConstraint("dataset_id", "digest"),
    sa.Index("ix_dataset_versions_digest", "digest"),
)

# What came from what: source → target. A node is its kind and key with a colon between: dataset:12 (the id in
# dataset_versions), version:7, run:<uid>, outside:<text>. No foreign keys, so that further kinds need no
# further tables.
lineage_edges = sa.Table(
    "lineage_edges",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("relation", sa.Text, primary_key=True),
    # What the edge adds to its ends, JSON: how this version read the data (split, filter, source).
    sa.Column("details", sa.Text),
    moment("created_at"),
    sa.Index("ix_lineage_edges_target_source", "target", "source"),
)
