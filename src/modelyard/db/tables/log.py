"""The event log, and the stored answers to requests that may be repeated."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, metadata, moment

# No foreign keys: an event outlives its subject.
events = sa.Table(
    "events",
    metadata,
    # 0, 1, 2, … without a gap, in the order of commit.
    sa.Column("seq", BigId, primary_key=True, autoincrement=False),
    moment("at"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor_id", BigId, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("namespace", sa.Text),
    # 0: the event concerns no model.
    sa.Column("model_id", BigId, nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger),
    # The whole event in canonical JSON.
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("ix_events_model_id_seq", "model_id", "seq"),
    sa.Index("ix_events_actor_id_seq", "actor_id", "seq"),
    sa.Index("ix_events_kind_seq", "kind", "seq"),
)

# The Merkle tree over the bodies of the events: its perfect subtrees, in the order in which they became complete
# (`node_place` in domain/merkle.py), so that a commit only appends to the table.
event_nodes = sa.Table(
    "event_nodes",
    metadata,
    sa.Column("place", BigId, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

# A single row. Each writer locks it first, so that commits have one order and events have no gaps.
event_head = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    # The peaks of the tree; appending reads nothing else.
    sa.Column("peaks", sa.Text, nullable=False, server_default=""),
    # On PostgreSQL both grow with each commit, the second one only if it may change rights (db/revisions.py).
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rights_revision", sa.BigInteger, nullable=False, server_default="0"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("actor_id", BigId, primary_key=True, autoincrement=False),
    # 0: a browser session. An answer to one token is not repeated to another token of the same account.
    sa.Column("token_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, primary_key=True),
    # A keyed hash, so that readers of the table cannot test guesses of a body.
    sa.Column("request_hash", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    moment("created_at"),
    sa.Index("ix_idempotency_keys_created_at", "created_at"),
)

# Facts about this registry itself: its identity, held leases.
server_facts = sa.Table(
    "server_facts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
