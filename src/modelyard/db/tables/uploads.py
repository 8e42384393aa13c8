"""Stored bytes, and uploads in progress."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, metadata, moment

LIVE, DAMAGED, DELETING, WITHHELD = "live", "damaged", "deleting", "withheld"
"""States of stored bytes. What is being deleted or is withheld takes no new references."""
KEPT = (LIVE, DAMAGED)
"""The states of bytes that versions may still need, intact or damaged."""

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    # live → deleting → (row deleted). damaged: a check found the bytes missing or wrong, so the next push must send
    # them again, which makes the row live. withheld: for good, with a row in `withheld_bytes`; this row stays, so that
    # these bytes are refused if they are pushed again.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("layout", sa.Integer, nullable=False, server_default="1"),
    moment("created_at"),
    # The last time a client sent these bytes or was told that they are stored.
    moment("touched_at"),
    # Findings: code that loading the bytes could run, and credentials, JSON; None: not scanned yet; "": none.
    sa.Column("scan", sa.Text),
    # Version of the rules of the scan; 0: not scanned, or not recorded.
    sa.Column("scan_rules", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_blobs_state_touched_at", "state", "touched_at"),
    sa.Index("ix_blobs_scan_rules", "scan_rules"),
)

# Bytes that are no longer served, because they contain a leaked text. The row names only the file in the request;
# the withholding applies to every file with these bytes.
withheld_bytes = sa.Table(
    "withheld_bytes",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    # A name without a foreign key, since a withholding outlives the namespace.
    sa.Column("namespace", sa.Text, nullable=False, index=True),
    # A version (`fraud/scorer:3`), `run:ID` or `dataset:NAME@DIGEST`.
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
)

# Format facts of bytes, JSON; "": none. They depend only on the bytes and on the reader, which a file's name
# selects.
blob_facts = sa.Table(
    "blob_facts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("facts", sa.Text, nullable=False),
)

# The senders of bytes, who may use them in a manifest even if they can read no version that contains them.
blob_senders = sa.Table(
    "blob_senders",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), primary_key=True),
    # `Scope.key` of the sending token; a narrow token may use only bytes that were sent with the same scope.
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
    # `Scope.key` of the token that began the upload.
    sa.Column("scope", sa.Text, nullable=False, server_default=""),
)
