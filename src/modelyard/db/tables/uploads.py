"""Bytes that the registry knows of, and bytes that are on their way."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, metadata, moment

LIVE, DAMAGED, DELETING, WITHHELD = "live", "damaged", "deleting", "withheld"
"""States of stored bytes. What is being deleted or is withheld takes no new references."""
KEPT = (LIVE, DAMAGED)
"""Those of bytes that versions may still need, whole or not."""

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    # live → deleting → (row gone). damaged: a check found the bytes missing or wrong, so the person who pushes them is
    # asked for them again, which makes the row live. withheld: for good, with a row in `withheld_bytes`; the row
    # stays, so that these bytes are refused when they come again.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("layout", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    # The last time somebody sent these bytes or was told that they are here.
    moment("touched_at"),
    # What loading it could run, and credentials in it, JSON; None: not looked into yet; "" : nothing to tell.
    sa.Column("scan", sa.Text),
    # The rules that the scan rests on; 0: no one looked, or no one noted it.
    sa.Column("scan_rules", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_blobs_state_touched_at", "state", "touched_at"),
    sa.Index("ix_blobs_scan_rules", "scan_rules"),
)

# Bytes that are not given to anybody any more, because they hold what leaked. Only where the withholding was asked
# for is kept here; every file with these bytes is concerned.
withheld_bytes = sa.Table(
    "withheld_bytes",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    # By name and without a foreign key: a withholding outlives the namespace.
    sa.Column("namespace", sa.Text, nullable=False, index=True),
    # A version (`fraud/scorer:3`), `run:ID` or `dataset:NAME@DIGEST`.
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

# What was read from bytes by their format, JSON; "": nothing to read. It depends on the bytes and on the reader,
# which a file's name chooses, and on nothing else.
blob_facts = sa.Table(
    "blob_facts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("facts", sa.Text, nullable=False),
)

# Who sent these bytes: may name them in a manifest though no version that they can read does so yet.
blob_senders = sa.Table(
    "blob_senders",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    # Of the token that sent them (`Scope.key`); a narrow token relies on what was sent with the same scope only.
    sa.Column("scope", sa.Text, primary_key=True),
    moment("sent_at"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    moment("created_at"),
    moment("expires_at"),
    # Of the token that began it.
    sa.Column("scope", sa.Text, nullable=False, server_default=""),
)
